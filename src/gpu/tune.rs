//! Measuring which variant of a kernel is fastest on the adapter at hand, and whether each computes what the others do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use half::f16;

use super::buffer::Data;
use super::choice_file::ChoiceFile;
use super::device::Gpu;
use super::executable::Executable;
use super::states::States;
use crate::error::{Error, Result};
use crate::exec::{Choice, Choices, CompileOptions, Measured, Pass, Passes, Program, Target};
use crate::graph::{NodeId, Recorder, Var};
use crate::rng::Rng;
use crate::shape::DType;

/// Whether programs run the variants of kernels that were measured to be fastest on the adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tuning {
    /// The variants that the cost models expect to be fastest, the same on every machine with such an adapter.
    Off,
    /// What was measured before and kept in the [cache folder](crate::cache::folder), otherwise as expected. Nothing is measured:
    /// that takes seconds, its outcome depends on what else the machine does, and with another variant come other roundings, so
    /// it is for the user to say when.
    #[default]
    Cached,
    /// As [`Tuning::Cached`], and compiling a program first measures what is not known yet, and keeps it.
    Measure,
}

/// What tuning found for one class of shapes.
#[derive(Debug, Clone)]
pub struct Tuned {
    /// The choice that the cost model alone would make.
    pub expected: Choice,
    /// Every variant's time, and which were rejected.
    pub measured: Measured,
}

/// The choices in use, and where they are kept.
pub(super) struct Table {
    pub(super) tuning: Tuning,
    choices: RwLock<Arc<Choices>>,
    file: Option<PathBuf>,
}

impl Table {
    pub(super) fn open(tuning: Tuning, adapter: &super::AdapterReport) -> Table {
        let file = if tuning == Tuning::Off { None } else { ChoiceFile::path(adapter) };
        let choices = file.as_ref().map(|path| ChoiceFile::load(path, adapter)).unwrap_or_default();
        Table { tuning, choices: RwLock::new(Arc::new(choices)), file }
    }

    pub(super) fn get(&self) -> Arc<Choices> {
        self.choices.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, choices: Choices) {
        *self.choices.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(choices);
    }
}

/// A variant by name, on the device, and what it computed.
type Running = (String, Executable, Vec<f32>);

/// How long a variant is timed at most, and how often.
const TIME_A_VARIANT: Duration = Duration::from_millis(400);
const ROUNDS: usize = 7;

/// A variant that in its first rounds takes so many times longer than the fastest is not timed again.
const HOPELESS: f64 = 2.0;
const FIRST_ROUNDS: usize = 3;

/// How far results of two variants may be apart, as a part of the largest magnitude: sums of thousands of terms in another order stay
/// far below, wrong ones far above.
const F32_TOLERANCE: f64 = 2e-4;
const F16_TOLERANCE: f64 = 1e-2;

impl Gpu {
    /// What was measured for this adapter, as programs are compiled with it.
    pub fn choices(&self) -> Arc<Choices> {
        self.shared.table.get()
    }

    /// Takes over choices measured elsewhere, for programs compiled from now on. They are not written to the cache folder:
    /// [`Gpu::keep_choices`] does that.
    pub fn add_choices(&self, choices: Choices) {
        let mut all = Choices::clone(&self.choices());
        all.merge(choices);
        self.shared.table.set(all);
    }

    /// Forgets what was measured for this adapter, in the cache folder too.
    pub fn clear_choices(&self) -> Result<()> {
        self.shared.table.set(Choices::default());
        match &self.shared.table.file {
            Some(path) if path.exists() => std::fs::remove_file(path).map_err(|e| Error::file(path, e)),
            _ => Ok(()),
        }
    }

    /// The choices with the adapter they are for, to be exported.
    pub fn choice_file(&self) -> ChoiceFile {
        ChoiceFile::new(self.adapter(), Choices::clone(&self.choices()))
    }

    /// Writes the choices to the cache folder, together with what other programs wrote there meanwhile. Gives the file, or `None` if
    /// there is no such folder or the device was opened with [`Tuning::Off`].
    pub fn keep_choices(&self) -> Result<Option<PathBuf>> {
        let Some(path) = &self.shared.table.file else { return Ok(None) };
        let mut all = ChoiceFile::load(path, self.adapter());
        all.merge(Choices::clone(&self.choices()));
        ChoiceFile::new(self.adapter(), all).store(path)?;
        Ok(Some(path.clone()))
    }

    /// Measures every variant of every node that `outputs` need, as [`Gpu::compile`] would compile them, one class of shapes after the
    /// other: those of which some variant is not known, or with `again` all. Each variant runs on the same random operands; one whose
    /// result is not what most variants agree on (in doubt, with the expected one) is rejected and never chosen. Programs compiled
    /// from now on use what was found; [`Gpu::keep_choices`] keeps it. `report` hears of every class as it is done.
    pub fn tune<'r>(
        &self,
        recorder: &'r Recorder,
        outputs: impl AsRef<[Var<'r>]>,
        again: bool,
        report: impl FnMut(&Tuned),
    ) -> Result<()> {
        let options = apart(CompileOptions::default());
        self.tune_with(again, report, |target| self.lower_for(recorder, outputs.as_ref(), target, options))
    }

    /// As [`Gpu::tune`] with a program as `lower` makes it.
    pub(super) fn tune_with(
        &self,
        again: bool,
        mut report: impl FnMut(&Tuned),
        lower: impl Fn(&Target) -> Result<Program>,
    ) -> Result<()> {
        let plain = Target { choices: None, ..self.target().clone() };
        let known = self.choices();
        let mut seen = BTreeSet::new();
        let expected: Vec<(NodeId, Choice)> = lower(&plain)?
            .nodes
            .iter()
            .filter_map(|node| Some((node.id, node.choice.clone()?)))
            .filter(|(_, choice)| {
                let settled = known.get(&choice.class).is_some_and(|known| known.settles(&choice.offered));
                choice.offered.len() > 1 && (again || !settled)
            })
            .filter(|(_, choice)| seen.insert(choice.class.clone()))
            .collect();
        let most = expected.iter().map(|(_, choice)| choice.offered.len()).max().unwrap_or(0);
        // One lowering serves a variant of every class.
        let with = |classes: &[(NodeId, Choice)], n: usize| {
            let mut choices = Choices::default();
            let offering = classes.iter().filter(|(_, choice)| n < choice.offered.len());
            offering.for_each(|(_, choice)| choices.prefer(&choice.class, &choice.offered[n]));
            lower(&Target { choices: Some(Arc::new(choices)), ..plain.clone() })
        };
        let programs: Vec<Result<Program>> = (0..most).map(|n| with(&expected, n)).collect();
        for (at, (id, choice)) in expected.iter().enumerate() {
            let candidate = |(n, name): (usize, &String)| {
                let alone = match &programs[n] {
                    Ok(program) => program.excerpt(*id),
                    // Another class may be to blame.
                    Err(_) => match with(&expected[at..=at], n) {
                        Ok(program) => program.excerpt(*id),
                        Err(e) => return (name.clone(), Err(e)),
                    },
                };
                let missing = || Error::invalid(&choice.class, "a node that changes only its value", "another");
                (name.clone(), alone.ok_or_else(missing))
            };
            let measured = self.measure(choice.offered.iter().enumerate().map(candidate).collect())?;
            for (name, why) in &measured.rejected {
                log::warn!("{}: {} as {name} is rejected: {why}", self.adapter(), choice.class);
            }
            let mut found = Choices::default();
            found.insert(&choice.class, measured.clone());
            self.add_choices(found);
            report(&Tuned { expected: choice.clone(), measured });
        }
        Ok(())
    }

    /// Runs the variants of one node, holds their results against each other and times those that agree.
    fn measure(&self, candidates: Vec<(String, Result<Program>)>) -> Result<Measured> {
        let ports = candidates
            .iter()
            .filter_map(|(_, program)| program.as_ref().ok())
            .flat_map(|p| p.inputs.iter().chain(&p.outputs));
        let half = ports.map(|port| port.ty.dtype).any(|dtype| dtype == DType::F16);
        let tolerance = if half { F16_TOLERANCE } else { F32_TOLERANCE };
        // A wrong term shows best among terms that cancel, but an operand may be a variance: then most results are NaN.
        let (mut running, mut measured) = self.run_all(&candidates, -1.0)?;
        if 2 * running.len() < candidates.len() {
            (running, measured) = self.run_all(&candidates, 0.1)?;
        }
        let agree = |a: &[f32], b: &[f32]| difference(a, b, tolerance).is_none();
        let votes = |i: &usize| running.iter().filter(|(_, _, other)| agree(&running[*i].2, other)).count();
        // Of equal votes the first wins: the expected variant.
        let Some(right) = (0..running.len()).rev().max_by_key(votes) else { return Ok(measured) };
        let truth = running[right].2.clone();
        running.retain(|(name, _, values)| match difference(values, &truth, tolerance) {
            None => true,
            Some(what) => {
                measured.rejected.insert(name.clone(), what);
                false
            }
        });
        drop(truth);
        let mut times: BTreeMap<String, f64> = BTreeMap::new();
        let start = Instant::now();
        let limit = TIME_A_VARIANT * running.len() as u32;
        // In turn, so that what else the machine does meets all alike; the least time of each, since it only ever adds.
        for round in 0..ROUNDS {
            for (name, executable, _) in &mut running {
                let best = times.values().copied().fold(f64::INFINITY, f64::min);
                let before = times.get(name).copied().unwrap_or(f64::INFINITY);
                if round >= FIRST_ROUNDS && before > HOPELESS * best || round > 0 && start.elapsed() > limit {
                    continue;
                }
                let ms: f64 = executable.profile()?.iter().map(|step| step.ms).sum();
                times.insert(name.clone(), before.min(ms));
            }
        }
        // Whole nanoseconds read well, and come back from a file as they were.
        measured.ms = times.into_iter().map(|(name, ms)| (name, (ms * 1e6).round() / 1e6)).collect();
        Ok(measured)
    }

    /// Runs every program: those that gave numbers, with these, and why the others did not.
    fn run_all(&self, candidates: &[(String, Result<Program>)], least: f32) -> Result<(Vec<Running>, Measured)> {
        let (mut running, mut measured) = (Vec::new(), Measured::default());
        for (name, program) in candidates {
            let result = program.clone().and_then(|program| self.run_once(program, least));
            let why = match result {
                Ok((executable, values)) => match values.iter().position(|v| !v.is_finite()) {
                    None => {
                        running.push((name.clone(), executable, values));
                        continue;
                    }
                    Some(i) => format!("element {i} is {}", values[i]),
                },
                Err(e @ Error::DeviceLost(_)) => return Err(e),
                Err(e) => e.to_string(),
            };
            measured.rejected.insert(name.clone(), why);
        }
        Ok((running, measured))
    }

    /// Runs a program on random operands from `least` to 1: its result.
    fn run_once(&self, program: Program, least: f32) -> Result<(Executable, Vec<f32>)> {
        let mut executable = self.load(program, &States::new(self))?;
        // What no kernel writes must not look right by chance.
        executable.poison(f32::NAN.to_bits())?;
        let inputs = executable.program().inputs.clone();
        for (i, port) in inputs.iter().enumerate() {
            let mut rng = Rng::new(1, i as u64);
            let values: Vec<f32> = (0..port.ty.shape.numel()).map(|_| rng.range(least, 1.0)).collect();
            let name = port.name.as_str();
            match port.ty.dtype {
                DType::F32 => executable.upload([(name, &values)])?,
                DType::F16 => {
                    let values: Vec<f16> = values.into_iter().map(f16::from_f32).collect();
                    executable.upload([(name, Data::F16(&values))])?;
                }
                DType::U32 => return Err(Error::invalid("a node with variants", "operands of numbers", &port.ty)),
            }
        }
        let outputs = executable.run(std::iter::empty::<(&str, &[f32])>())?;
        let values = outputs.f32(0).to_vec();
        Ok((executable, values))
    }
}

/// Options with which every node makes its value by itself and in memory of its own, so that it can run alone.
pub(super) fn apart(options: CompileOptions) -> CompileOptions {
    let alone = [Pass::Pieces, Pass::Over, Pass::Repeats].into_iter().fold(options.passes, Passes::without);
    CompileOptions { passes: alone, ..options }
}

/// Where two results are further apart than `tolerance` times the largest magnitude, for people.
fn difference(values: &[f32], truth: &[f32], tolerance: f64) -> Option<String> {
    if values.len() != truth.len() {
        return Some(format!("{} elements instead of {}", values.len(), truth.len()));
    }
    let largest = truth.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
    let apart = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).abs() > tolerance * largest;
    let at = values.iter().zip(truth).position(apart)?;
    Some(format!("element {at} is {}, others give {}", values[at], truth[at]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::ShapeClass;
    use crate::files::tests::scratch;
    use crate::gpu::GpuOptions;

    /// A device that measures what it does not know and keeps it in `file`.
    fn measuring(file: PathBuf) -> Gpu {
        let options = GpuOptions { tuning: Tuning::Off, ..GpuOptions::default() };
        let mut gpu = Gpu::open(&options).expect("an adapter (on Debian: mesa-vulkan-drivers)");
        let choices = RwLock::new(Arc::new(ChoiceFile::load(&file, gpu.adapter())));
        let shared = Arc::get_mut(&mut gpu.shared).expect("nobody else has it yet");
        shared.table = Table { tuning: Tuning::Measure, choices, file: Some(file) };
        gpu
    }

    /// Compiles a product that has variants: whether what runs was measured.
    fn compile(gpu: &Gpu) -> Result<bool> {
        let r = Recorder::new();
        let y = r.input("x", [16, 8]).matmul(r.param("w", [8, 8]))?;
        let executable = gpu.compile(&r, [y])?;
        Ok(executable.program().nodes.iter().any(|n| n.choice.as_ref().is_some_and(|c| c.measured)))
    }

    #[test]
    fn what_a_program_needs_is_measured_once_and_kept() -> Result<()> {
        let folder = scratch("tune");
        let file = folder.join("choices.json");
        let gpu = measuring(file.clone());
        assert!(gpu.choices().is_empty());
        assert!(compile(&gpu)?);
        let known = gpu.choices();
        assert_eq!(known.len(), 1);
        let later = measuring(file.clone());
        assert_eq!(later.choices(), known);
        let before = std::fs::read(&file).map_err(|e| Error::file(&file, e))?;
        assert!(compile(&later)?);
        assert_eq!(later.choices(), known, "measured again");
        assert_eq!(std::fs::read(&file).map_err(|e| Error::file(&file, e))?, before);
        // What an earlier version of the library kept, which offered less.
        let (class, measured) = known.iter().next().expect("one");
        let mut earlier = measured.clone();
        let (forgotten, _) = earlier.ms.pop_last().expect("some were timed");
        assert!(!earlier.ms.is_empty());
        let mut choices = Choices::default();
        choices.insert(&ShapeClass::of(class), earlier);
        later.add_choices(choices);
        assert!(compile(&later)?);
        assert!(later.choices().get(&ShapeClass::of(class)).is_some_and(|all| all.ms.contains_key(&forgotten)));
        later.clear_choices()?;
        assert!(!file.exists() && later.choices().is_empty());
        std::fs::remove_dir_all(folder).map_err(|e| Error::file("tune", e))
    }

    #[test]
    fn a_file_that_cannot_be_written_stops_nothing() -> Result<()> {
        let folder = scratch("tune-unwritable");
        let file = folder.join("file");
        std::fs::write(&file, "").map_err(|e| Error::file(&file, e))?;
        let gpu = measuring(file.join("choices.json"));
        assert!(compile(&gpu)?);
        assert!(gpu.keep_choices().is_err());
        std::fs::remove_dir_all(folder).map_err(|e| Error::file("tune-unwritable", e))
    }
}
