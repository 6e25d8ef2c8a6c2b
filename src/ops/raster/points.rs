//! Cameras: points of space to homogeneous pixels.

use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::ops::vectors::batch;
use crate::ops::{Operator, VjpCall, expect_f32, operands};
use crate::shader;
use crate::shape::{Shape, TensorType};

const POINTS: Shader = shader!("raster/image_points.wgsl", with "common/index.wgsl");
const POINTS_GRAD: Shader = shader!("raster/image_points_grad.wgsl", with "common/index.wgsl");
const CAMERA_TERMS: Shader = shader!("raster/camera_terms.wgsl", with "common/index.wgsl");

/// Points N×V×3 and cameras N×4 (fx, fy, cx, cy) to homogeneous pixels N×V×4.
#[derive(Debug, Clone, Copy)]
pub(super) struct ImagePoints {
    /// Whether a homogeneous pixel's divisor is its depth; else 1.
    pub perspective: bool,
}

/// The gradient with respect to the points, N×V×3, from that of the homogeneous pixels and the cameras.
#[derive(Debug, Clone, Copy)]
struct PointsGrad(ImagePoints);

/// What each point adds to its camera's gradient, N×V×4, from points and the gradient of the homogeneous pixels.
#[derive(Debug, Clone, Copy)]
struct CameraTerms(ImagePoints);

impl Operator for ImagePoints {
    fn name(&self) -> &'static str {
        "image_points"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [points, camera] = operands(inputs)?;
        let [n, _] = batch("vertices", points, None, 3)?;
        expect_f32("camera", camera)?;
        if camera.shape.dims() != [n, 4] {
            return Err(Mismatch::new("camera", Shape::from([n, 4]), camera));
        }
        Ok(TensorType::f32(points.shape.with_channels(4)))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (points, camera, g) = (call.inputs[0], call.inputs[1], call.cotangent);
        let r = g.recorder();
        let gp = call.grad(0, || r.apply(PointsGrad(*self), &[g, camera]))?;
        let gc = call.grad(1, || r.apply(CameraTerms(*self), &[points, g])?.sum(&[1])?.reshape(camera.shape()))?;
        Ok(vec![gp, gc])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, camera, y) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let (lanes, total) = (lowering.target().lanes(), x.ty.shape.rows());
        let dispatch = lowering.dispatch(&POINTS).define("WG", lanes).define("PERSPECTIVE", self.perspective);
        let dispatch = dispatch.bind("x", x.buffer).bind("camera", camera).bind("y", y);
        dispatch.param("total", total).param("points", x.ty.shape.dims()[1]).threads(total)
    }
}

impl Operator for PointsGrad {
    fn name(&self) -> &'static str {
        "image_points"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [g, _] = operands(inputs)?;
        batch("gradient", g, None, 4)?;
        Ok(TensorType::f32(g.shape.with_channels(3)))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (gy, camera, gx) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let (lanes, total) = (lowering.target().lanes(), gy.ty.shape.rows());
        let dispatch = lowering.dispatch(&POINTS_GRAD).define("WG", lanes).define("PERSPECTIVE", self.0.perspective);
        let dispatch = dispatch.bind("gy", gy.buffer).bind("camera", camera).bind("gx", gx);
        dispatch.param("total", total).param("points", gy.ty.shape.dims()[1]).threads(total)
    }
}

impl Operator for CameraTerms {
    fn name(&self) -> &'static str {
        "image_points"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [points, g] = operands(inputs)?;
        let [_, v] = batch("vertices", points, None, 3)?;
        batch("gradient", g, Some(v), 4)?;
        Ok(g.clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, gy, y) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let (lanes, total) = (lowering.target().lanes(), x.ty.shape.rows());
        let dispatch = lowering.dispatch(&CAMERA_TERMS).define("WG", lanes).define("PERSPECTIVE", self.0.perspective);
        let dispatch = dispatch.bind("x", x.buffer).bind("gy", gy).bind("y", y);
        dispatch.param("total", total).threads(total)
    }
}
