//! Convolutions.

use knuckle::ops::Conv2d;

use crate::case::{Case, Operand};
use crate::reference::conv as reference;

/// Image, kernel extents, output channels; stride, padding, dilation.
type Row = ([usize; 4], [usize; 2], usize, [usize; 3]);

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // Drivers take long to compile these kernels, so a shape comes with one epilogue, and all three are met in turn.
    let table: [Row; 17] = [
        ([1, 1, 1, 1], [1, 1], 1, [1, 0, 1]),
        ([1, 5, 5, 3], [3, 3], 4, [1, 1, 1]),
        ([2, 6, 7, 4], [3, 3], 8, [1, 1, 1]),
        ([1, 9, 7, 5], [3, 3], 21, [2, 1, 1]),
        ([2, 4, 5, 8], [1, 1], 12, [1, 0, 1]),
        ([1, 5, 4, 21], [1, 1], 3, [1, 0, 1]),
        ([1, 6, 6, 4], [1, 1], 4, [2, 0, 1]),
        ([1, 11, 10, 3], [7, 7], 4, [2, 3, 1]),
        ([1, 9, 9, 4], [2, 2], 4, [3, 0, 1]),
        ([1, 4, 3, 2], [2, 2], 3, [1, 2, 1]),
        ([1, 2, 3, 4], [3, 3], 4, [2, 3, 1]),
        ([1, 1, 12, 4], [1, 5], 4, [1, 0, 1]),
        ([1, 9, 8, 4], [3, 3], 4, [1, 2, 2]),
        ([1, 3, 17, 8], [3, 3], 36, [1, 1, 1]),
        ([3, 4, 4, 12], [4, 4], 8, [4, 0, 1]),
        ([2, 13, 12, 16], [3, 3], 24, [1, 1, 1]),
        ([1, 5, 17, 4], [1, 9], 4, [1, 4, 1]),
    ];
    for (row, (image, [kh, kw], co, attributes)) in table.into_iter().enumerate() {
        let [stride, padding, dilation] = attributes;
        let conv = Conv2d { stride, padding, dilation };
        let text = format!("stride {stride}, padding {padding}, dilation {dilation}");
        let mut operands = vec![Operand::normal(image), Operand::normal([kh, kw, image[3], co])];
        if row % 3 == 0 {
            cases.push(Case::new(
                "conv2d",
                text,
                operands,
                move |_, x| x[0].conv2d(x[1], conv),
                move |x| reference::conv2d(&x[0], &x[1], None, attributes, false),
            ));
        } else {
            let relu = row % 3 == 2;
            operands.push(Operand::normal([co]));
            cases.push(Case::new(
                "conv2d",
                format!("{text}, bias{}", if relu { ", relu" } else { "" }),
                operands,
                move |_, x| x[0].conv2d_bias(x[1], x[2], conv, relu),
                move |x| reference::conv2d(&x[0], &x[1], Some(&x[2]), attributes, relu),
            ));
        }
    }
    // The sum with the input is folded into the convolution, the meeting of its two gradients into the gradient's kernel.
    for (kernel, channels) in [(3, 8), (1, 8), (1, 5)] {
        let conv = Conv2d { padding: kernel / 2, ..Conv2d::default() };
        cases.push(Case::new(
            "conv2d",
            "plus its input",
            [Operand::normal([2, 5, 6, channels]), Operand::normal([kernel, kernel, channels, channels])],
            move |_, x| x[0].conv2d(x[1], conv)?.add(x[0]),
            move |x| {
                let mut y = reference::conv2d(&x[0], &x[1], None, [1, kernel / 2, 1], false);
                y.data.iter_mut().zip(&x[0].data).for_each(|(y, x)| *y += x);
                y
            },
        ));
    }
    cases
}
