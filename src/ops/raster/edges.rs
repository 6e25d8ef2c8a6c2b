//! Hard silhouettes with the gradient of Kato et al., "Neural 3D Mesh Renderer", 2018: what crossing a pixel with an edge
//! would change.

use super::frame::{Bands, Frame, expect_setup, faces_of, of_corners, sum_bands};
use super::visible::lower_mask;
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::ops::{Cost, Operator, VjpCall, operands};
use crate::shape::TensorType;

const EDGE_GRAD: Shader = of_corners!("raster/edge_grad.wgsl");
const EDGE_CORNERS: Shader = of_corners!("raster/edge_corners.wgsl");

/// What distances are enlarged by, in halves of the image's longer side, as in the authors' renderer.
const LEAST_DISTANCE: f32 = 1e-4;

/// The mask N×H×W×1 from corners, set-up faces and the faces seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct EdgeSilhouette(pub Frame);

/// Gradients of the ends of edges across lines, B×N×6F×2, from corners, set-up faces, the faces seen and gy.
#[derive(Debug, Clone, Copy)]
struct EdgeGrad(Frame);

/// The gradient with respect to the corners, N×F×12, from corners, set-up faces and that of the edges, N×6F×2.
#[derive(Debug, Clone, Copy)]
struct EdgeCorners;

impl Operator for EdgeSilhouette {
    fn name(&self) -> &'static str {
        "edge_silhouette"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [corners, setup, visible] = operands(inputs)?;
        let [n, f] = faces_of(corners)?;
        expect_setup(setup, [n, f])?;
        self.0.expect_visible(visible, n)?;
        Ok(TensorType::f32([n, self.0.height, self.0.width, 1]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let [corners, setup, visible] = [0, 1, 2].map(|i| call.inputs[i]);
        let (g, r) = (call.cotangent, call.cotangent.recorder());
        let gc = call.grad(0, || {
            let edges = sum_bands(r.apply(EdgeGrad(self.0), &[corners, setup, visible, g])?)?;
            r.apply(EdgeCorners, &[corners, setup, edges])
        })?;
        Ok(vec![gc, None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [_, f] = faces_of(lowering.input_ty(0)).expect("checked by infer");
        let visible = lowering.input(2).buffer;
        lower_mask(lowering, visible, f)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 0, bytes: inputs[2].bytes() + output.bytes() }
    }
}

impl EdgeGrad {
    /// A thread looks at both sides of an edge on each line.
    fn bands(&self) -> Bands {
        let longest = self.0.width.max(self.0.height);
        Bands::of(longest, 2 * longest)
    }
}

impl Operator for EdgeGrad {
    fn name(&self) -> &'static str {
        "edge_silhouette"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [corners, _, _, gy] = operands(inputs)?;
        let [n, f] = faces_of(corners)?;
        self.0.expect_image("gradient", gy, n, 1)?;
        Ok(TensorType::f32([self.bands().count, n, 6 * f, 2]))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 4])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [corners, setup, visible, gy] = [0, 1, 2, 3].map(|i| lowering.input(i));
        let [n, f] = faces_of(&corners.ty).expect("checked by infer");
        let (gx, lanes, bands) = (lowering.output(), lowering.target().lanes(), self.bands());
        let Frame { width, height, .. } = self.0;
        let dispatch = lowering.dispatch(&EDGE_GRAD).define("WG", lanes);
        let dispatch = dispatch.bind("setup", setup.buffer).bind("corners", corners.buffer);
        let dispatch = dispatch.bind("visible", visible.buffer).bind("gy", gy.buffer).bind("gx", gx);
        let dispatch = dispatch.param("total", 6 * n * f).param("faces", f).param("width", width);
        let dispatch = dispatch.param("height", height).param("lines", bands.rows).param("bands", bands.count);
        let least = LEAST_DISTANCE * 0.5 * width.max(height) as f32;
        dispatch.param("least", least).threads(6 * n * f * bands.count)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 20 * inputs[3].shape.numel() as u64, bytes }
    }
}

impl Operator for EdgeCorners {
    fn name(&self) -> &'static str {
        "edge_silhouette"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [corners, _, _] = operands(inputs)?;
        faces_of(corners)?;
        Ok(corners.clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 3])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [corners, setup, edges] = [0, 1, 2].map(|i| lowering.input(i));
        let (gx, lanes, total) = (lowering.output(), lowering.target().lanes(), corners.ty.shape.rows());
        let dispatch = lowering.dispatch(&EDGE_CORNERS).define("WG", lanes);
        let dispatch = dispatch.bind("setup", setup.buffer).bind("corners", corners.buffer);
        let dispatch = dispatch.bind("g_edges", edges.buffer).bind("gx", gx);
        dispatch.param("total", total).threads(total)
    }
}
