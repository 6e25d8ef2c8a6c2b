//! Pooling and upsampling of images.

use crate::case::{Case, Operand};
use crate::reference::pool as reference;

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // Extents, kernel, stride, padding.
    let pools: [([usize; 4], usize, usize, usize); 12] = [
        ([1, 1, 1, 1], 1, 1, 0),
        ([1, 2, 2, 4], 2, 2, 0),
        ([2, 8, 6, 8], 2, 2, 0),
        ([2, 7, 5, 3], 2, 2, 0),
        ([1, 9, 10, 5], 3, 3, 0),
        ([2, 7, 9, 4], 3, 2, 1),
        ([1, 5, 6, 21], 3, 1, 1),
        ([1, 6, 7, 3], 2, 3, 1),
        ([1, 9, 8, 4], 2, 5, 0),
        ([2, 1, 9, 2], 3, 2, 2),
        ([1, 4, 4, 4], 4, 1, 0),
        ([1, 2, 3, 5], 5, 2, 4),
    ];
    for (dims, kernel, stride, padding) in pools {
        cases.push(Case::new(
            "max_pool2d",
            format!("kernel {kernel}, stride {stride}, padding {padding}"),
            [Operand::normal(dims)],
            move |_, x| x[0].max_pool2d(kernel, stride, padding),
            move |x| reference::max_pool2d(&x[0], kernel, stride, padding),
        ));
    }
    for (dims, factor) in [([1, 1, 1, 1], 1), ([2, 3, 5, 8], 2), ([1, 2, 3, 21], 3), ([2, 4, 1, 3], 2)] {
        cases.push(Case::new(
            "upsample_nearest",
            format!("factor {factor}"),
            [Operand::normal(dims)],
            move |_, x| x[0].upsample_nearest(factor),
            move |x| reference::upsample_nearest(&x[0], factor),
        ));
    }
    cases
}
