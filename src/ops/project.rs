//! Cameras: points of space to pixels.

use super::vectors::batch;
use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{Shape, TensorType};

const PROJECT: Shader = shader!("mesh/project.wgsl", with "common/index.wgsl");
const PROJECT_GRAD: Shader = shader!("mesh/project_grad.wgsl", with "common/index.wgsl");

/// Points N×V×3 and cameras N×4 to pixels N×V×2.
#[derive(Debug, Clone, Copy)]
struct Project {
    /// The smallest z of a perspective; without it z takes no part.
    near: Option<f32>,
}

/// The gradient with respect to the points, from points, cameras and gy.
#[derive(Debug, Clone, Copy)]
struct ProjectGrad(Project);

impl Operator for Project {
    fn name(&self) -> &'static str {
        if self.near.is_some() { "project_perspective" } else { "project_orthographic" }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [points, camera] = operands(inputs)?;
        let [n, v] = batch("points", points, None, 3)?;
        expect_f32("camera", camera)?;
        if camera.shape.dims() != [n, 4] {
            return Err(Mismatch::new("camera", Shape::from([n, 4]), camera));
        }
        match self.near {
            Some(near) if !(near.is_normal() && near > 0.0) => Err(Mismatch::new("near", "a positive number", near)),
            _ => Ok(TensorType::f32([n, v, 2])),
        }
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (points, camera, gy, r) = (call.inputs[0], call.inputs[1], call.cotangent, call.output.recorder());
        let n = camera.shape().dims()[0];
        let gp = call.grad(0, || r.apply(ProjectGrad(*self), &[points, camera, gy]))?;
        let gc = call.grad(1, || {
            // What the focal lengths multiply is where a camera of focal length 1 sees the points.
            let plain = r.constant([1, 4], &[1.0, 1.0, 0.0, 0.0])?.broadcast([n, 4])?;
            let slopes = r.apply(*self, &[points, plain])?;
            r.concat(&[slopes.mul(gy)?.sum(&[1])?, gy.sum(&[1])?], 2)?.reshape([n, 4])
        })?;
        Ok(vec![gp, gc])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (points, camera, y) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let (lanes, total) = (lowering.target().lanes(), points.ty.shape.rows());
        let dispatch = lowering.dispatch(&PROJECT).define("WG", lanes).define("PERSPECTIVE", self.near.is_some());
        let dispatch = dispatch.bind("x", points.buffer).bind("camera", camera).bind("y", y).param("total", total);
        let dispatch = dispatch.param("points", points.ty.shape.dims()[1]);
        dispatch.param("near", self.near.unwrap_or(0.0)).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 3 * output.shape.numel() as u64, bytes }
    }
}

impl Operator for ProjectGrad {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [points, _, _] = operands(inputs)?;
        Ok(points.clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [points, camera, gy] = [0, 1, 2].map(|i| lowering.input(i));
        let (gx, lanes, total) = (lowering.output(), lowering.target().lanes(), points.ty.shape.rows());
        let perspective = self.0.near.is_some();
        let dispatch = lowering.dispatch(&PROJECT_GRAD).define("WG", lanes).define("PERSPECTIVE", perspective);
        let dispatch = dispatch.bind("x", points.buffer).bind("camera", camera.buffer).bind("gy", gy.buffer);
        let dispatch = dispatch.bind("gx", gx).param("total", total).param("points", points.ty.shape.dims()[1]);
        dispatch.param("near", self.0.near.unwrap_or(0.0)).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 4 * output.shape.numel() as u64, bytes }
    }
}

impl<'r> Var<'r> {
    /// Pixels of these points (N×V×3, camera axes: x right, y down, z away) through pinhole cameras (N×4: fx, fy, cx, cy in pixels):
    /// `u = fx·x/z + cx`, `v = fy·y/z + cy`, N×V×2.
    ///
    /// A z below `near` counts as `near`, so that points beside or behind the camera give finite pixels, if not those of
    /// any picture; no gradient then flows to z.
    #[track_caller]
    pub fn project_perspective(self, camera: Var<'r>, near: f32) -> Result<Var<'r>> {
        self.recorder().apply(Project { near: Some(near) }, &[self, camera])
    }

    /// Pixels of these points (N×V×3) as a camera sees them from afar: `u = sx·x + cx`, `v = sy·y + cy`, N×V×2. The camera is
    /// N×4: sx and sy in pixels a unit, cx and cy in pixels.
    #[track_caller]
    pub fn project_orthographic(self, camera: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Project { near: None }, &[self, camera])
    }

    /// Pixels of these points (N×V×3) in weak perspective: `u = s·x + cx`, `v = s·y + cy`, N×V×2. The camera is N×3: s (the
    /// focal length over the object's distance), cx and cy.
    #[track_caller]
    pub fn project_weak_perspective(self, camera: Var<'r>) -> Result<Var<'r>> {
        let n = self.shape().dims().first().copied().unwrap_or(1);
        let fits = Mismatch::unless(camera.shape().dims() == [n, 3], "camera", Shape::from([n, 3]), camera.ty());
        self.recorder().expect("project_weak_perspective", &[self, camera], fits)?;
        // (s, cx, cy) to (s, s, cx, cy).
        let camera = self.recorder().concat(&[camera.slice(1, 0, 1)?, camera], 1)?;
        self.project_orthographic(camera)
    }
}
