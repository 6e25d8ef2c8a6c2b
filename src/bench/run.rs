//! Measuring a card: the ceilings, then case after case. A case that fails, or takes the device with it, is a row that says so;
//! the others are still measured, on a new device if need be.

use std::collections::{BTreeSet, HashSet};

use super::card::{Card, Row};
use super::case::{Built, Case, Pass};
use super::ceilings::Ceilings;
use super::clock::Clock;
use super::profile::rate;
use crate::DType;
use crate::error::{Error, Result};
use crate::exec::Program;
use crate::gpu::{Executable, Gpu};

/// What to measure, and how long.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchOptions {
    /// Only cases with this in `kernel name`; upper and lower case are one.
    pub filter: Option<String>,
    /// About how long each row is sampled.
    pub seconds: f64,
}

impl Default for BenchOptions {
    /// Every case, half a second a row.
    fn default() -> Self {
        BenchOptions { filter: None, seconds: 0.5 }
    }
}

/// What is being measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// The ceilings.
    Ceilings,
    /// A case, and how many of how many are done.
    Case {
        /// Kernel, name and type.
        title: String,
        /// How many are done.
        done: usize,
        /// Of how many.
        total: usize,
    },
}

impl BenchOptions {
    /// The cases that the filter lets through; none is an error that names those there are.
    pub fn select(&self, cases: Vec<Case>) -> Result<Vec<Case>> {
        if !(self.seconds.is_finite() && (0.0..=3600.0).contains(&self.seconds)) {
            return Err(Error::invalid("seconds", "0 to 3600", self.seconds));
        }
        let titles: BTreeSet<String> = cases.iter().map(Case::title).collect();
        let chosen: Vec<Case> = cases.into_iter().filter(|case| self.matches(&case.kernel, &case.name)).collect();
        match &self.filter {
            Some(filter) if chosen.is_empty() => {
                let expected = format!("part of one of: {}", Vec::from_iter(titles).join(", "));
                Err(Error::invalid("filter", expected, format!("`{filter}`")))
            }
            _ => Ok(chosen),
        }
    }

    /// Whether the filter lets a case through.
    pub fn matches(&self, kernel: &str, case: &str) -> bool {
        let title = format!("{kernel} {case}").to_lowercase();
        self.filter.as_ref().is_none_or(|filter| title.contains(&filter.to_lowercase()))
    }
}

/// Measures `cases` on the device that `open` opens; it is called again when that is lost.
pub fn run(
    options: &BenchOptions,
    cases: &[Case],
    open: &mut dyn FnMut() -> Result<Gpu>,
    report: &mut dyn FnMut(&Progress),
) -> Result<Card> {
    report(&Progress::Ceilings);
    let gpu = open()?;
    let clock = Clock::of(&gpu)?;
    let ceilings = Ceilings::measure(&gpu, &clock, options.seconds / 10.0)?;
    let mut card = Card::new(gpu.adapter(), clock, ceilings);
    let mut device = Ok(gpu);
    for (done, case) in cases.iter().enumerate() {
        let title = format!("{} {}", case.name, case.dtype);
        report(&Progress::Case { title, done, total: cases.len() });
        let rows = device.as_ref().map_err(Error::clone).and_then(|gpu| measure(case, gpu, &card, options.seconds));
        match rows {
            Ok(rows) => card.rows.extend(rows),
            Err(error) => {
                let failed = |pass| Row { error: Some(error.to_string()), ..row(case, pass) };
                card.rows.extend(case.passes().into_iter().map(failed));
                // Whether the device is still there shows when it is waited for.
                if device.as_ref().map_or(true, |gpu| gpu.wait().is_err()) {
                    device = open();
                }
            }
        }
    }
    Ok(card)
}

fn row(case: &Case, pass: Pass) -> Row {
    Row {
        kernel: case.kernel.to_string(),
        case: case.name.to_string(),
        pass: Some(pass),
        dtype: case.dtype.to_string(),
        ..Row::default()
    }
}

/// The rows of a case.
fn measure(case: &Case, gpu: &Gpu, card: &Card, seconds: f64) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for Built { mut program, passes } in case.build(gpu)? {
        for (pass, timed) in passes {
            let spread = card.clock.sample(&mut program, &timed, seconds)?;
            let (variant, runner_up) = hottest(&mut program, &timed)?;
            let (flops, bytes, least_ms) = cost(program.program(), &timed, &card.ceilings, case.dtype);
            let percent = if spread.median > 0.0 { 100.0 * least_ms / spread.median } else { 0.0 };
            rows.push(Row {
                variant,
                runner_up,
                ms_median: Some(spread.median),
                ms_p95: Some(spread.p95),
                ms_mad: Some(spread.mad),
                gflops: Some(rate(flops, spread.median)),
                gbs: Some(rate(bytes, spread.median)),
                percent_of_ceiling: Some(percent),
                flops,
                bytes,
                dispatches: timed.iter().filter(|&&timed| timed).count(),
                ..row(case, pass)
            });
        }
    }
    Ok(rows)
}

/// Arithmetic and traffic of the nodes that timed dispatches compute, and the least time that the ceilings allow them
/// one after the other.
fn cost(program: &Program, timed: &[bool], ceilings: &Ceilings, dtype: DType) -> (u64, u64, f64) {
    let steps = program.steps.iter().zip(timed).filter(|(_, timed)| **timed);
    let ids: HashSet<_> = steps.map(|(step, _)| step.node).collect();
    let nodes = program.nodes.iter().filter(|node| ids.contains(&node.id));
    nodes.fold((0, 0, 0.0), |(flops, bytes, ms), node| {
        (flops + node.cost.flops, bytes + node.cost.bytes, ms + ceilings.least_ms(node.cost, dtype))
    })
}

/// The kernel that takes most of the timed dispatches' time with the variant chosen for it, and the variant that was second.
fn hottest(program: &mut Executable, timed: &[bool]) -> Result<(String, Option<String>)> {
    let times = program.profile()?;
    let program = program.program();
    let mut kernels: Vec<(&str, Option<&crate::exec::Choice>, f64)> = Vec::new();
    for time in times.iter().filter(|time| timed[time.step]) {
        let step = &program.steps[time.step];
        let shader = program.kernels[step.kernel].shader;
        let choice = program.node(step.node).and_then(|node| node.choice.as_ref());
        match kernels.iter_mut().find(|(name, known, _)| *name == shader && *known == choice) {
            Some((_, _, ms)) => *ms += time.ms,
            None => kernels.push((shader, choice, time.ms)),
        }
    }
    let hottest = kernels.into_iter().max_by(|a, b| a.2.total_cmp(&b.2));
    Ok(hottest.map_or((String::new(), None), |(shader, choice, _)| {
        let shader = shader.trim_end_matches(".wgsl");
        match choice {
            Some(choice) => (format!("{shader} {}", choice.variant), choice.runner_up.clone()),
            None => (shader.into(), None),
        }
    }))
}
