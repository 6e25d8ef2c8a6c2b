//! Images resized and sampled at positions.

use knuckle::ops::{GridPadding, GridSample, Resize};

use crate::case::{Case, Fill, Operand};
use crate::cases::pool::gradient_of_half_square;
use crate::reference::pool::gram;
use crate::reference::sample::Around;
use crate::reference::{Tensor, sample as reference};

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = resizes();
    cases.extend(grids());
    cases.extend(gradients_of_gradients());
    cases
}

/// The gradient of half the sum of squares of a linear map of the image, as a result that has a gradient too.
fn gradients_of_gradients() -> Vec<Case> {
    let mut cases = Vec::new();
    for (dims, [h, w]) in [([1, 4, 5, 4], [7, 3]), ([2, 5, 3, 1], [3, 6])] {
        for align_corners in [false, true] {
            cases.push(Case::new(
                "resize_bilinear",
                format!("to {h}×{w}, align_corners {align_corners}, gradient of a gradient"),
                [Operand::normal(dims)],
                move |_, x| gradient_of_half_square(x[0], x[0].resize(h, w, Resize::Bilinear { align_corners })?),
                move |x| gram(&x[0], |x| reference::resize_bilinear(x, h, w, align_corners)),
            ));
        }
    }
    for nearest in [false, true] {
        let sample = GridSample { nearest, ..GridSample::default() };
        let coordinate = |n: usize, phase: f32| -> Vec<f32> {
            (0..n).map(|i| ((i * i) as f32 * 0.317 + phase).sin() * 1.1).collect()
        };
        let (u, v) = (coordinate(9, 0.2), coordinate(9, 1.7));
        let tensor =
            |values: &[f32]| Tensor { dims: vec![1, 3, 3, 1], data: values.iter().map(|&v| v.into()).collect() };
        let (across, down) = (tensor(&u), tensor(&v));
        cases.push(Case::new(
            "grid_sample",
            format!("nearest {nearest}, gradient of a gradient"),
            [Operand::normal([1, 4, 5, 4])],
            move |r, x| {
                let grid: Vec<f32> = u.iter().zip(&v).flat_map(|(&u, &v)| [u, v]).collect();
                gradient_of_half_square(x[0], x[0].grid_sample(r.constant([1, 3, 3, 2], &grid)?, sample)?)
            },
            move |x| {
                let map = |x: &Tensor| reference::grid_sample(x, &across, &down, nearest, Around::Zeros, false);
                gram(&x[0], map)
            },
        ));
    }
    cases
}

fn resizes() -> Vec<Case> {
    // Extents, rows and columns of the result.
    let table: [([usize; 4], [usize; 2]); 15] = [
        ([1, 1, 1, 1], [1, 1]),
        ([1, 1, 1, 4], [3, 5]),
        ([2, 5, 7, 3], [1, 1]),
        ([1, 4, 4, 4], [8, 8]),
        ([2, 3, 5, 8], [6, 10]),
        ([1, 5, 3, 5], [7, 4]),
        ([2, 9, 7, 3], [4, 3]),
        ([1, 8, 8, 4], [4, 4]),
        ([1, 11, 2, 2], [3, 9]),
        ([1, 16, 13, 1], [2, 5]),
        ([3, 1, 6, 4], [1, 13]),
        ([1, 7, 1, 21], [5, 1]),
        ([2, 6, 5, 4], [6, 5]),
        ([1, 3, 3, 8], [17, 2]),
        ([1, 23, 31, 1], [7, 11]),
    ];
    let mut cases = Vec::new();
    for (dims, [h, w]) in table {
        let to = format!("to {h}×{w}");
        for (resize, centre) in [(Resize::Nearest, 0), (Resize::NearestExact, 1)] {
            cases.push(Case::new(
                "resize_nearest",
                format!("{to}, {resize:?}"),
                [Operand::normal(dims)],
                move |_, x| x[0].resize(h, w, resize),
                move |x| reference::resize_nearest(&x[0], h, w, centre),
            ));
        }
        for align_corners in [false, true] {
            cases.push(Case::new(
                "resize_bilinear",
                format!("{to}, align_corners {align_corners}"),
                [Operand::normal(dims)],
                move |_, x| x[0].resize(h, w, Resize::Bilinear { align_corners }),
                move |x| reference::resize_bilinear(&x[0], h, w, align_corners),
            ));
        }
    }
    cases
}

/// Coordinates from `before` pixels before the first to as many cells on as said, away from centres and edges of pixels, where
/// a derivative jumps.
fn coordinates(dims: [usize; 3], extent: usize, before: usize, cells: usize, align_corners: bool) -> Operand {
    let (n, first) = (extent as f32, -(before as f32));
    let (first, step) = match align_corners {
        // Every coordinate is the one pixel.
        true if extent == 1 => (-1.5, 0.5),
        true => (2.0 * first / (n - 1.0) - 1.0, 2.0 / (n - 1.0)),
        false => ((2.0 * first + 1.0) / n - 1.0, 2.0 / n),
    };
    let [images, h, w] = dims;
    Operand::filled([images, h, w, 1], Fill::OffGrid { first, step, cells: cells as u32 })
}

fn grids() -> Vec<Case> {
    // Extents of the image, rows and columns of the grid.
    let table: [([usize; 4], [usize; 2]); 8] = [
        ([1, 1, 1, 1], [1, 1]),
        ([1, 2, 3, 1], [2, 2]),
        ([2, 5, 4, 3], [3, 6]),
        ([1, 4, 7, 4], [5, 3]),
        ([2, 3, 3, 8], [4, 4]),
        ([1, 6, 1, 5], [3, 3]),
        ([3, 1, 8, 4], [1, 7]),
        ([1, 9, 8, 21], [6, 5]),
    ];
    let mut cases = Vec::new();
    for nearest in [false, true] {
        for (padding, around) in [
            (GridPadding::Zeros, Around::Zeros),
            (GridPadding::Border, Around::Border),
            (GridPadding::Reflection, Around::Mirror),
        ] {
            for align_corners in [false, true] {
                let sample = GridSample { nearest, padding, align_corners };
                for (dims, [h, w]) in table {
                    // Reflections reach some mirrors far.
                    let far = |extent: usize| match padding {
                        GridPadding::Reflection => (2 * extent, 5 * extent),
                        _ => (2, extent + 3),
                    };
                    cases.push(grid(sample, around, dims, [h, w], far));
                }
            }
        }
    }
    // More samples than a thread of the sort has, all over the image, and all in one cell.
    let sample = GridSample::default();
    cases.push(grid(sample, Around::Zeros, [1, 12, 10, 2], [21, 20], |extent| (1, extent + 1)));
    cases.push(grid(sample, Around::Zeros, [2, 5, 6, 4], [17, 16], |_| (0, 1)));
    cases.push(grid(GridSample { nearest: true, ..sample }, Around::Zeros, [2, 11, 9, 3], [19, 18], |extent| {
        (1, extent + 1)
    }));
    // Cells that take three digits to number.
    cases.push(grid(sample, Around::Zeros, [20, 13, 14, 1], [3, 2], |extent| (1, extent + 1)));
    cases
}

/// `reach` of an extent: how many pixels before the image coordinates begin, and how many cells they fill.
fn grid(
    sample: GridSample,
    around: Around,
    dims: [usize; 4],
    [h, w]: [usize; 2],
    reach: impl Fn(usize) -> (usize, usize),
) -> Case {
    let axis = |extent: usize| {
        let (before, cells) = reach(extent);
        coordinates([dims[0], h, w], extent, before, cells, sample.align_corners)
    };
    Case::new(
        "grid_sample",
        format!("nearest {}, {:?}, align_corners {}", sample.nearest, sample.padding, sample.align_corners),
        [Operand::normal(dims), axis(dims[2]), axis(dims[1])],
        move |r, x| x[0].grid_sample(r.concat(&[x[1], x[2]], 3)?, sample),
        move |x| reference::grid_sample(&x[0], &x[1], &x[2], sample.nearest, around, sample.align_corners),
    )
}
