//! Taking times often enough that they mean something: what the clock cannot tell is repeated until it can.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::probes::Dispatches;
use super::stats::{Spread, median};
use crate::Recorder;
use crate::error::Result;
use crate::gpu::{Executable, Gpu};

/// What a time must be at least to count, in units of what the clock tells apart.
const LEAST_QUANTA: f64 = 10.0;
/// Times taken of one thing: at least, at least if that does not take four times as long as it should, and at most.
const FEWEST: usize = 3;
const FEW: usize = 7;
const MOST: usize = 200;
/// The most runs in one submission.
const MOST_RUNS: usize = 1000;

/// What times are taken with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// Whether it is the device's own; otherwise wall clock from submission to completion.
    pub timestamps: bool,
    /// What it tells apart, nanoseconds: of timestamps the smallest step between times that were seen, of the wall clock
    /// how long a submission of next to nothing takes.
    pub resolution_ns: f64,
}

impl Clock {
    /// The device's clock, or the wall clock where it has none.
    pub(super) fn of(gpu: &Gpu) -> Result<Clock> {
        let r = Recorder::new();
        let mut program = gpu.compile(&r, [r.apply(Dispatches(1), &[])?])?;
        let mut times = (0..64).map(|_| program.time(&[true], 1)).collect::<Result<Vec<f64>>>()?;
        let resolution_ns = match gpu.timestamp_period_ns() {
            Some(period) => quantum(&mut times).map_or(period, |ms| period.max(ms * 1e6)),
            None => median(&mut times) * 1e6,
        };
        Ok(Clock { timestamps: gpu.has_timestamps(), resolution_ns })
    }

    /// For people.
    pub fn describe(&self) -> String {
        let what = if self.timestamps { "timestamps" } else { "wall clock around submissions" };
        match self.resolution_ns {
            ns if ns < 1e3 => format!("{what}, resolution {ns:.0} ns"),
            ns => format!("{what}, resolution {:.1} µs", ns * 1e-3),
        }
    }

    /// How often a run that takes `ms` is repeated in one submission so that the clock can tell.
    fn repeats(&self, ms: f64) -> usize {
        let least = LEAST_QUANTA * self.resolution_ns * 1e-6;
        let runs = least / ms.max(least / MOST_RUNS as f64);
        (runs.ceil() as usize).clamp(1, MOST_RUNS)
    }

    /// The times of `timed` dispatches of a program, for about `seconds`, after a run to warm up.
    pub(super) fn sample(&self, program: &mut Executable, timed: &[bool], seconds: f64) -> Result<Spread> {
        program.time(timed, 1)?;
        let begin = Instant::now();
        let one = program.time(timed, 1)?;
        let runs = self.repeats(one);
        let mut times = if runs == 1 { vec![one] } else { Vec::new() };
        let more = |taken: usize, elapsed: f64| match taken {
            0..FEWEST => true,
            FEWEST..FEW => elapsed < 4.0 * seconds,
            FEW..MOST => elapsed < seconds,
            _ => false,
        };
        while more(times.len(), begin.elapsed().as_secs_f64()) {
            times.push(program.time(timed, runs)?);
        }
        Ok(Spread::of(times))
    }
}

/// The smallest step between times: what the clock tells apart, if it showed.
fn quantum(times: &mut [f64]) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    let from_nothing = times.first().copied();
    let steps = times.windows(2).map(|pair| pair[1] - pair[0]).chain(from_nothing);
    // Rounding of ticks to milliseconds leaves differences that are none.
    steps.filter(|&step| step > 1e-9).min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantised_clock_is_seen_through() {
        let quantised = [0.3, 0.1, 0.2, 0.2, 0.4, 0.1];
        assert!((quantum(&mut quantised.to_vec()).unwrap() - 0.1).abs() < 1e-9);
        assert_eq!(quantum(&mut [0.25; 9]), Some(0.25));
        assert_eq!(quantum(&mut [0.0; 9]), None);
        assert_eq!(quantum(&mut []), None);
    }

    #[test]
    fn what_is_too_short_for_the_clock_is_repeated() {
        let clock = Clock { timestamps: true, resolution_ns: 100_000.0 };
        assert_eq!(clock.repeats(5.0), 1);
        assert_eq!(clock.repeats(1.0), 1);
        assert_eq!(clock.repeats(0.3), 4);
        assert_eq!(clock.repeats(0.0), MOST_RUNS);
        assert_eq!(Clock { timestamps: true, resolution_ns: 1.0 }.repeats(1e-4), 1);
        assert!(clock.describe().contains("100.0 µs"));
    }
}
