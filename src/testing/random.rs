//! Test inputs: the same for the same seed, on every machine.

use std::ops::Range;

use crate::rng::Rng;

/// How elements are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// Normal, mean 0, variance 1, never beyond ±6.
    Normal,
    /// Uniform in a range.
    Uniform(f32, f32),
    /// Either sign, magnitude 0.1 to 2: away from a kink at 0.
    NonZero,
    /// A whole number from 0 to below this: with many equal ones.
    Whole(u32),
}

impl Fill {
    /// `n` elements: draws of stream `stream` of `seed`.
    pub fn values(self, seed: u64, stream: u64, n: usize) -> Vec<f32> {
        let mut rng = Rng::new(seed, stream);
        let draw = |_| match self {
            Fill::Normal => rng.normal(),
            Fill::Uniform(low, high) => rng.range(low, high),
            Fill::Whole(n) => rng.below(n as usize) as f32,
            Fill::NonZero => rng.range(0.1, 2.0) * if rng.chance(0.5) { 1.0 } else { -1.0 },
        };
        (0..n).map(draw).collect()
    }
}

/// `n` normally distributed numbers, mean 0, variance 1.
pub fn normal(seed: u64, n: usize) -> Vec<f32> {
    Fill::Normal.values(seed, 0, n)
}

/// `n` numbers uniform in `range`.
pub fn uniform(seed: u64, n: usize, range: Range<f32>) -> Vec<f32> {
    Fill::Uniform(range.start, range.end).values(seed, 0, n)
}

/// `n` whole numbers below `limit`.
pub fn below(seed: u64, n: usize, limit: u32) -> Vec<u32> {
    let mut rng = Rng::new(seed, 0);
    (0..n).map(|_| rng.below(limit as usize) as u32).collect()
}
