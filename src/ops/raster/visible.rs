//! Which face is seen in each pixel.

use super::NO_FACE;
use super::frame::{Frame, expect_setup, faces_of, of_corners};
use crate::error::{Mismatch, Result};
use crate::exec::{BufferRef, Lowering, Shader};
use crate::graph::Var;
use crate::ops::{Cost, Operator, VjpCall, fill, operands, within_count};
use crate::shader;
use crate::shape::{DType, TensorType};

const SETUP: Shader = of_corners!("raster/setup.wgsl");
const CLIP: Shader = of_corners!("raster/clip.wgsl");
const SCAN: Shader = of_corners!("raster/scan.wgsl");
const MASK: Shader = shader!("raster/mask.wgsl", with "common/index.wgsl");

/// Workgroups that take turns at faces to be clipped: mostly there are none.
const CLIP_GROUPS: usize = 8;

/// Faces made ready, u32 N×F×12, from corners, and from their u32 indices F×3 or N×F×3 if these are only known to the device:
/// a face with an index that is not below `vertices` is not drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    pub frame: Frame,
    pub cull_back: bool,
    pub vertices: usize,
}

/// The number of the face seen in each pixel, u32 N×H×W, [`NO_FACE`] where there is none, from set-up faces and corners.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visible(pub Frame);

/// 1 where a face is seen, N×H×W×1, from the numbers of faces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mask {
    pub frame: Frame,
    pub faces: usize,
}

fn no_gradient<'r>(call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
    Ok(vec![None; call.inputs.len()])
}

impl Operator for Setup {
    fn name(&self) -> &'static str {
        "raster_setup"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let Some((corners, indices)) = inputs.split_first() else {
            return Err(Mismatch::new("operands", "corners, or corners and indices", "none"));
        };
        let [n, f] = faces_of(corners)?;
        if !indices.is_empty() {
            let [indices] = operands(indices)?;
            let fits = [vec![f, 3], vec![n, f, 3]].iter().any(|dims| indices.shape.dims() == dims);
            if indices.dtype != DType::U32 || !fits {
                return Err(Mismatch::new("faces", format!("u32 {f}×3 or {n}×{f}×3"), indices));
            }
        }
        Ok(TensorType::u32([n, f, 12]))
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        no_gradient(call)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (corners, setup) = (lowering.input(0), lowering.output());
        let [n, f] = faces_of(&corners.ty).expect("checked by infer");
        let indices = (lowering.input_count() > 1).then(|| lowering.input(1));
        let lanes = lowering.target().lanes();
        let to_clip = lowering.scratch(n * f + 1);
        fill(lowering, to_clip, 1, 0)?;
        let dispatch = lowering.dispatch(&SETUP).define("WG", lanes);
        let dispatch = dispatch.define("INDEXED", indices.is_some()).bind("corners", corners.buffer);
        let dispatch = match &indices {
            Some(indices) => dispatch.bind("indices", indices.buffer),
            None => dispatch.unused("indices"),
        };
        let listed = indices.map_or(1, |indices| indices.ty.shape.rows());
        let dispatch = dispatch.bind("setup", setup).bind("to_clip", to_clip).param("total", n * f);
        let dispatch = dispatch.param("vertices", self.vertices).param("indices", listed);
        let dispatch = dispatch.param("width", self.frame.width).param("height", self.frame.height);
        let dispatch = dispatch.param("bits", self.frame.bits()).param("cull", u32::from(self.cull_back));
        dispatch.param("near", self.frame.near).threads(n * f)?;
        let dispatch = lowering.dispatch(&CLIP).define("WG", lanes);
        let dispatch = dispatch.bind("corners", corners.buffer).bind("to_clip", to_clip).bind("setup", setup);
        let dispatch = dispatch.param("width", self.frame.width).param("height", self.frame.height);
        let dispatch = dispatch.param("bits", self.frame.bits()).param("cull", u32::from(self.cull_back));
        dispatch.param("near", self.frame.near).groups([CLIP_GROUPS, 1, 1])
    }
}

impl Operator for Visible {
    fn name(&self) -> &'static str {
        "visible_faces"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [setup, corners] = operands(inputs)?;
        let [n, f] = faces_of(corners)?;
        expect_setup(setup, [n, f])?;
        let image = [n, self.0.height, self.0.width];
        within_count("image", &image)?;
        Ok(TensorType::u32(image))
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        no_gradient(call)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let frame = self.0;
        let (setup, corners, visible) = (lowering.input(0).buffer, lowering.input(1), lowering.output());
        let [n, f] = faces_of(&corners.ty).expect("checked by infer");
        let (lanes, pixels) = (lowering.target().lanes(), n * frame.pixels());
        let nearest = lowering.scratch(pixels);
        // The farthest depth, and no face.
        fill(lowering, nearest, pixels, u32::MAX)?;
        fill(lowering, visible, pixels, NO_FACE)?;
        for second in [0u32, 1] {
            let dispatch = lowering.dispatch(&SCAN).define("WG", lanes);
            let dispatch = dispatch.bind("setup", setup).bind("corners", corners.buffer);
            let dispatch = dispatch.bind("nearest", nearest).bind("visible", visible);
            let dispatch = frame.walk(dispatch, n * f, f).param("bits", frame.bits()).param("near", frame.near);
            let dispatch = dispatch.param("second", second);
            dispatch.threads(n * f * frame.bands().count)?;
        }
        Ok(())
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = 2 * inputs.iter().map(|t| t.bytes()).sum::<u64>() + 4 * output.bytes();
        Cost { flops: 0, bytes }
    }
}

impl Operator for Mask {
    fn name(&self) -> &'static str {
        "face_mask"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [visible] = operands(inputs)?;
        let n = visible.shape.dims().first().copied().unwrap_or(0);
        self.frame.expect_visible(visible, n)?;
        Ok(TensorType::f32([n, self.frame.height, self.frame.width, 1]))
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        no_gradient(call)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let visible = lowering.input(0).buffer;
        lower_mask(lowering, visible, self.faces)
    }
}

/// Emits the mask of the faces seen as the result.
pub(super) fn lower_mask(lowering: &mut Lowering<'_>, visible: BufferRef, faces: usize) -> Result<()> {
    let (y, lanes, total) = (lowering.output(), lowering.target().lanes(), lowering.output_ty().shape.numel());
    let dispatch = lowering.dispatch(&MASK).define("WG", lanes).bind("visible", visible).bind("y", y);
    dispatch.param("total", total).param("faces", faces).threads(total)
}
