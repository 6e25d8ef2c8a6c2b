//! What corners carry, interpolated over the faces that are seen.

use super::frame::{Frame, expect_setup, faces_of, of_corners, sum_bands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::ops::{Cost, Operator, VjpCall, expect_f32, operands, within_count};
use crate::shape::TensorType;

const INTERPOLATE: Shader = of_corners!("raster/interpolate.wgsl");
const CORNER_GRAD: Shader = of_corners!("raster/interpolate_grad.wgsl");
const ATTRIBUTE_GRAD: Shader = of_corners!("raster/attribute_grad.wgsl");

/// Attributes of corners, N×3F×C or 1×3F×C for all images, in each pixel, N×H×W×C. Operands corners, set-up faces, the faces
/// seen, attributes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interpolate(pub Frame);

/// The gradient with respect to the corners in bands, B×N×F×9, from the operands and gy.
#[derive(Debug, Clone, Copy)]
struct CornerGrad(Frame);

/// The gradient with respect to the attributes in bands, B×N×3F×C, from corners, set-up faces, the faces seen and gy.
#[derive(Debug, Clone, Copy)]
struct AttributeGrad(Frame);

/// The channels of attributes of `f` faces in `n` images.
fn channels_of(attributes: &TensorType, n: usize, f: usize) -> Result<usize, Mismatch> {
    expect_f32("attributes", attributes)?;
    match *attributes.shape.dims() {
        [images, corners, c] if (images == n || images == 1) && corners == 3 * f && c > 0 => Ok(c),
        _ => Err(Mismatch::new("attributes", format!("{n}×{}×C or 1×{}×C", 3 * f, 3 * f), attributes)),
    }
}

/// From one image's attributes to the next's, in faces.
fn stride(attributes: &TensorType, n: usize, f: usize) -> usize {
    if attributes.shape.dims()[0] == n { f } else { 0 }
}

impl Operator for Interpolate {
    fn name(&self) -> &'static str {
        "interpolate"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [corners, setup, visible, attributes] = operands(inputs)?;
        let [n, f] = faces_of(corners)?;
        expect_setup(setup, [n, f])?;
        self.0.expect_visible(visible, n)?;
        let c = channels_of(attributes, n, f)?;
        within_count("attributes", &[n, self.0.height, self.0.width, c])?;
        Ok(TensorType::f32([n, self.0.height, self.0.width, c]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let [corners, setup, visible, attributes] = [0, 1, 2, 3].map(|i| call.inputs[i]);
        let (g, r) = (call.cotangent, call.cotangent.recorder());
        let gc = call.grad(0, || sum_bands(r.apply(CornerGrad(self.0), &[corners, setup, visible, attributes, g])?))?;
        let ga = call.grad(3, || {
            let each = sum_bands(r.apply(AttributeGrad(self.0), &[corners, setup, visible, g])?)?;
            each.sum_to(attributes.shape())
        })?;
        Ok(vec![gc, None, None, ga])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [corners, _, visible, attributes] = [0, 1, 2, 3].map(|i| lowering.input(i));
        let [n, f] = faces_of(&corners.ty).expect("checked by infer");
        let (y, lanes, total) = (lowering.output(), lowering.target().lanes(), n * self.0.pixels());
        let dispatch = lowering.dispatch(&INTERPOLATE).define("WG", lanes).define("PERSPECTIVE", self.0.perspective);
        let dispatch = dispatch.bind("corners", corners.buffer).bind("visible", visible.buffer);
        let dispatch = dispatch.bind("attributes", attributes.buffer).bind("y", y).param("total", total);
        let dispatch = dispatch.param("pixels", self.0.pixels()).param("width", self.0.width).param("faces", f);
        let dispatch = dispatch.param("channels", attributes.ty.shape.channels());
        dispatch.param("stride", stride(&attributes.ty, n, f)).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = [0, 2, 3].iter().map(|&i| inputs[i].bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 40 * output.shape.rows() as u64 + 5 * output.shape.numel() as u64, bytes }
    }
}

impl Operator for CornerGrad {
    fn name(&self) -> &'static str {
        "interpolate"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [corners, _, _, attributes, gy] = operands(inputs)?;
        let [n, f] = faces_of(corners)?;
        self.0.expect_image("gradient", gy, n, channels_of(attributes, n, f)?)?;
        Ok(TensorType::f32([self.0.bands().count, n, f, 9]))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 5])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [corners, setup, visible, attributes, gy] = [0, 1, 2, 3, 4].map(|i| lowering.input(i));
        let [n, f] = faces_of(&corners.ty).expect("checked by infer");
        let (gx, lanes) = (lowering.output(), lowering.target().lanes());
        let dispatch = lowering.dispatch(&CORNER_GRAD).define("WG", lanes).define("PERSPECTIVE", self.0.perspective);
        let dispatch = dispatch.bind("setup", setup.buffer).bind("corners", corners.buffer);
        let dispatch = dispatch.bind("visible", visible.buffer).bind("attributes", attributes.buffer);
        let dispatch = self.0.walk(dispatch.bind("gy", gy.buffer).bind("gx", gx), n * f, f);
        let dispatch = dispatch.param("channels", attributes.ty.shape.channels());
        dispatch.param("stride", stride(&attributes.ty, n, f)).threads(n * f * self.0.bands().count)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 80 * inputs[2].shape.numel() as u64 + 6 * inputs[4].shape.numel() as u64, bytes }
    }
}

impl Operator for AttributeGrad {
    fn name(&self) -> &'static str {
        "interpolate"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [corners, _, _, gy] = operands(inputs)?;
        let [n, f] = faces_of(corners)?;
        let c = gy.shape.channels();
        self.0.expect_image("gradient", gy, n, c)?;
        Ok(TensorType::f32([self.0.bands().count, n, 3 * f, c]))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 4])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [corners, setup, visible, gy] = [0, 1, 2, 3].map(|i| lowering.input(i));
        let [n, f] = faces_of(&corners.ty).expect("checked by infer");
        let (gx, lanes, c) = (lowering.output(), lowering.target().lanes(), gy.ty.shape.channels());
        let dispatch = lowering.dispatch(&ATTRIBUTE_GRAD).define("WG", lanes).define("PERSPECTIVE", self.0.perspective);
        let dispatch = dispatch.bind("setup", setup.buffer).bind("corners", corners.buffer);
        let dispatch = dispatch.bind("visible", visible.buffer).bind("gy", gy.buffer).bind("gx", gx);
        let total = n * f * c;
        self.0.walk(dispatch, total, f).param("channels", c).threads(total * self.0.bands().count)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 46 * inputs[3].shape.numel() as u64, bytes }
    }
}
