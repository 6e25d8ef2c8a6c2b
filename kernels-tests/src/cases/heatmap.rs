//! Heat-maps, positions of peaks in maps, and histograms.

use knuckle::nn::losses::histogram_divergence;
use knuckle::ops::{HistogramKernel, PeakRefinement, SoftHistogram};

use crate::case::{Case, Fill, Operand};
use crate::reference::{Tensor, heatmap as reference, pointwise};

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = heatmaps();
    cases.extend(soft_argmaxes());
    cases.extend(arg_maxes());
    cases.extend(histograms());
    cases.extend(divergences());
    cases
}

fn heatmaps() -> Vec<Case> {
    let table: [(usize, usize, usize, usize, f32); 9] = [
        (2, 21, 9, 13, 1.5),
        (1, 1, 1, 1, 0.7),
        (3, 2, 5, 4, 2.0),
        (1, 4, 1, 9, 1.0),
        (2, 3, 11, 1, 0.9),
        (1, 5, 16, 16, 1.5),
        (4, 1, 6, 7, 3.0),
        (1, 8, 33, 5, 4.0),
        (2, 21, 3, 2, 1.1),
    ];
    let case = |(n, joints, h, w, sigma): (usize, usize, usize, usize, f32)| {
        let uv = Operand::filled([n, joints, 2], Fill::Uniform(-1.0, w as f32 + 1.0));
        Case::new(
            "gaussian_heatmaps",
            format!("{h}×{w}, sigma {sigma}"),
            [uv],
            move |r, x| r.gaussian_heatmaps(x[0], h, w, sigma),
            move |x| pointwise::gaussian_heatmaps(&x[0], h, w, f64::from(sigma)),
        )
    };
    table.into_iter().map(case).collect()
}

/// Maps of awkward extents.
const MAPS: [[usize; 4]; 11] = [
    [1, 1, 1, 1],
    [2, 1, 7, 3],
    [1, 9, 1, 4],
    [2, 3, 3, 21],
    [1, 5, 6, 1],
    [3, 4, 4, 4],
    [1, 13, 10, 2],
    [2, 16, 17, 5],
    [1, 2, 2, 8],
    [1, 32, 9, 1],
    [1, 150, 131, 2],
];

fn soft_argmaxes() -> Vec<Case> {
    let mut cases = Vec::new();
    for dims in MAPS {
        for temperature in [1.0, 0.1, 3.0] {
            cases.push(Case::new(
                "soft_argmax2d",
                format!("temperature {temperature}"),
                [Operand::filled(dims, Fill::Uniform(-3.0, 3.0))],
                move |_, x| x[0].soft_argmax2d(temperature),
                move |x| reference::soft_argmax2d(&x[0], f64::from(temperature)),
            ));
        }
    }
    cases
}

fn arg_maxes() -> Vec<Case> {
    type Shift = fn(f64, f64, f64) -> f64;
    let quarter: Shift = |before, _, after| if before == after { 0.0 } else { 0.25 * (after - before).signum() };
    let logarithms: Shift = |before, top, after| {
        if top <= 0.0 {
            return 0.0;
        }
        let share = |v: f64| (v / top).max(1e-9).ln();
        reference::parabola_top(share(before), 0.0, share(after))
    };
    let table: [(PeakRefinement, Shift); 4] = [
        (PeakRefinement::None, |_, _, _| 0.0),
        (PeakRefinement::QuarterPixel, quarter),
        (PeakRefinement::Parabola, reference::parabola_top),
        (PeakRefinement::LogParabola, logarithms),
    ];
    let mut cases = Vec::new();
    for dims in MAPS {
        for (refinement, shift) in table {
            // The second with equal peaks, equal neighbours and zeros.
            for fill in [Fill::Uniform(0.05, 1.0), Fill::Whole(7)] {
                let case = Case::new(
                    "arg_max2d",
                    format!("{refinement:?}, {fill:?}"),
                    [Operand::filled(dims, fill)],
                    move |_, x| x[0].arg_max2d(refinement),
                    move |x| reference::arg_max2d(&x[0], shift),
                );
                cases.push(case.forward_only());
            }
        }
    }
    cases
}

fn histograms() -> Vec<Case> {
    let table: [([usize; 4], usize, f32, f32); 8] = [
        ([1, 1, 1, 1], 2, 0.0, 1.0),
        ([2, 3, 4, 3], 5, 0.0, 1.0),
        ([1, 17, 16, 1], 16, -1.0, 1.0),
        ([3, 1, 9, 4], 3, 0.25, 0.75),
        ([1, 6, 5, 2], 32, 0.0, 1.0),
        ([2, 16, 33, 4], 7, -3.0, 5.0),
        ([1, 2, 130, 5], 4, 0.0, 255.0),
        ([4, 5, 1, 1], 9, -0.5, 0.125),
    ];
    let mut cases = Vec::new();
    for (dims, bins, low, high) in table {
        // From the first bin to one beyond the last, away from the centres, where the triangle has a kink.
        let step = (high - low) / (bins as f32 - 1.0);
        let x = || [Operand::filled(dims, Fill::OffGrid { first: low, step, cells: bins as u32 })];
        let triangle = |t: f64| (1.0 - t.abs()).max(0.0);
        let range = format!("{bins} bins from {low} to {high}");
        let histogram = SoftHistogram { bins, low, high, kernel: HistogramKernel::Triangular };
        cases.push(Case::new(
            "soft_histogram",
            format!("{range}, triangular"),
            x(),
            move |_, x| x[0].soft_histogram(histogram),
            move |x| reference::soft_histogram(&x[0], bins, f64::from(low), f64::from(high), triangle),
        ));
        for sigma in [0.5, 1.0, 2.0] {
            let histogram = SoftHistogram { kernel: HistogramKernel::Gaussian { sigma }, ..histogram };
            let bell = move |t: f64| (-0.5 * (t / f64::from(sigma)).powi(2)).exp();
            cases.push(Case::new(
                "soft_histogram",
                format!("{range}, sigma {sigma}"),
                x(),
                move |_, x| x[0].soft_histogram(histogram),
                move |x| reference::soft_histogram(&x[0], bins, f64::from(low), f64::from(high), bell),
            ));
        }
    }
    cases
}

fn divergences() -> Vec<Case> {
    let shapes: [&[usize]; 6] = [&[1, 1, 1], &[2, 5, 3], &[3, 16, 1], &[1, 32, 4], &[5, 2], &[2, 3, 4, 5]];
    let mut cases = Vec::new();
    for dims in shapes {
        for (fill, eps) in [(Fill::Uniform(0.01, 1.0), 1e-6), (Fill::Uniform(0.01, 1.0), 0.1), (Fill::Whole(3), 0.25)] {
            cases.push(Case::new(
                "histogram_divergence",
                format!("eps {eps}"),
                [Operand::filled(dims, fill), Operand::filled(dims, Fill::Uniform(0.01, 1.0))],
                move |_, x| histogram_divergence(x[0], x[1], eps),
                move |x| {
                    let value = reference::histogram_divergence(&x[0], &x[1], f64::from(eps));
                    Tensor { dims: vec![1], data: vec![value] }
                },
            ));
        }
    }
    cases
}
