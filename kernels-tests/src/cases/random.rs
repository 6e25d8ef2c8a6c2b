//! Random numbers by counting, and dropout.

use knuckle::graph::TensorData;

use crate::case::{Case, Fill, Operand};
use crate::reference::random as reference;

const SHAPES: [&[usize]; 9] =
    [&[1], &[4], &[7], &[2, 3], &[1, 5, 5, 1], &[3, 4, 8], &[2, 3, 5, 21], &[513], &[1, 16, 16, 4]];

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (i, dims) in SHAPES.into_iter().enumerate() {
        for seed in [0, 1 + i as u64, u64::MAX - i as u64] {
            let step = || [Operand::filled([1], Fill::Whole(1 << 20))];
            let attributes = format!("{dims:?}, seed {seed}");
            let uniform = Case::new(
                "uniform",
                &attributes,
                step(),
                move |r, x| r.uniform(dims, seed, x[0]),
                move |x| reference::uniform(dims, x[0].data[0] as u32, seed),
            );
            let normal = Case::new(
                "normal",
                &attributes,
                step(),
                move |r, x| r.normal(dims, seed, x[0]),
                move |x| reference::normal(dims, x[0].data[0] as u32, seed),
            );
            cases.extend([uniform.forward_only(), normal.forward_only()]);
        }
        for (step, probability) in [(0, 0.0), (3, 0.5), (u32::MAX, 0.125), (1 << 16, 0.9)] {
            let seed = (77 + i as u64) << 40;
            let case = Case::new(
                "dropout",
                format!("probability {probability}, step {step}"),
                [Operand::normal(dims)],
                move |r, x| {
                    let step = TensorData::u32([1], &[step]).expect("one value");
                    x[0].dropout(probability, seed, r.constant_data(step))
                },
                move |x| reference::dropout(&x[0], f64::from(probability), step, seed),
            );
            cases.push(case.training());
        }
    }
    cases
}
