//! Convolutions, transposed and in groups too, and the correlation of two images.

use knuckle::ops::{Conv2d, ConvTranspose2d, Correlation};

use crate::case::{Case, Operand};
use crate::reference::conv as reference;

/// Image, kernel extents, output channels; stride, padding, dilation.
type Row = ([usize; 4], [usize; 2], usize, [usize; 3]);

/// The family's cases.
pub fn cases() -> Vec<Case> {
    [dense(), grouped(), transposed(), correlations()].into_iter().flatten().collect()
}

/// A convolution with the epilogue that is the row's turn: none, a bias, a bias and ReLU.
fn conv2d(row: usize, image: [usize; 4], [kh, kw]: [usize; 2], co: usize, attributes: [usize; 4]) -> Case {
    let [stride, padding, dilation, groups] = attributes;
    let conv = Conv2d { stride, padding, dilation, groups };
    let mut text = format!("stride {stride}, padding {padding}, dilation {dilation}");
    if groups > 1 {
        text += &format!(", groups {groups}");
    }
    let attributes = [stride, padding, dilation];
    let mut operands = vec![Operand::normal(image), Operand::normal([kh, kw, image[3] / groups, co])];
    if row.is_multiple_of(3) {
        return Case::new(
            "conv2d",
            text,
            operands,
            move |_, x| x[0].conv2d(x[1], conv),
            move |x| reference::conv2d(&x[0], &x[1], None, attributes, false),
        );
    }
    let relu = row % 3 == 2;
    operands.push(Operand::normal([co]));
    Case::new(
        "conv2d",
        format!("{text}, bias{}", if relu { ", relu" } else { "" }),
        operands,
        move |_, x| x[0].conv2d_bias(x[1], x[2], conv, relu),
        move |x| reference::conv2d(&x[0], &x[1], Some(&x[2]), attributes, relu),
    )
}

/// Every output channel from every input channel.
fn dense() -> Vec<Case> {
    let mut cases = Vec::new();
    // Drivers take long to compile these kernels, so a shape comes with one epilogue, and all three are met in turn.
    let table: [Row; 26] = [
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
        // Winograd's tiles with no zeros around the image, with two rows of them, and where they are expected to be fastest.
        ([1, 8, 11, 8], [3, 3], 4, [1, 0, 1]),
        ([2, 5, 3, 4], [3, 3], 8, [1, 2, 1]),
        ([2, 9, 10, 8], [3, 3], 8, [1, 0, 1]),
        ([2, 17, 15, 64], [3, 3], 64, [1, 1, 1]),
        // A photo's few channels in rows of whole vectors of four elements, which lanes begin at each place of.
        ([1, 7, 32, 3], [7, 7], 20, [2, 3, 1]),
        ([2, 4, 16, 3], [3, 5], 8, [1, 2, 1]),
        ([1, 6, 8, 2], [3, 3], 8, [1, 1, 1]),
        ([2, 3, 16, 1], [3, 3], 4, [2, 1, 1]),
        // Where Winograd's larger tiles are expected to be fastest.
        ([2, 24, 12, 32], [3, 3], 32, [1, 1, 1]),
    ];
    for (row, (image, kernel, co, [stride, padding, dilation])) in table.into_iter().enumerate() {
        let case = conv2d(row, image, kernel, co, [stride, padding, dilation, 1]);
        // Vectors and single elements, all three passes, and a photo's three channels.
        cases.push(if [2, 3, 7, 21].contains(&row) { case.as_every_variant() } else { case });
    }
    // Strides and dilations too wide for the tiled kernels.
    let wide: [Row; 6] = [
        ([1, 21, 19, 3], [3, 3], 4, [9, 1, 1]),
        ([2, 12, 13, 4], [3, 3], 8, [10, 2, 1]),
        ([1, 1, 80, 4], [1, 3], 4, [1, 0, 33]),
        ([1, 3, 70, 5], [1, 2], 3, [1, 1, 65]),
        ([1, 2, 70, 1], [1, 70], 1, [1, 3, 1]),
        ([1, 1, 70, 8], [1, 66], 4, [2, 0, 1]),
    ];
    for (row, (image, kernel, co, [stride, padding, dilation])) in wide.into_iter().enumerate() {
        cases.push(conv2d(row, image, kernel, co, [stride, padding, dilation, 1]));
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

/// Height, width; kernel extents; stride, padding, dilation.
type Window = ([usize; 2], [usize; 2], [usize; 3]);

/// Groups of one channel, of four at a time, and of any number.
fn grouped() -> Vec<Case> {
    let channels: [[usize; 3]; 10] = [
        // Input channels, output channels, groups: depthwise,
        [4, 4, 4],
        [8, 8, 8],
        [3, 3, 3],
        [7, 7, 7],
        // depthwise with several outputs a channel,
        [3, 6, 3],
        [4, 16, 4],
        // whole quads on both sides, on one, on none.
        [8, 8, 2],
        [12, 24, 3],
        [16, 8, 4],
        [6, 4, 2],
    ];
    let windows: [Window; 10] = [
        ([1, 1], [1, 1], [1, 0, 1]),
        ([4, 7], [1, 1], [1, 0, 1]),
        ([5, 5], [1, 1], [2, 1, 1]),
        ([5, 6], [3, 3], [1, 1, 1]),
        ([7, 5], [3, 3], [2, 1, 1]),
        ([6, 9], [3, 3], [1, 2, 2]),
        ([9, 9], [2, 2], [3, 0, 1]),
        ([2, 3], [3, 3], [2, 3, 1]),
        ([8, 3], [3, 1], [2, 0, 1]),
        ([1, 9], [1, 5], [1, 4, 1]),
    ];
    let mut cases = Vec::new();
    for (i, [ci, co, groups]) in channels.into_iter().enumerate() {
        for (j, ([h, w], kernel, [stride, padding, dilation])) in windows.into_iter().enumerate() {
            let image = [1 + (i + j) % 2, h, w, ci];
            // The epilogue goes with the window, so that groups share kernels.
            cases.push(conv2d(j, image, kernel, co, [stride, padding, dilation, groups]));
        }
    }
    // A batch long enough for partial sums of the weight's gradient.
    cases.push(conv2d(1, [6, 11, 10, 4], [3, 3], 4, [1, 1, 1, 4]));
    cases.push(conv2d(0, [5, 9, 13, 6], [3, 3], 3, [1, 1, 1, 3]));
    for (channels, groups) in [(8, 8), (8, 2), (6, 3)] {
        let conv = Conv2d { padding: 1, groups, ..Conv2d::default() };
        cases.push(Case::new(
            "conv2d",
            format!("groups {groups}, plus its input"),
            [Operand::normal([2, 5, 6, channels]), Operand::normal([3, 3, channels / groups, channels])],
            move |_, x| x[0].conv2d(x[1], conv)?.add(x[0]),
            move |x| {
                let mut y = reference::conv2d(&x[0], &x[1], None, [1, 1, 1], false);
                y.data.iter_mut().zip(&x[0].data).for_each(|(y, x)| *y += x);
                y
            },
        ));
    }
    cases
}

/// A transposed convolution with the epilogue that is the row's turn; attributes are stride, padding, output padding,
/// dilation and groups.
fn conv_transpose2d(row: usize, image: [usize; 4], [kh, kw]: [usize; 2], co: usize, attributes: [usize; 5]) -> Case {
    let [stride, padding, output_padding, dilation, groups] = attributes;
    let conv = ConvTranspose2d { stride, padding, output_padding, dilation, groups };
    let text = format!("stride {stride}, padding {padding} and {output_padding}, dilation {dilation}, groups {groups}");
    let mut operands = vec![Operand::normal(image), Operand::normal([kh, kw, co / groups, image[3]])];
    if row.is_multiple_of(3) {
        return Case::new(
            "conv_transpose2d",
            text,
            operands,
            move |_, x| x[0].conv_transpose2d(x[1], conv),
            move |x| reference::conv_transpose2d(&x[0], &x[1], None, attributes, false),
        );
    }
    let relu = row % 3 == 2;
    operands.push(Operand::normal([co]));
    Case::new(
        "conv_transpose2d",
        format!("{text}, bias{}", if relu { ", relu" } else { "" }),
        operands,
        move |_, x| x[0].conv_transpose2d_bias(x[1], x[2], conv, relu),
        move |x| reference::conv_transpose2d(&x[0], &x[1], Some(&x[2]), attributes, relu),
    )
}

fn transposed() -> Vec<Case> {
    // Height, width; kernel extents; stride, padding, output padding, dilation; input and output channels without groups.
    type Row = ([usize; 2], [usize; 2], [usize; 4], [usize; 2]);
    let table: [Row; 14] = [
        ([1, 1], [1, 1], [1, 0, 0, 1], [1, 1]),
        ([3, 5], [1, 1], [1, 0, 0, 1], [8, 5]),
        ([3, 4], [3, 3], [1, 1, 0, 1], [4, 8]),
        ([3, 4], [3, 3], [2, 1, 1, 1], [4, 4]),
        ([4, 3], [4, 4], [2, 1, 0, 1], [8, 3]),
        ([2, 3], [2, 2], [2, 0, 0, 1], [5, 4]),
        ([3, 3], [2, 2], [3, 0, 2, 1], [4, 4]),
        ([4, 5], [3, 3], [1, 2, 0, 2], [4, 12]),
        ([3, 2], [3, 2], [2, 0, 1, 2], [3, 6]),
        ([1, 6], [1, 5], [1, 0, 0, 1], [8, 8]),
        ([2, 2], [5, 5], [3, 2, 1, 1], [4, 4]),
        ([3, 3], [1, 1], [2, 0, 1, 1], [4, 8]),
        ([5, 4], [3, 3], [1, 3, 0, 2], [2, 4]),
        ([2, 3], [2, 2], [9, 1, 4, 1], [4, 3]),
    ];
    let mut cases = Vec::new();
    for (row, ([h, w], kernel, [stride, padding, output_padding, dilation], [ci, co])) in table.into_iter().enumerate()
    {
        let image = [1 + row % 2, h, w, ci];
        cases.push(conv_transpose2d(row, image, kernel, co, [stride, padding, output_padding, dilation, 1]));
        for (i, [ci, co, groups]) in [[4, 4, 4], [3, 3, 3], [4, 2, 2], [8, 16, 2]].into_iter().enumerate() {
            let image = [1 + (row + i) % 2, h, w, ci];
            let attributes = [stride, padding, output_padding, dilation, groups];
            cases.push(conv_transpose2d(row, image, kernel, co, attributes));
        }
    }
    // The sum with another tensor is folded into the kernel.
    for groups in [1, 4] {
        let conv = ConvTranspose2d { stride: 2, padding: 1, output_padding: 1, groups, ..ConvTranspose2d::default() };
        cases.push(Case::new(
            "conv_transpose2d",
            format!("groups {groups}, plus another"),
            [Operand::normal([1, 3, 4, 4]), Operand::normal([3, 3, 4 / groups, 4]), Operand::normal([1, 6, 8, 4])],
            move |_, x| x[0].conv_transpose2d(x[1], conv)?.add(x[2]),
            move |x| {
                let mut y = reference::conv_transpose2d(&x[0], &x[1], None, [2, 1, 1, 1, groups], false);
                y.data.iter_mut().zip(&x[2].data).for_each(|(y, x)| *y += x);
                y
            },
        ));
    }
    cases
}

fn correlations() -> Vec<Case> {
    let images: [[usize; 4]; 5] = [[1, 1, 1, 1], [1, 5, 6, 4], [2, 4, 3, 5], [1, 7, 9, 8], [2, 1, 6, 3]];
    let attributes: [[usize; 2]; 6] = [[0, 1], [1, 1], [2, 1], [4, 2], [5, 2], [9, 3]];
    let mut cases = Vec::new();
    for image in images {
        for [most, stride] in attributes {
            cases.push(Case::new(
                "correlation",
                format!("displacements up to {most}, {stride} apart"),
                [Operand::normal(image), Operand::normal(image)],
                move |_, x| x[0].correlation(x[1], Correlation { max_displacement: most, stride }),
                move |x| reference::correlation(&x[0], &x[1], [most, stride]),
            ));
        }
    }
    cases
}
