//! The outcome of a run of the case table: as a table for people, as JSON, as JUnit's XML.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use knuckle::gpu::AdapterReport;
use quick_junit::{NonSuccessKind, Report as JUnit, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;

use crate::budget;
use crate::case::Case;
use crate::harness::Outcome;

/// What `--json` writes.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The adapter's name.
    pub adapter: String,
    /// Its driver and version.
    pub driver: String,
    /// The optional features it has.
    pub features: Vec<String>,
    /// Every case that ran.
    pub cases: Vec<CaseReport>,
    /// What did not run, and why.
    pub skipped: Vec<Skipped>,
}

/// A case that ran. Errors are in units of 2⁻²⁴, scaled so that an error is allowed as long as it is at most the budget.
#[derive(Debug, Clone, Serialize)]
pub struct CaseReport {
    /// The operator.
    pub op: String,
    /// Attributes and shapes.
    pub case: String,
    /// The element type.
    pub dtype: String,
    /// Whether it passed every stage.
    pub pass: bool,
    /// The worst error of an element of the result; none where the case failed before it was measured.
    pub max_err: Option<f64>,
    /// What is allowed.
    pub budget: f64,
    /// The worst error of a gradient, where there is one.
    pub grad_err: Option<f64>,
    /// What is allowed.
    pub grad_budget: f64,
    /// How long all stages took, compiling included.
    pub ms: f64,
    /// What was wrong, and at which stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A case that could not run on this adapter.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    /// The operator.
    pub op: String,
    /// Attributes and shapes.
    pub case: String,
    /// What the adapter lacks.
    pub reason: String,
}

impl Report {
    /// Of `cases` with their `outcomes`.
    pub fn new(adapter: &AdapterReport, cases: &[&Case], outcomes: &[Outcome], skipped: Vec<Skipped>) -> Self {
        let case = |outcome: &Outcome| {
            let case = cases[outcome.index];
            let budget = budget::of(case.op, case.dtype);
            let (forward, gradient) = budget.map_or((0.0, 0.0), |b| (b.forward.total(), b.gradient));
            let measured = outcome.result.as_ref().ok();
            CaseReport {
                op: case.op.into(),
                case: case.name(),
                dtype: case.dtype.to_string(),
                pass: measured.is_some(),
                max_err: measured.map(|m| m.forward * forward),
                budget: forward,
                grad_err: measured.and_then(|m| m.gradient).map(|part| part * gradient),
                grad_budget: gradient,
                ms: outcome.ms,
                failure: outcome.result.as_ref().err().map(|f| format!("{:?}: {}", f.stage, f.message)),
            }
        };
        Report {
            adapter: adapter.name.clone(),
            driver: adapter.driver.clone(),
            features: adapter.features.clone(),
            cases: outcomes.iter().map(case).collect(),
            skipped,
        }
    }

    /// How many cases failed.
    pub fn failures(&self) -> usize {
        self.cases.iter().filter(|c| !c.pass).count()
    }

    /// Operators in one direction that at least one case ran: forward, and backward where there is a gradient.
    pub fn directions(&self) -> usize {
        let forward: BTreeSet<_> = self.cases.iter().map(|c| &c.op).collect();
        let backward: BTreeSet<_> = self.cases.iter().filter(|c| c.grad_err.is_some()).map(|c| &c.op).collect();
        forward.len() + backward.len()
    }

    /// Writes the report as JSON.
    pub fn write_json(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")
    }

    /// Writes the report as JUnit's XML: a suite an operator.
    pub fn write_junit(&self, path: &Path) -> io::Result<()> {
        let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
        let mut add = |op, case| {
            suites.entry(op).or_insert_with(|| TestSuite::new(op)).add_test_case(case);
        };
        for case in &self.cases {
            let status = match &case.failure {
                None => TestCaseStatus::success(),
                Some(message) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_message(message);
                    status
                }
            };
            let mut test = TestCase::new(&case.case, status);
            test.set_classname(&case.op).set_time(Duration::from_secs_f64(case.ms / 1e3));
            add(case.op.as_str(), test);
        }
        for skipped in &self.skipped {
            let mut status = TestCaseStatus::skipped();
            status.set_message(&skipped.reason);
            add(skipped.op.as_str(), TestCase::new(&skipped.case, status));
        }
        let mut report = JUnit::new(format!("knuckle kernels on {}", self.adapter));
        report.add_test_suites(suites.into_values());
        report.serialize(std::fs::File::create(path)?).map_err(io::Error::other)
    }
}

/// A line an operator.
#[derive(Debug, Default)]
struct Row {
    cases: usize,
    failed: usize,
    forward: Option<f64>,
    gradient: Option<f64>,
    ms: f64,
    /// Forward, and of the gradient.
    budgets: (f64, f64),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: BTreeMap<(&str, &str), Row> = BTreeMap::new();
        let larger = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).reduce(f64::max);
        for case in &self.cases {
            let row = rows.entry((&case.op, &case.dtype)).or_default();
            row.budgets = (case.budget, case.grad_budget);
            row.cases += 1;
            row.failed += usize::from(!case.pass);
            row.forward = larger(row.forward, case.max_err);
            row.gradient = larger(row.gradient, case.grad_err);
            row.ms += case.ms;
        }
        let width = rows.keys().map(|(op, _)| op.len()).max().unwrap_or(0).max(8);
        let heads = ["cases", "error", "of budget", "gradient", "of budget", "seconds"];
        writeln!(
            f,
            "{:<width$}     {:>6} {:>10} {:>10} {:>10} {:>10} {:>8}",
            "operator", heads[0], heads[1], heads[2], heads[3], heads[4], heads[5]
        )?;
        let number = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.1}"));
        for ((op, dtype), row) in &rows {
            let forward = number(Some(row.budgets.0));
            let gradient = number(row.gradient.map(|_| row.budgets.1));
            write!(f, "{op:<width$} {dtype} {:>6} {:>10} {forward:>10} ", row.cases, number(row.forward))?;
            write!(f, "{:>10} {gradient:>10} {:>8.1}", number(row.gradient), row.ms / 1e3)?;
            writeln!(f, "{}", if row.failed > 0 { format!("  {} FAILED", row.failed) } else { String::new() })?;
        }
        for case in self.cases.iter().filter(|c| !c.pass) {
            writeln!(f, "FAILED {}: {}", case.case, case.failure.as_deref().unwrap_or_default())?;
        }
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for skipped in &self.skipped {
            *reasons.entry(&skipped.reason).or_default() += 1;
        }
        for (reason, n) in reasons {
            writeln!(f, "{n} cases skipped: {reason}")?;
        }
        writeln!(
            f,
            "{} cases of {} operators ({} operators × directions) on {} ({}): {} failed, {} skipped",
            self.cases.len(),
            rows.keys().map(|(op, _)| op).collect::<BTreeSet<_>>().len(),
            self.directions(),
            self.adapter,
            self.driver,
            self.failures(),
            self.skipped.len()
        )
    }
}
