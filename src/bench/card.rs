//! The card: what was measured, as JSON and as text.

use std::fmt::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::case::Pass;
use super::ceilings::Ceilings;
use super::clock::Clock;
use crate::error::{Error, Result};

/// What a card's file calls itself.
const SCHEMA: &str = "knuckle-card";
/// Changes when files of older versions can no longer be compared with.
const VERSION: u32 = 1;

/// One measured row: a pass of a case. Of one that failed the figures are missing and `error` says why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The kernel or family.
    pub kernel: String,
    /// The shape.
    pub case: String,
    /// Forward, backward or both.
    pub pass: Option<Pass>,
    /// How operands are stored: `f32` or `f16`.
    pub dtype: String,
    /// The kernel that took most of the time, and which of its variants was chosen.
    pub variant: String,
    /// The variant that would have been next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_up: Option<String>,
    /// Median time, milliseconds.
    pub ms_median: Option<f64>,
    /// 95 of 100 runs were not longer, milliseconds.
    pub ms_p95: Option<f64>,
    /// Median distance from the median, milliseconds: the noise.
    #[serde(default)]
    pub ms_mad: Option<f64>,
    /// Arithmetic as the operators count it, GFLOP/s.
    pub gflops: Option<f64>,
    /// What they must at least read and write, GB/s.
    pub gbs: Option<f64>,
    /// The least time that the adapter's ceilings allow over the median: 100 is as fast as possible.
    pub percent_of_ceiling: Option<f64>,
    /// Arithmetic, operations.
    #[serde(default)]
    pub flops: u64,
    /// Traffic, bytes.
    #[serde(default)]
    pub bytes: u64,
    /// Dispatches.
    #[serde(default)]
    pub dispatches: usize,
    /// Why there are no figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Row {
    /// What tells it from all other rows.
    pub fn key(&self) -> String {
        let pass = self.pass.map_or(String::new(), |pass| pass.to_string());
        format!("{} / {} / {pass} / {}", self.kernel, self.case, self.dtype)
    }
}

/// Everything measured on an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    schema: String,
    version: u32,
    /// The adapter's name.
    pub adapter: String,
    /// Its driver and version.
    pub driver: String,
    /// Vulkan, Metal or DX12.
    pub backend: String,
    /// Discrete GPU, integrated GPU, CPU or other.
    pub kind: String,
    /// Optional features it has that knuckle can use.
    pub features: Vec<String>,
    /// The crate's version.
    pub knuckle: String,
    /// When it was measured: seconds since 1970, UTC.
    pub unix_seconds: u64,
    /// What times were taken with.
    pub clock: Clock,
    /// What the adapter can do at most.
    pub ceilings: Ceilings,
    /// What the kernels do.
    pub rows: Vec<Row>,
}

impl Card {
    /// An empty card of an adapter.
    pub(super) fn new(adapter: &crate::gpu::AdapterReport, clock: Clock, ceilings: Ceilings) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Card {
            schema: SCHEMA.into(),
            version: VERSION,
            adapter: adapter.name.clone(),
            driver: adapter.driver.clone(),
            backend: adapter.backend.clone(),
            kind: adapter.kind.clone(),
            features: adapter.features.clone(),
            knuckle: env!("CARGO_PKG_VERSION").into(),
            unix_seconds: now.map_or(0, |d| d.as_secs()),
            clock,
            ceilings,
            rows: Vec::new(),
        }
    }

    /// Reads a card's JSON.
    pub fn load(path: &Path) -> Result<Card> {
        #[derive(Deserialize)]
        struct Header {
            schema: String,
            version: u32,
        }
        let fail = |got: String| Error::invalid(path.display(), format!("a card of {SCHEMA} {VERSION}"), got);
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        let header: Header = serde_json::from_str(&text).map_err(|e| fail(format!("no card: {e}")))?;
        if (header.schema.as_str(), header.version) != (SCHEMA, VERSION) {
            return Err(fail(format!("{} {}", header.schema, header.version)));
        }
        serde_json::from_str(&text).map_err(|e| fail(format!("something else: {e}")))
    }

    /// Writes the card's JSON.
    pub fn save(&self, path: &Path) -> Result<()> {
        crate::files::write_atomically(path, |out| {
            serde_json::to_writer_pretty(&mut *out, self)?;
            writeln!(out)
        })
    }

    /// The day it was measured, UTC, as `2026-11-22`.
    pub fn date(&self) -> String {
        // Days to a date of the Gregorian calendar, counted from 1 March of year 0 in eras of 400 years.
        let days = self.unix_seconds / 86_400 + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        format!("{:04}-{month:02}-{day:02}", era * 400 + year + u64::from(month <= 2))
    }

    /// Adapter and ceilings, a line each.
    pub fn head(&self) -> String {
        let ceilings = &self.ceilings;
        let optional = |rate: Option<f64>| rate.map_or("not offered".into(), |r| format!("{} GFLOP/s", figure(r)));
        let rates: Vec<String> =
            ceilings.copies.iter().map(|copy| format!("{} {}", bytes(copy.bytes), figure(copy.gbs))).collect();
        let lines = [
            ("adapter", format!("{} ({}, {}, {})", self.adapter, self.kind, self.backend, self.driver)),
            ("clock", self.clock.describe()),
            ("multiply-adds, f32", format!("{} GFLOP/s", figure(ceilings.fma_f32_gflops))),
            ("multiply-adds, f16", optional(ceilings.fma_f16_gflops)),
            ("cooperative, f16", optional(ceilings.fma_cooperative_gflops)),
            ("copy", format!("{} GB/s; by size: {}", figure(ceilings.copy_gbs), rates.join(", "))),
            ("dispatch", format!("{} µs each of many", figure(ceilings.dispatch_us))),
            ("submission", format!("{} µs until the host knows it is done", figure(ceilings.submission_us))),
        ];
        lines.iter().map(|(what, value)| format!("{what:<20}{value}\n")).collect()
    }

    /// The rows as a table.
    pub fn table(&self) -> String {
        let case = self.rows.iter().map(|row| row.case.chars().count()).max().unwrap_or(0).max(4);
        let mut out = String::new();
        let mut write = || -> std::fmt::Result {
            let (name, dtype, pass) = ("case", "type", "pass");
            let rates = format!("{:>9} {:>9} {:>8} {:>7} {:>6}", "ms", "p95", "GFLOP/s", "GB/s", "of max");
            writeln!(out, "{name:<case$} {pass:<4} {dtype:<4} {rates}  variant (runner-up)")?;
            let mut kernel = "";
            for row in &self.rows {
                if row.kernel != kernel {
                    kernel = &row.kernel;
                    writeln!(out, "{kernel}")?;
                }
                let pass = row.pass.map_or(String::new(), |pass| pass.to_string());
                write!(out, "{:<case$} {pass:<4} {:<4} ", row.case, row.dtype)?;
                match (&row.error, row.ms_median) {
                    (Some(error), _) => writeln!(out, "{error}")?,
                    (None, ms) => {
                        let value = |v: Option<f64>| v.map_or("-".into(), figure);
                        let runner_up = row.runner_up.as_ref().map_or(String::new(), |name| format!(" ({name})"));
                        writeln!(
                            out,
                            "{:>9} {:>9} {:>8} {:>7} {:>5.0}%  {}{runner_up}",
                            value(ms),
                            value(row.ms_p95),
                            value(row.gflops),
                            value(row.gbs),
                            row.percent_of_ceiling.unwrap_or(0.0),
                            row.variant,
                        )?;
                    }
                }
            }
            Ok(())
        };
        write().expect("writing to a string");
        out
    }
}

/// A number with three digits that count.
pub(super) fn figure(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        v if v >= 0.9995 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

/// A size for people.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        n if n >= 1 << 20 => format!("{:.0} MiB", n as f64 / f64::from(1 << 20)),
        n => format!("{:.0} KiB", n as f64 / 1024.0),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A card with a row of each kind.
    pub fn card() -> Card {
        let clock = Clock { timestamps: true, resolution_ns: 10.0 };
        let ceilings = Ceilings {
            fma_f32_gflops: 50.0,
            fma_f16_gflops: Some(25.0),
            copy_gbs: 8.0,
            copies: vec![super::super::ceilings::CopyRate { bytes: 1 << 27, gbs: 8.0 }],
            dispatch_us: 2.0,
            submission_us: 40.0,
            ..Default::default()
        };
        let adapter = crate::gpu::AdapterReport {
            index: 0,
            name: "Test <GPU>".into(),
            backend: "vulkan".into(),
            kind: "Cpu".into(),
            driver: "driver 1".into(),
            features: vec!["SHADER_F16".into()],
        };
        let mut card = Card::new(&adapter, clock, ceilings);
        card.unix_seconds = 1_794_614_400;
        card.rows = vec![
            Row {
                kernel: "conv2d".into(),
                case: "conv3x3 128@64 b1".into(),
                pass: Some(Pass::Forward),
                dtype: "f32".into(),
                variant: "conv2d_forward tile8".into(),
                runner_up: Some("tile4".into()),
                ms_median: Some(60.0),
                ms_p95: Some(66.0),
                ms_mad: Some(1.0),
                gflops: Some(20.13),
                gbs: Some(0.08),
                percent_of_ceiling: Some(40.0),
                flops: 1_207_959_552,
                bytes: 4_784_128,
                dispatches: 1,
                error: None,
            },
            Row {
                kernel: "raster".into(),
                case: "hand@128 b1".into(),
                pass: Some(Pass::Both),
                dtype: "f32".into(),
                error: Some("the GPU device was lost: gone".into()),
                ..Row::default()
            },
        ];
        card
    }

    #[test]
    fn a_card_survives_being_written_and_has_the_fields_that_scripts_read() {
        let folder = crate::files::tests::scratch("card");
        let path = folder.join("card.json");
        card().save(&path).unwrap();
        assert_eq!(Card::load(&path).unwrap(), card());
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(json["adapter"].is_string() && json["ceilings"]["fma_f32_gflops"].is_number());
        let row = &json["rows"][0];
        assert_eq!((&row["pass"], &row["dtype"]), (&"fwd".into(), &"f32".into()));
        for key in ["kernel", "case", "variant"] {
            assert!(row[key].is_string(), "{key}");
        }
        for key in ["ms_median", "ms_p95", "gflops", "gbs", "percent_of_ceiling"] {
            assert!(row[key].is_number(), "{key}");
            assert!(json["rows"][1][key].is_null(), "{key}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_no_card_is_refused() {
        let folder = crate::files::tests::scratch("no-card");
        let path = folder.join("old.json");
        let whole = serde_json::to_string(&card()).unwrap();
        let texts = [
            ("no JSON".to_string(), "no card"),
            ("{\"rows\": []}".to_string(), "no card"),
            (whole[..whole.len() / 2].to_string(), "no card"),
            (whole.replace("\"version\":1", "\"version\":7"), "knuckle-card 7"),
            (whole.replace("knuckle-card", "other-card"), "other-card 1"),
            (whole.replace("\"clock\"", "\"watch\""), "something else"),
        ];
        for (text, words) in texts {
            std::fs::write(&path, text).unwrap();
            let error = Card::load(&path).unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }) && error.to_string().contains(words), "{error}");
        }
        assert!(matches!(Card::load(&folder.join("missing.json")), Err(Error::File { .. })));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn text_for_people() {
        let card = card();
        assert_eq!(card.date(), "2026-11-14");
        assert_eq!(Card { unix_seconds: 0, ..card.clone() }.date(), "1970-01-01");
        assert_eq!(Card { unix_seconds: 951_782_400, ..card.clone() }.date(), "2000-02-29");
        let table = card.table();
        for words in ["conv3x3 128@64 b1", "60.0", "40%", "tile8 (tile4)", "the GPU device was lost"] {
            assert!(table.contains(words), "{words} in {table}");
        }
        let head = card.head();
        assert!(head.contains("not offered") && head.contains("128 MiB 8.00") && head.contains("Test <GPU>"), "{head}");
        assert_eq!([0.0, 0.01234, 1.0, 12.34, 123.4].map(figure), ["0", "0.012", "1.00", "12.3", "123"]);
    }
}
