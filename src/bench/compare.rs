//! A card against an older one: what got slower beyond noise.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::card::{Card, Row, figure};

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Its median grew beyond noise.
    Slower,
    /// Its median fell beyond noise.
    Faster,
    /// Neither.
    Same,
    /// It had figures and now fails.
    Failed,
}

/// Medians of two measurements differ for a reason if they do by more than this share of the old one
const LEAST_SHARE: f64 = 0.1;
/// and by more than this many standard deviations of their difference, as estimated from both spreads.
const DEVIATIONS: f64 = 3.0;
/// What makes a standard deviation of a median absolute deviation where noise is normal.
const DEVIATION_OF_MAD: f64 = 1.4826;

/// A card held against an older one.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Rows that both have: the key, the old median and the new one in milliseconds, and what that means.
    pub rows: Vec<(String, f64, f64, Change)>,
    /// Keys of rows that only the old card has.
    pub gone: Vec<String>,
    /// Keys of rows that only the new card has, or only it has figures of.
    pub added: Vec<String>,
    /// The adapters with their drivers, if they are not the same: then times say little.
    pub adapters: Option<(String, String)>,
}

/// Whether `new` is slower or faster than `old` beyond noise; both have figures.
fn judge(old: &Row, new: &Row) -> Change {
    let (a, b) = (old.ms_median.unwrap_or(0.0), new.ms_median.unwrap_or(0.0));
    let [a_mad, b_mad] = [old, new].map(|row| row.ms_mad.unwrap_or(0.0));
    let noise = DEVIATIONS * DEVIATION_OF_MAD * a_mad.hypot(b_mad);
    match (b - a, (LEAST_SHARE * a).max(noise)) {
        (more, least) if more > least => Change::Slower,
        (more, least) if -more > least => Change::Faster,
        _ => Change::Same,
    }
}

impl Comparison {
    /// Holds `new` against `old`.
    pub fn new(old: &Card, new: &Card) -> Self {
        let before: BTreeMap<String, &Row> = old.rows.iter().map(|row| (row.key(), row)).collect();
        let mut comparison = Comparison { rows: Vec::new(), gone: Vec::new(), added: Vec::new(), adapters: None };
        let [then, now] = [old, new].map(|card| format!("{} ({})", card.adapter, card.driver));
        if then != now {
            comparison.adapters = Some((then, now));
        }
        for row in &new.rows {
            let old = before.get(&row.key());
            match (old.filter(|old| old.ms_median.is_some()), row.ms_median) {
                // Without figures on either side there is nothing to say.
                (None, None) if old.is_some() => {}
                (None, _) => comparison.added.push(row.key()),
                (Some(old), None) => {
                    comparison.rows.push((row.key(), old.ms_median.unwrap_or(0.0), f64::NAN, Change::Failed));
                }
                (Some(old), Some(ms)) => {
                    comparison.rows.push((row.key(), old.ms_median.unwrap_or(0.0), ms, judge(old, row)));
                }
            }
        }
        let known: Vec<String> = new.rows.iter().map(Row::key).collect();
        comparison.gone = before.into_keys().filter(|key| !known.contains(key)).collect();
        comparison
    }

    /// How many rows changed so.
    pub fn count(&self, change: Change) -> usize {
        self.rows.iter().filter(|row| row.3 == change).count()
    }

    /// What happened to the row with this key: the new median over the old one.
    pub fn of(&self, key: &str) -> Option<(f64, Change)> {
        self.rows.iter().find(|row| row.0 == key).map(|(_, old, new, change)| (new / old, *change))
    }

    /// As text: what changed, the slower ones first.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let mut write = || -> std::fmt::Result {
            if let Some((old, new)) = &self.adapters {
                writeln!(out, "ANOTHER ADAPTER OR DRIVER: the baseline is of {old}, this is {new}")?;
            }
            for (change, word) in [(Change::Failed, "FAILED"), (Change::Slower, "SLOWER"), (Change::Faster, "faster")] {
                for (key, old, new, _) in self.rows.iter().filter(|row| row.3 == change) {
                    let new_ms = if new.is_finite() { figure(*new) } else { "-".into() };
                    let ratio = if new.is_finite() { format!("×{:.2}", new / old) } else { String::new() };
                    writeln!(out, "{word}  {:>9} → {new_ms:>9} ms {ratio:>6}  {key}", figure(*old))?;
                }
            }
            for (keys, word) in [(&self.gone, "not measured now"), (&self.added, "not in the baseline")] {
                if !keys.is_empty() {
                    writeln!(out, "{} rows {word}: {}", keys.len(), keys.join("; "))?;
                }
            }
            let of = |change| self.count(change);
            writeln!(
                out,
                "against the baseline: {} slower, {} faster, {} the same within noise, {} failed (noise: {:.0} % or {DEVIATIONS} standard deviations by the median absolute deviations of both)",
                of(Change::Slower),
                of(Change::Faster),
                of(Change::Same),
                of(Change::Failed),
                100.0 * LEAST_SHARE,
            )
        };
        write().expect("writing to a string");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::card::tests::card;
    use super::*;

    /// The card with its first row's median and noise changed.
    fn with(ms: f64, mad: f64) -> Card {
        let mut card = card();
        (card.rows[0].ms_median, card.rows[0].ms_mad) = (Some(ms), Some(mad));
        card
    }

    fn change(new: &Card) -> Change {
        Comparison::new(&card(), new).rows[0].3
    }

    #[test]
    fn slower_is_beyond_a_tenth_and_beyond_noise() {
        // The old one: 60 ms, median absolute deviation 1.
        assert_eq!(change(&card()), Change::Same);
        assert_eq!(change(&with(65.9, 1.0)), Change::Same);
        assert_eq!(change(&with(66.5, 1.0)), Change::Slower);
        assert_eq!(change(&with(53.5, 1.0)), Change::Faster);
        // As much, but as noisy.
        assert_eq!(change(&with(66.5, 3.0)), Change::Same);
        assert_eq!(change(&with(90.0, 3.0)), Change::Slower);
    }

    #[test]
    fn rows_that_one_side_lacks_and_other_adapters_are_told() {
        let mut new = card();
        new.adapter = "Another".into();
        new.rows[0].case = "renamed".into();
        let comparison = Comparison::new(&card(), &new);
        assert_eq!(comparison.gone, ["conv2d / conv3x3 128@64 b1 / fwd / f32"]);
        assert_eq!(comparison.added, ["conv2d / renamed / fwd / f32"], "what failed and fails again is no news");
        let table = comparison.table();
        assert!(table.starts_with("ANOTHER ADAPTER") && table.contains("not measured now"), "{table}");
        assert!(table.contains("not in the baseline") && table.contains("renamed"), "{table}");
    }

    #[test]
    fn a_row_that_fails_now_is_told() {
        let mut new = card();
        (new.rows[0].ms_median, new.rows[0].error) = (None, Some("gone".into()));
        let comparison = Comparison::new(&card(), &new);
        assert_eq!((comparison.count(Change::Failed), comparison.count(Change::Slower)), (1, 0));
        assert!(comparison.table().contains("FAILED"), "{}", comparison.table());
        assert!(!comparison.table().contains("NaN"));
        assert_eq!(comparison.of(&new.rows[0].key()).unwrap().1, Change::Failed);
    }
}
