//! Order statistics of times.

/// Sorts `samples` and gives their median, the mean of the two middle ones of an even number; 0 of none.
pub(super) fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    match samples.len() {
        0 => 0.0,
        n if n % 2 == 1 => samples[n / 2],
        n => (samples[n / 2 - 1] + samples[n / 2]) / 2.0,
    }
}

/// What many times of one thing come to, milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spread {
    pub(super) least: f64,
    pub(super) median: f64,
    /// 95 of 100 were not longer.
    pub(super) p95: f64,
    /// Median of the distances from the median.
    pub(super) mad: f64,
}

impl Spread {
    pub(super) fn of(mut samples: Vec<f64>) -> Self {
        let median_ = median(&mut samples);
        let least = samples.first().copied().unwrap_or(0.0);
        // The nearest rank.
        let rank = (samples.len() * 95).div_ceil(100).saturating_sub(1);
        let p95 = samples.get(rank).copied().unwrap_or(0.0);
        samples.iter_mut().for_each(|t| *t = (*t - median_).abs());
        Spread { least, median: median_, p95, mad: median(&mut samples) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ranks() {
        assert_eq!(median(&mut []), 0.0);
        assert_eq!(median(&mut [3.0, 1.0]), 2.0);
        let spread = Spread::of((1..=20).rev().map(f64::from).collect());
        assert_eq!(spread, Spread { least: 1.0, median: 10.5, p95: 19.0, mad: 5.0 });
        assert_eq!(Spread::of(vec![7.0]), Spread { least: 7.0, median: 7.0, p95: 7.0, mad: 0.0 });
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }
}
