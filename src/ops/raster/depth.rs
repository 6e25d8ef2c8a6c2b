//! The depth of what is seen.

use super::frame::{Frame, expect_setup, faces_of, of_corners, sum_bands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::ops::{Cost, Operator, VjpCall, operands};
use crate::shape::TensorType;

const DEPTH: Shader = of_corners!("raster/depth.wgsl");
const DEPTH_GRAD: Shader = of_corners!("raster/depth_grad.wgsl");

/// Depth N×H×W×1 from corners, set-up faces and the faces seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depth {
    pub frame: Frame,
    /// The value of pixels in which no face is seen.
    pub background: f32,
}

/// The gradient with respect to the corners in bands, B×N×F×9, from corners, set-up faces, the faces seen and gy.
#[derive(Debug, Clone, Copy)]
struct DepthGrad(Frame);

impl Operator for Depth {
    fn name(&self) -> &'static str {
        "depth"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [corners, setup, visible] = operands(inputs)?;
        let [n, f] = faces_of(corners)?;
        expect_setup(setup, [n, f])?;
        self.frame.expect_visible(visible, n)?;
        if !self.background.is_finite() {
            return Err(Mismatch::new("background", "a finite number", self.background));
        }
        Ok(TensorType::f32([n, self.frame.height, self.frame.width, 1]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let [corners, setup, visible] = [0, 1, 2].map(|i| call.inputs[i]);
        let (g, r) = (call.cotangent, call.cotangent.recorder());
        let gc = || sum_bands(r.apply(DepthGrad(self.frame), &[corners, setup, visible, g])?);
        Ok(vec![call.grad(0, gc)?, None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (corners, visible, y) = (lowering.input(0), lowering.input(2).buffer, lowering.output());
        let [n, f] = faces_of(&corners.ty).expect("checked by infer");
        let (lanes, total) = (lowering.target().lanes(), n * self.frame.pixels());
        let dispatch = lowering.dispatch(&DEPTH).define("WG", lanes).define("PERSPECTIVE", self.frame.perspective);
        let dispatch = dispatch.bind("corners", corners.buffer).bind("visible", visible).bind("y", y);
        let dispatch = dispatch.param("total", total).param("pixels", self.frame.pixels());
        let dispatch = dispatch.param("width", self.frame.width).param("faces", f);
        dispatch.param("near", self.frame.near).param("background", self.background).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs[0].bytes() + inputs[2].bytes() + output.bytes();
        Cost { flops: 40 * output.shape.numel() as u64, bytes }
    }
}

impl Operator for DepthGrad {
    fn name(&self) -> &'static str {
        "depth"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [corners, _, _, gy] = operands(inputs)?;
        let [n, f] = faces_of(corners)?;
        self.0.expect_image("gradient", gy, n, 1)?;
        Ok(TensorType::f32([self.0.bands().count, n, f, 9]))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 4])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [corners, setup, visible, gy] = [0, 1, 2, 3].map(|i| lowering.input(i));
        let [n, f] = faces_of(&corners.ty).expect("checked by infer");
        let (gx, lanes) = (lowering.output(), lowering.target().lanes());
        let dispatch = lowering.dispatch(&DEPTH_GRAD).define("WG", lanes).define("PERSPECTIVE", self.0.perspective);
        let dispatch = dispatch.bind("setup", setup.buffer).bind("corners", corners.buffer);
        let dispatch = dispatch.bind("visible", visible.buffer).bind("gy", gy.buffer).bind("gx", gx);
        let dispatch = self.0.walk(dispatch, n * f, f).param("near", self.0.near);
        dispatch.threads(n * f * self.0.bands().count)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 80 * inputs[3].shape.numel() as u64, bytes }
    }
}
