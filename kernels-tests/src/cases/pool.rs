//! Pooling and upsampling of images.

use knuckle::ops::AvgPool2d;

use knuckle::{Error, Result, Var};

use crate::case::{Case, Operand};
use crate::reference::pool as reference;
use crate::reference::reduce::extreme;

/// The gradient of ½ Σ y² with respect to x.
pub(super) fn gradient_of_half_square<'r>(x: Var<'r>, y: Var<'r>) -> Result<Var<'r>> {
    let gradients = y.mul(y)?.sum_all()?.scale(0.5)?.backward_to(&[x])?;
    gradients.of(x).ok_or_else(|| Error::invalid("gradient", "one for the operand", "none"))
}

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
    // Padding is at most half the kernel.
    let averages: [([usize; 4], usize, usize, usize); 16] = [
        ([1, 1, 1, 1], 1, 1, 0),
        ([1, 2, 2, 4], 2, 2, 0),
        ([2, 8, 6, 8], 2, 2, 0),
        ([2, 7, 5, 3], 2, 2, 0),
        ([1, 9, 10, 5], 3, 3, 0),
        ([2, 7, 9, 4], 3, 2, 1),
        ([1, 5, 6, 21], 3, 1, 1),
        ([1, 6, 7, 3], 2, 3, 1),
        ([1, 9, 8, 4], 2, 5, 0),
        ([2, 1, 9, 2], 3, 2, 1),
        ([1, 4, 4, 4], 4, 1, 0),
        ([1, 2, 3, 5], 4, 2, 2),
        ([1, 1, 1, 1], 2, 1, 1),
        ([1, 20, 3, 1], 3, 7, 1),
        // More than one thread reads at once, larger one way and the other.
        ([2, 33, 21, 4], 17, 5, 8),
        ([1, 19, 40, 3], 18, 3, 2),
    ];
    for (dims, kernel, stride, padding) in averages {
        for count_include_pad in [true, false] {
            let pool = AvgPool2d { kernel, stride, padding, count_include_pad };
            cases.push(Case::new(
                "avg_pool2d",
                format!("kernel {kernel}, stride {stride}, padding {padding}, counted {count_include_pad}"),
                [Operand::normal(dims)],
                move |_, x| x[0].avg_pool2d(pool),
                move |x| reference::avg_pool2d(&x[0], kernel, stride, padding, count_include_pad),
            ));
        }
    }
    for (dims, kernel, stride, padding) in [([1, 5, 4, 4], 3, 2, 1), ([2, 4, 4, 1], 2, 1, 0)] {
        let pool = AvgPool2d { kernel, stride, padding, count_include_pad: false };
        cases.push(Case::new(
            "avg_pool2d",
            format!("kernel {kernel}, stride {stride}, padding {padding}, gradient of a gradient"),
            [Operand::normal(dims)],
            move |_, x| gradient_of_half_square(x[0], x[0].avg_pool2d(pool)?),
            move |x| reference::gram(&x[0], |x| reference::avg_pool2d(x, kernel, stride, padding, false)),
        ));
    }
    let images: [[usize; 4]; 10] = [
        [1, 1, 1, 1],
        [2, 5, 7, 3],
        [1, 8, 8, 4],
        [2, 1, 9, 5],
        [1, 13, 1, 8],
        [3, 4, 6, 1],
        [1, 20, 17, 2],
        [2, 2, 3, 21],
        [1, 40, 41, 1],
        // More pixels than llvmpipe turns in loops.
        [1, 270, 260, 1],
    ];
    for dims in images {
        for (h, w) in [(1, 1), (2, 3), (4, 4), (7, 5), (1, 9)] {
            cases.push(Case::new(
                "adaptive_avg_pool2d",
                format!("to {h}×{w}"),
                [Operand::normal(dims)],
                move |_, x| x[0].adaptive_avg_pool2d(h, w),
                move |x| reference::adaptive_avg_pool2d(&x[0], h, w),
            ));
        }
        cases.push(Case::new(
            "global_avg_pool2d",
            "",
            [Operand::normal(dims)],
            move |_, x| x[0].global_avg_pool2d(),
            move |x| reference::adaptive_avg_pool2d(&x[0], 1, 1),
        ));
        cases.push(Case::new(
            "global_max_pool2d",
            "",
            [Operand::normal(dims)],
            move |_, x| x[0].global_max_pool2d(),
            move |x| extreme(&x[0], &[1, 2], |a, b| a > b),
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
