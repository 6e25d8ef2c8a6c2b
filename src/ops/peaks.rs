//! Where maps are highest, between pixels.

use super::{Cost, Operator, VjpCall, image_extents, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{DType, TensorType};

const REFINE: Shader = shader!("reduce/refine_peaks.wgsl", with "common/index.wgsl");

/// How [`Var::arg_max2d`] finds a peak between pixels, from the highest pixel and its neighbours along each axis; where one of
/// the two is missing, at the map's edges, the pixel's centre stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeakRefinement {
    /// The centre of the highest pixel.
    None,
    /// A quarter of a pixel towards the higher neighbour (Newell et al. 2016, "Stacked hourglass networks", §3.3).
    QuarterPixel,
    /// The top of the parabola through the three heights.
    Parabola,
    /// The top of the parabola through the three heights' logarithms, which is exact for a Gaussian: the step of Zhang et
    /// al. 2020, "Distribution-aware coordinate representation" (DARK), eq. 9, along each axis. For maps that are positive
    /// around their peaks; a neighbour below a billionth of the peak counts as that.
    LogParabola,
}

/// Position and height of the peak of each map, N×C×3, from the maps and the places of their highest pixels.
#[derive(Debug, Clone, Copy)]
struct RefinePeaks(PeakRefinement);

impl Operator for RefinePeaks {
    fn name(&self) -> &'static str {
        "arg_max2d"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, places] = operands(inputs)?;
        let [n, _, _, c] = image_extents("x", x)?;
        if places.dtype != DType::U32 || places.shape.numel() != n * c {
            return Err(Mismatch::new("places", format!("u32 [{n},1,{c}]"), places));
        }
        Ok(TensorType::f32([n, c, 3]))
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, places, y) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let lanes = lowering.target().lanes();
        let [n, h, w, c] = x.ty.shape.nhwc().expect("checked by infer");
        let how = match self.0 {
            PeakRefinement::None => 0u32,
            PeakRefinement::QuarterPixel => 1,
            PeakRefinement::Parabola => 2,
            PeakRefinement::LogParabola => 3,
        };
        let dispatch = lowering.dispatch(&REFINE).define("WG", lanes).define("HOW", how).bind("x", x.buffer);
        let dispatch = dispatch.bind("places", places).bind("y", y).param("total", n * c).param("h", h);
        dispatch.param("w", w).param("c", c).threads(n * c)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        // Five pixels of each map.
        let maps = inputs[1].shape.numel() as u64;
        Cost { flops: 10 * maps, bytes: 20 * maps + inputs[1].bytes() + output.bytes() }
    }
}

impl<'r> Var<'r> {
    /// The peak of each map of N×H×W×C: position u right and v down in pixels, the first pixel's centre at 0.5, and the height of the
    /// highest pixel, N×C×3. Of equal pixels the first, row by row. Has no gradient; see [`Var::soft_argmax2d`] for one.
    #[track_caller]
    pub fn arg_max2d(self, refinement: PeakRefinement) -> Result<Var<'r>> {
        let [n, h, w, c] = self.recorder().expect("arg_max2d", &[self], image_extents("x", &self.ty()))?;
        let places = self.reshape([n, h * w, c])?.arg_max(1)?;
        self.recorder().apply(RefinePeaks(refinement), &[self, places])
    }
}
