//! How many units of a row of channels a thread of a kernel that walks rows takes (`common/span.wgsl`).

use crate::exec::{AdapterClass, Dispatch, Shader};
use crate::shader;

const PART: Shader = shader!("common/span.wgsl");

/// Lanes between a thread's units: `RUN` of the shader.
const RUN: usize = 8;
/// Units a thread takes at most, enough for whole rows of 512 channels; more were not tried.
const MOST: usize = 16;

/// The dispatch of a kernel whose threads take so many units.
pub(super) fn taking(dispatch: Dispatch<'_>, span: usize) -> Dispatch<'_> {
    dispatch.include(PART).define("SPAN", span)
}

/// The span for rows of so many units. Threads of a GPU take one, since its subgroups go through memory side by side.
pub(super) fn of(units: usize, class: AdapterClass) -> usize {
    match class {
        AdapterClass::Software => (1..=MOST).rev().find(|span| units.is_multiple_of(span * RUN)).unwrap_or(1),
        AdapterClass::Hardware => 1,
    }
}
