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
            if !timed.contains(&true) {
                let expected = format!("a dispatch to time in {pass}");
                return Err(Error::invalid(case.title(), expected, "none: a pass over the graph took them away"));
            }
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::case::Operands;
    use super::*;
    use crate::Var;

    /// The device in use, for a case that takes it away.
    type Held = Arc<Mutex<Option<Gpu>>>;

    fn relu<'r>(o: &mut Operands<'r>) -> Result<Var<'r>> {
        o.value("x", [64, 16])?.relu()
    }

    /// Runs `cases` for as short as can be; gives the card and how often a device was opened.
    fn measured(cases: &[Case], held: &Held) -> (Card, usize) {
        let mut opened = 0;
        let mut open = || {
            opened += 1;
            let gpu = Gpu::new()?;
            *held.lock().unwrap() = Some(gpu.clone());
            Ok(gpu)
        };
        let mut reports = Vec::new();
        let options = BenchOptions { filter: None, seconds: 0.0 };
        let card = run(&options, cases, &mut open, &mut |progress| reports.push(progress.clone())).unwrap();
        assert_eq!((&reports[0], reports.len()), (&Progress::Ceilings, 1 + cases.len()));
        (card, opened)
    }

    #[test]
    fn rows_have_figures_and_a_lost_device_costs_its_own_case_alone() {
        let held = Held::default();
        let device = held.clone();
        let cases = [
            Case::new("pointwise", "before", relu),
            Case::forward("pointwise", "refused", |o| o.value("x", [4])?.matmul(o.value("y", [5])?)),
            Case::new("pointwise", "loses the device", move |o| {
                device.lock().unwrap().as_ref().expect("an open device").destroy();
                relu(o)
            }),
            Case::new("pointwise", "after", |o| o.value("x", [64, 16])?.matmul(o.value("w", [16, 8])?)),
            Case::free_backward("pointwise", "sum", |o| o.value("x", [64, 16])?.add(o.value("y", [64, 16])?)),
            Case::updates("optimizer", "sgd", |o| {
                let loss = o.fixed("w", [32, 8])?.square()?.sum_all()?;
                o.r.step(&crate::ops::Sgd::default(), &loss.backward()?, o.r.scalar(1e-6))?;
                Ok(loss)
            }),
        ];
        let (card, opened) = measured(&cases, &held);
        assert_eq!(opened, 2, "one device for what came before the loss, one for what came after");
        let names: Vec<(&str, Option<Pass>)> = card.rows.iter().map(|row| (row.case.as_str(), row.pass)).collect();
        let all = [Pass::Forward, Pass::Backward, Pass::Both].map(Some);
        let three = |name| all.map(|pass| (name, pass));
        let mut expected = three("before").to_vec();
        expected.push(("refused", all[0]));
        expected.extend(three("loses the device").into_iter().chain(three("after")));
        expected.extend([("sum", all[0]), ("sum", all[2]), ("sgd", all[0])]);
        assert_eq!(names, expected);
        for row in &card.rows {
            let failed = ["refused", "loses the device"].contains(&row.case.as_str());
            assert_eq!(row.error.is_some(), failed, "{row:?}");
            assert_eq!(row.ms_median.is_some_and(|ms| ms.is_finite()), !failed, "{row:?}");
            assert!(failed || (row.dispatches > 0 && !row.variant.is_empty() && row.bytes > 0), "{row:?}");
        }
        let lost = card.rows.iter().find(|row| row.case == "loses the device").unwrap();
        assert!(lost.error.as_ref().unwrap().contains("lost"), "{lost:?}");
        assert!(card.rows[3].error.as_ref().unwrap().contains("matmul"), "{:?}", card.rows[3]);
        // A product's gradients are two products: three times the arithmetic together.
        let after: Vec<u64> = card.rows.iter().filter(|row| row.case == "after").map(|row| row.flops).collect();
        assert_eq!(after, [2 * 64 * 16 * 8, 4 * 64 * 16 * 8, 6 * 64 * 16 * 8]);
        let ceilings = &card.ceilings;
        assert!(ceilings.fma_f32_gflops > 0.0 && ceilings.copy_gbs > 0.0 && ceilings.copies.len() > 3);
    }

    #[test]
    fn without_timestamps_the_wall_clock_counts() {
        let options = crate::gpu::GpuOptions { webgpu_defaults: true, ..Default::default() };
        let cases = [Case::new("pointwise", "relu", relu)];
        let options_ = BenchOptions { filter: None, seconds: 0.0 };
        let card = run(&options_, &cases, &mut || Gpu::open(&options), &mut |_| ()).unwrap();
        assert!(!card.clock.timestamps && card.clock.resolution_ns > 0.0, "{:?}", card.clock);
        assert!(card.head().contains("wall clock") && card.ceilings.fma_f16_gflops.is_none(), "{}", card.head());
        assert!(card.rows.iter().all(|row| row.error.is_none() && row.ms_median > Some(0.0)), "{:?}", card.rows);
    }

    #[test]
    fn a_device_that_does_not_come_back_leaves_the_rest_told() {
        let held = Held::default();
        let device = held.clone();
        let cases = [
            Case::forward("pointwise", "loses the device", move |o| {
                device.lock().unwrap().as_ref().expect("an open device").destroy();
                relu(o)
            }),
            Case::forward("pointwise", "after", relu),
        ];
        let mut first = true;
        let mut open = || match std::mem::replace(&mut first, false) {
            true => {
                let gpu = Gpu::new()?;
                *held.lock().unwrap() = Some(gpu.clone());
                Ok(gpu)
            }
            false => Err(Error::Gpu("no device any more".into())),
        };
        let options = BenchOptions { filter: None, seconds: 0.0 };
        let card = run(&options, &cases, &mut open, &mut |_| ()).unwrap();
        assert_eq!(card.rows.len(), 2);
        assert!(card.rows[0].error.as_ref().unwrap().contains("lost"), "{:?}", card.rows[0]);
        assert!(card.rows[1].error.as_ref().unwrap().contains("no device any more"), "{:?}", card.rows[1]);
    }

    #[test]
    fn a_filter_that_lets_nothing_through_names_what_there_is() {
        let cases = || vec![Case::new("pointwise", "relu", relu), Case::new("matmul", "matmul 512", relu)];
        let with = |filter: &str| BenchOptions { filter: Some(filter.into()), seconds: 0.1 };
        assert_eq!(with("RELU").select(cases()).unwrap().len(), 1);
        assert_eq!(BenchOptions::default().select(cases()).unwrap().len(), 2);
        let error = with("conv").select(cases()).unwrap_err().to_string();
        assert!(error.contains("matmul matmul 512") && error.contains("`conv`"), "{error}");
        for seconds in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(BenchOptions { filter: None, seconds }.select(cases()).is_err(), "{seconds}");
        }
    }
}
