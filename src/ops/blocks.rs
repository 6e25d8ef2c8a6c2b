//! How pooling and upsampling see a tensor: images as they are, graphs as images one column wide, so that a node and
//! its consecutive children are a block of rows.

use crate::error::Mismatch;
use crate::shape::{Shape, TensorType};

/// The layout an operator was asked to work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// N×H×W×C.
    Image,
    /// N×V×C, seen as N×V×1×C.
    Graph,
}

impl View {
    /// The extents as N×H×W×C; none may be 0.
    pub(super) fn extents(self, x: &TensorType) -> Result<[usize; 4], Mismatch> {
        let (extents, expected) = match (self, x.shape.dims()) {
            (View::Image, &[n, h, w, c]) => (Some([n, h, w, c]), ""),
            (View::Graph, &[n, v, c]) => (Some([n, v, 1, c]), ""),
            (View::Image, _) => (None, "N×H×W×C"),
            (View::Graph, _) => (None, "N×V×C"),
        };
        match extents {
            None => Err(Mismatch::new("x", expected, x)),
            Some(e) if e.contains(&0) => Err(Mismatch::new("x", "extents of at least 1", x)),
            Some(e) => Ok(e),
        }
    }

    /// The shape behind N×H×W×C extents.
    pub(super) fn shape(self, [n, h, w, c]: [usize; 4]) -> Shape {
        match self {
            View::Image => [n, h, w, c].into(),
            View::Graph => [n, h * w, c].into(),
        }
    }

    /// The block of `size` rows, and of an image as many columns.
    pub(super) fn block(self, size: usize) -> [usize; 2] {
        match self {
            View::Image => [size, size],
            View::Graph => [size, 1],
        }
    }
}
