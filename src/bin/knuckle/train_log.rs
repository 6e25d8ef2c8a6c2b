//! What every step came to, as JSON lines in the training's folder, and the curves drawn from them.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use knuckle::train::StepReport;
use knuckle::train::plot::{Chart, Curve, draw, smooth};
use knuckle::{Error, Result};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    step: u64,
    stage: String,
    learning_rate: f32,
    loss: f32,
    terms: Vec<(String, f32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    validation: Option<Validation>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Validation {
    mesh_error: Option<f32>,
    epe: f32,
    pa_epe: f32,
}

/// The log of a training, kept across interruptions.
pub struct TrainLog {
    path: PathBuf,
    file: File,
    lines: Vec<Line>,
}

impl TrainLog {
    /// Opens the log in `folder`; lines of steps after `done` belong to a past that the checkpoint does not know and go.
    pub fn open(folder: &Path, done: u64) -> Result<Self> {
        let path = folder.join("log.jsonl");
        let text = if done > 0 { std::fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        // A line that a crash cut off is no line.
        let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let lines: Vec<Line> = lines.filter(|line: &Line| line.step <= done).collect();
        knuckle::files::write_atomically(&path, |out| {
            lines.iter().try_for_each(|line| {
                serde_json::to_writer(&mut *out, line)?;
                writeln!(out)
            })
        })?;
        let file = OpenOptions::new().append(true).open(&path).map_err(|e| Error::file(&path, e))?;
        Ok(TrainLog { path, file, lines })
    }

    /// Appends a step.
    pub fn add(&mut self, step: &StepReport) -> Result<()> {
        let line = Line {
            step: step.step,
            stage: step.stage.name().into(),
            learning_rate: step.learning_rate,
            loss: step.loss,
            terms: step.terms.iter().map(|(name, value)| (name.to_string(), *value)).collect(),
            validation: step.validation.map(|v| Validation { mesh_error: v.mesh_error, epe: v.epe, pa_epe: v.pa_epe }),
        };
        let text = serde_json::to_string(&line).expect("a line is plain data") + "\n";
        self.lines.push(line);
        self.file.write_all(text.as_bytes()).map_err(|e| Error::file(&self.path, e))
    }

    /// Draws `loss.png` in `folder`: the loss of each stage, and below it the errors on held-out samples.
    pub fn draw(&self, folder: &Path) -> Result<()> {
        let (Some(first), Some(last)) = (self.lines.first(), self.lines.last()) else { return Ok(()) };
        let x_range = Some((first.step as f64, last.step as f64));
        let mut losses = Vec::new();
        for stage in self.lines.chunk_by(|a, b| a.stage == b.stage) {
            let points: Vec<_> = stage.iter().map(|l| (l.step as f64, f64::from(l.loss))).collect();
            let window = points.len() / 100;
            losses.push(Curve {
                name: format!("{}, mean of {}", stage[0].stage, window.max(1)),
                points: smooth(&points, window),
            });
        }
        let held_out = |name: &str, of: fn(&Validation) -> Option<f32>| {
            let points =
                self.lines.iter().filter_map(|l| Some((l.step as f64, f64::from(of(l.validation.as_ref()?)?))));
            Curve { name: name.into(), points: points.collect() }
        };
        let validation = vec![
            held_out("mesh", |v| v.mesh_error),
            held_out("joints", |v| Some(v.epe)),
            held_out("joints, aligned", |v| Some(v.pa_epe)),
        ];
        let chart = |title: &str, y_label: &str, log_y, curves| Chart {
            title: title.into(),
            x_label: "step".into(),
            y_label: y_label.into(),
            log_y,
            x_range,
            y_range: None,
            curves,
        };
        let charts =
            [chart("Training loss", "loss", true, losses), chart("Held-out hands", "error, mm", false, validation)];
        draw(&charts, 900, 900)?.save_png(folder.join("loss.png"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use knuckle::train::Stage;

    fn step(step: u64) -> StepReport {
        StepReport {
            step,
            stage: Stage::Full,
            learning_rate: 1e-3,
            loss: 10.0 / step as f32,
            terms: vec![("mesh", 1.0)],
            validation: None,
            checkpoint: None,
        }
    }

    #[test]
    fn a_resumed_log_forgets_what_the_checkpoint_does_not_know() {
        let folder = std::env::temp_dir().join(format!("knuckle-log-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut log = TrainLog::open(&folder, 0).unwrap();
        (1..=5).for_each(|i| log.add(&step(i)).unwrap());
        log.file.write_all(b"{\"step\":6,\"sta").unwrap();
        let mut log = TrainLog::open(&folder, 3).unwrap();
        assert_eq!(log.lines.iter().map(|l| l.step).collect::<Vec<_>>(), [1, 2, 3]);
        log.add(&step(4)).unwrap();
        log.draw(&folder).unwrap();
        assert!(knuckle::data::Photo::open(folder.join("loss.png")).is_ok());
        let log = TrainLog::open(&folder, 9).unwrap();
        assert_eq!(log.lines.len(), 4);
        assert!(TrainLog::open(&folder, 0).unwrap().lines.is_empty());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
