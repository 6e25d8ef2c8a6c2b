//! Cameras: points of space to homogeneous pixels.

use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::ops::vectors::batch;
use crate::ops::{Operator, VjpCall, expect_f32, operands};
use crate::shader;
use crate::shape::{Shape, TensorType};

const POINTS: Shader = shader!("raster/image_points.wgsl", with "common/index.wgsl");
const TERMS: Shader = shader!("raster/camera_terms.wgsl", with "common/index.wgsl");

/// Points N×V×3 and cameras N×4 (fx, fy, cx, cy) to homogeneous pixels N×V×3. They are linear in the points, and the
/// gradient with respect to these has the same form.
#[derive(Debug, Clone, Copy)]
pub(super) struct ImagePoints {
    pub perspective: bool,
    pub gradient: bool,
}

/// What each point adds to its camera's gradient, N×V×4, from points and gradients of homogeneous pixels.
#[derive(Debug, Clone, Copy)]
struct CameraTerms {
    perspective: bool,
}

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
        Ok(points.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        if self.gradient {
            return Ok(vec![None, None]);
        }
        let (points, camera, g) = (call.inputs[0], call.inputs[1], call.cotangent);
        let r = g.recorder();
        let gp = call.grad(0, || r.apply(ImagePoints { gradient: true, ..*self }, &[g, camera]))?;
        let gc = call.grad(1, || {
            let terms = r.apply(CameraTerms { perspective: self.perspective }, &[points, g])?;
            terms.sum(&[1])?.reshape(camera.shape())
        })?;
        Ok(vec![gp, gc])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, camera, y) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let (lanes, total) = (lowering.target().lanes(), x.ty.shape.rows());
        let dispatch = lowering.dispatch(&POINTS).define("WG", lanes).define("PERSPECTIVE", self.perspective);
        let dispatch = dispatch.define("GRAD", self.gradient).bind("x", x.buffer).bind("camera", camera).bind("y", y);
        dispatch.param("total", total).param("points", x.ty.shape.dims()[1]).threads(total)
    }
}

impl Operator for CameraTerms {
    fn name(&self) -> &'static str {
        "image_points"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [points, g] = operands(inputs)?;
        let [n, v] = batch("vertices", points, None, 3)?;
        batch("gradient", g, Some(v), 3)?;
        Ok(TensorType::f32([n, v, 4]))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, gy, y) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let (lanes, total) = (lowering.target().lanes(), x.ty.shape.rows());
        let dispatch = lowering.dispatch(&TERMS).define("WG", lanes).define("PERSPECTIVE", self.perspective);
        let dispatch = dispatch.bind("x", x.buffer).bind("gy", gy).bind("y", y);
        dispatch.param("total", total).threads(total)
    }
}
