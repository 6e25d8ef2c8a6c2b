//! Where the time of a program goes: a span an operator, as a table and as a trace for Chrome or Perfetto.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

use serde_json::{Value, json};

use super::stats::median;
use crate::error::Result;
use crate::exec::{BufferRef, NodeInfo};
use crate::gpu::{Executable, Gpu};
use crate::ops::Cost;

/// The part of a run that an operator belongs to: a track of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Values.
    Forward,
    /// Gradients.
    Backward,
    /// Changes of named state.
    Update,
}

impl Phase {
    /// Its name in tables and traces.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Forward => "forward",
            Phase::Backward => "backward",
            Phase::Update => "update",
        }
    }

    fn of(node: &NodeInfo) -> Phase {
        match (node.buffer, node.gradient) {
            (BufferRef::State(_), _) => Phase::Update,
            (_, true) => Phase::Backward,
            (_, false) => Phase::Forward,
        }
    }
}

/// An operator's share of a run.
#[derive(Debug, Clone)]
pub struct Span {
    /// The operator.
    pub op: &'static str,
    /// The line that recorded it, or what it is the gradient of.
    pub site: String,
    /// The result's type.
    pub ty: String,
    /// The part of the run.
    pub phase: Phase,
    /// Where it begins if the operators follow each other without a pause, milliseconds.
    pub start_ms: f64,
    /// Its dispatches in order: kernel and milliseconds.
    pub dispatches: Vec<(&'static str, f64)>,
    /// What it costs.
    pub cost: Cost,
}

impl Span {
    /// All its dispatches, milliseconds.
    pub fn ms(&self) -> f64 {
        self.dispatches.iter().map(|(_, ms)| ms).sum()
    }

    /// The kernel that takes most of it.
    pub fn kernel(&self) -> &'static str {
        self.dispatches.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or("", |(kernel, _)| kernel)
    }

    /// What it computes, GFLOP/s; 0 if it took no time that the clock could tell.
    pub fn gflops(&self) -> f64 {
        rate(self.cost.flops, self.ms())
    }

    /// What it must at least read and write, GB/s.
    pub fn gbs(&self) -> f64 {
        rate(self.cost.bytes, self.ms())
    }
}

/// Thousand millions a second.
pub(super) fn rate(amount: u64, ms: f64) -> f64 {
    if ms > 0.0 { amount as f64 / ms * 1e-6 } else { 0.0 }
}

/// What the host did in one run.
#[derive(Debug, Clone)]
pub struct HostSpan {
    /// What.
    pub what: &'static str,
    /// From when, milliseconds.
    pub start_ms: f64,
    /// For how long, milliseconds.
    pub ms: f64,
}

/// A program's time, operator by operator.
#[derive(Debug, Clone)]
pub struct Profile {
    /// What was run.
    pub name: String,
    /// On which adapter.
    pub adapter: String,
    /// Whether the device timed its dispatches; otherwise each was timed alone from submission to completion.
    pub timestamps: bool,
    /// How many runs the times are medians of.
    pub runs: usize,
    /// The operators in order.
    pub spans: Vec<Span>,
    /// A whole run as the host sees it.
    pub host: Vec<HostSpan>,
}

impl Profile {
    /// Runs `executable` once to warm up and `runs` times with every dispatch timed. Inputs keep what they have; state
    /// changes as in any run.
    pub fn measure(gpu: &Gpu, executable: &mut Executable, name: &str, runs: usize) -> Result<Profile> {
        let nothing = || std::iter::empty::<(&str, &[f32])>();
        executable.submit(nothing())?;
        gpu.wait()?;
        let mut samples: Vec<Vec<f64>> = vec![Vec::new(); executable.program().steps.len()];
        for _ in 0..runs.max(1) {
            for time in executable.profile()? {
                samples[time.step].push(time.ms);
            }
        }
        let begin = Instant::now();
        let since = |start: Instant| (start - begin).as_secs_f64() * 1e3;
        executable.submit(nothing())?;
        let submitted = Instant::now();
        gpu.wait()?;
        let done = Instant::now();
        let host = vec![
            HostSpan { what: "encode and submit", start_ms: 0.0, ms: since(submitted) },
            HostSpan { what: "wait", start_ms: since(submitted), ms: since(done) - since(submitted) },
        ];

        let program = executable.program();
        let mut spans: Vec<Span> = Vec::new();
        let (mut now, mut last) = (0.0, None);
        for (step, samples) in program.steps.iter().zip(&mut samples) {
            let ms = median(samples);
            let dispatch = (program.kernels[step.kernel].shader, ms);
            match (spans.last_mut(), program.node(step.node)) {
                (Some(span), _) if last == Some(step.node) => span.dispatches.push(dispatch),
                (_, Some(node)) => spans.push(Span {
                    op: node.op,
                    site: node.site.to_string(),
                    ty: node.ty.to_string(),
                    phase: Phase::of(node),
                    start_ms: now,
                    dispatches: vec![dispatch],
                    cost: node.cost,
                }),
                (_, None) => {}
            }
            last = Some(step.node);
            now += ms;
        }
        Ok(Profile {
            name: name.into(),
            adapter: gpu.adapter().to_string(),
            timestamps: gpu.has_timestamps(),
            runs: runs.max(1),
            spans,
            host,
        })
    }

    /// All operators, milliseconds.
    pub fn ms(&self) -> f64 {
        self.spans.iter().map(Span::ms).sum()
    }

    /// The trace in Chrome's JSON, for `chrome://tracing` and <https://ui.perfetto.dev>: a track for each part of the
    /// run with a span an operator, in it one a dispatch; and the host's track.
    pub fn trace(&self) -> Value {
        const DEVICE: u32 = 1;
        const HOST: u32 = 2;
        let us = |ms: f64| ms * 1e3;
        let name = |pid: u32, tid: Option<u32>, name: &str| {
            let what = if tid.is_some() { "thread_name" } else { "process_name" };
            json!({"ph": "M", "name": what, "pid": pid, "tid": tid.unwrap_or(0), "args": {"name": name}})
        };
        let mut events = vec![name(DEVICE, None, &self.adapter), name(HOST, None, "host"), name(HOST, Some(1), "run")];
        for phase in [Phase::Forward, Phase::Backward, Phase::Update] {
            events.push(name(DEVICE, Some(phase as u32 + 1), phase.name()));
        }
        let span = |pid: u32, tid: u32, name: String, start: f64, ms: f64, args: Value| json!({"ph": "X", "cat": "knuckle", "name": name, "pid": pid, "tid": tid, "ts": us(start), "dur": us(ms), "args": args});
        for operator in &self.spans {
            let track = operator.phase as u32 + 1;
            let args = json!({
                "op": operator.op, "shape": operator.ty, "kernel": operator.kernel(),
                "gflops": operator.gflops(), "gbs": operator.gbs(),
                "flops": operator.cost.flops, "bytes": operator.cost.bytes,
            });
            let title = format!("{} {}", operator.site, operator.op);
            events.push(span(DEVICE, track, title, operator.start_ms, operator.ms(), args));
            let mut now = operator.start_ms;
            for (kernel, ms) in operator.dispatches.iter().filter(|_| operator.dispatches.len() > 1) {
                events.push(span(DEVICE, track, kernel.to_string(), now, *ms, json!({})));
                now += ms;
            }
        }
        for part in &self.host {
            events.push(span(HOST, 1, part.what.into(), part.start_ms, part.ms, json!({})));
        }
        json!({
            "traceEvents": events,
            "displayTimeUnit": "ms",
            "otherData": {"program": self.name, "adapter": self.adapter, "clock": self.clock(), "runs": self.runs},
        })
    }

    /// What the times were taken with.
    pub fn clock(&self) -> &'static str {
        if self.timestamps { "timestamps of the device" } else { "wall clock around each dispatch" }
    }

    /// The lines that take most time, those of one operator, line and part of the run together, as text: share, time,
    /// how often, rates, operator, kernel and line. Then the parts of the run.
    pub fn table(&self, rows: usize) -> String {
        struct Line<'a> {
            spans: Vec<&'a Span>,
            ms: f64,
        }
        let mut lines: BTreeMap<(&str, &str, Phase), Line<'_>> = BTreeMap::new();
        for span in &self.spans {
            let key = (span.site.as_str(), span.op, span.phase);
            let line = lines.entry(key).or_insert(Line { spans: Vec::new(), ms: 0.0 });
            line.spans.push(span);
            line.ms += span.ms();
        }
        let mut lines: Vec<_> = lines.into_iter().collect();
        lines.sort_by(|a, b| b.1.ms.total_cmp(&a.1.ms));
        let total = self.ms();
        let share = |ms: f64| if total > 0.0 { 100.0 * ms / total } else { 0.0 };
        let mut out = String::new();
        let mut write = || -> std::fmt::Result {
            let dispatches: usize = self.spans.iter().map(|s| s.dispatches.len()).sum();
            let (runs, clock) = (self.runs, self.clock());
            writeln!(out, "{}: {total:.3} ms in {dispatches} dispatches of {} operators", self.name, self.spans.len())?;
            writeln!(out, "medians of {runs} runs, {clock}")?;
            let head = ("share", "ms", "times", "GFLOP/s", "GB/s", "operator", "kernel", "recorded at");
            let (share_, ms, times, gflops, gbs, op, kernel, site) = head;
            writeln!(
                out,
                "{share_:>7} {ms:>9} {times:>5} {gflops:>8} {gbs:>7}  {op:<24} {:<8} {kernel:<30} {site}",
                "part"
            )?;
            for ((site, op, phase), line) in lines.iter().take(rows) {
                let sum = |of: fn(&Cost) -> u64| line.spans.iter().map(|s| of(&s.cost)).sum::<u64>();
                let hottest = line.spans.iter().max_by(|a, b| a.ms().total_cmp(&b.ms())).map_or("", |s| s.kernel());
                writeln!(
                    out,
                    "{:6.1}% {:9.3} {:5} {:8.2} {:7.2}  {op:<24} {:<8} {hottest:<30} {site}",
                    share(line.ms),
                    line.ms,
                    line.spans.len(),
                    rate(sum(|c| c.flops), line.ms),
                    rate(sum(|c| c.bytes), line.ms),
                    phase.name(),
                )?;
            }
            if lines.len() > rows {
                let rest: f64 = lines[rows..].iter().map(|(_, line)| line.ms).sum();
                writeln!(out, "{:6.1}% {rest:9.3}        {} more lines", share(rest), lines.len() - rows)?;
            }
            for phase in [Phase::Forward, Phase::Backward, Phase::Update] {
                let ms: f64 = self.spans.iter().filter(|s| s.phase == phase).map(Span::ms).sum();
                if ms > 0.0 {
                    writeln!(out, "{:6.1}% {ms:9.3}        {}", share(ms), phase.name())?;
                }
            }
            let host: Vec<String> = self.host.iter().map(|h| format!("{} {:.3} ms", h.what, h.ms)).collect();
            writeln!(out, "one run as the host sees it: {}", host.join(", "))
        };
        write().expect("writing to a string");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        let span = |op, phase, start_ms, dispatches: &[(&'static str, f64)]| Span {
            op,
            site: "model.rs:7".into(),
            ty: "[4] f32".into(),
            phase,
            start_ms,
            dispatches: dispatches.to_vec(),
            cost: Cost { flops: 6_000_000, bytes: 3_000_000 },
        };
        Profile {
            name: "two".into(),
            adapter: "a".into(),
            timestamps: true,
            runs: 3,
            spans: vec![
                span("conv", Phase::Forward, 0.0, &[("c.wgsl", 2.0), ("sum.wgsl", 1.0)]),
                span("conv_grad", Phase::Backward, 3.0, &[("g.wgsl", 6.0)]),
                span("adam", Phase::Update, 9.0, &[("a.wgsl", 0.0)]),
            ],
            host: vec![HostSpan { what: "wait", start_ms: 0.5, ms: 1.0 }],
        }
    }

    #[test]
    fn the_trace_has_a_span_an_operator_and_a_track_a_part() {
        let trace = profile().trace();
        let spans: Vec<&Value> = trace["traceEvents"].as_array().unwrap().iter().filter(|e| e["ph"] == "X").collect();
        let names: Vec<&str> = spans.iter().map(|e| e["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["model.rs:7 conv", "c.wgsl", "sum.wgsl", "model.rs:7 conv_grad", "model.rs:7 adam", "wait"]);
        assert_eq!((spans[0]["ts"].as_f64(), spans[0]["dur"].as_f64()), (Some(0.0), Some(3000.0)));
        assert_eq!((spans[2]["ts"].as_f64(), spans[2]["dur"].as_f64()), (Some(2000.0), Some(1000.0)));
        assert_eq!(spans[0]["args"]["kernel"], "c.wgsl");
        assert_eq!(spans[0]["args"]["gflops"].as_f64(), Some(2.0));
        let tracks: Vec<_> = [0, 3, 4, 5].map(|i| (&spans[i]["pid"], &spans[i]["tid"])).to_vec();
        assert!((1..4).all(|i| !tracks[..i].contains(&tracks[i])), "{tracks:?}");
    }

    #[test]
    fn the_table_begins_with_the_slowest_and_shares_add_up() {
        let table = profile().table(1);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].contains("9.000 ms in 4 dispatches of 3 operators"), "{table}");
        assert!(
            lines[3].contains("66.7%") && lines[3].contains("conv_grad") && lines[3].contains("backward"),
            "{table}"
        );
        assert!(lines[4].contains("33.3%") && lines[4].contains("2 more lines"), "{table}");
        // An operator too short for the clock has a rate of nothing, not of infinity.
        assert!(!profile().table(9).contains("inf") && !profile().table(9).contains("NaN"));
    }
}
