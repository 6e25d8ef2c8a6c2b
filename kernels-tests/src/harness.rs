//! Runs cases on an adapter and holds them against the reference.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Instant;

use half::f16;
use knuckle::exec::sanitize::Fault;
use knuckle::exec::{
    AdapterClass, Choices, CompileOptions, Pass, Passes, Piece, Plan, Program, Saving, ShapeClass, Target, compile,
};
use knuckle::gpu::{Checks, GpuOptions, Outputs, Tuning};
use knuckle::graph::TensorData;
use knuckle::rng::Rng;
use knuckle::testing::{EPSILON, Tolerance, close, finite, same_bits};
use knuckle::{DType, Error, Executable, Gpu, Init, Recorder, States, TensorType, Var};

use crate::budget::{self, Budget};
use crate::case::Case;
use crate::reference::Tensor;

/// The devices that cases are proved on: one adapter, opened for each way of using it.
#[derive(Debug)]
pub struct Prover {
    /// As the library uses it.
    trusted: Gpu,
    /// For the kernels that the other class of adapter gets.
    other: Gpu,
    /// With indices and loops checked in the shaders.
    checked: Gpu,
    /// With kernels under the sanitizer, if they are to be run so.
    sanitized: Option<Sanitizing>,
}

/// Sanitized kernels are large, and a device keeps every one it has compiled: after so many cases a fresh one takes over, or the
/// whole table would need many gigabytes.
const CASES_A_SANITIZED_DEVICE: usize = 200;

/// The device for sanitized kernels.
#[derive(Debug)]
struct Sanitizing {
    options: GpuOptions,
    /// The present one, and how many cases it has run.
    device: Mutex<(Gpu, usize)>,
}

impl Sanitizing {
    fn new(options: &GpuOptions) -> knuckle::Result<Sanitizing> {
        let options = GpuOptions { checks: Checks::Sanitized, tuning: Tuning::Off, ..options.clone() };
        let device = Mutex::new((Gpu::open(&options)?, 0));
        Ok(Sanitizing { options, device })
    }

    /// The device for one more case.
    fn gpu(&self) -> knuckle::Result<Gpu> {
        let mut device = self.device.lock().unwrap_or_else(|e| e.into_inner());
        if device.1 == CASES_A_SANITIZED_DEVICE {
            *device = (Gpu::open(&self.options)?, 0);
        }
        device.1 += 1;
        Ok(device.0.clone())
    }
}

static PROVER: LazyLock<Prover> = LazyLock::new(|| {
    Prover::open(&GpuOptions::default())
        .unwrap_or_else(|e| panic!("kernels are proved on an adapter, and none opens: {e}"))
});

/// The adapter as the library uses it.
pub static TRUSTED: LazyLock<Gpu> = LazyLock::new(|| PROVER.trusted.clone());

/// The same adapter with indices and loops checked in the shaders.
pub static CHECKED: LazyLock<Gpu> = LazyLock::new(|| PROVER.checked.clone());

/// A quiet NaN and a large finite number: what buffers hold before a run. Results must depend on neither.
const POISONS: [u32; 2] = [0x7fc0_dead, 0x7e5a_5a5a];

/// What a case is checked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It records, compiles and runs.
    Run,
    /// The result is finite and within its budget of the f64 reference.
    Forward,
    /// Gradients agree with central differences of the f64 reference.
    Gradient,
    /// A second run, with other contents in every buffer before it and a buffer for every value, gives the same bits.
    Repeat,
    /// Nothing is written behind the end of a buffer.
    Sentinels,
    /// Bounds checks in the shader change nothing.
    Checked,
    /// A grid that had to be folded changes nothing.
    Folded,
    /// Kernels whose invocations do the work of several, and divide by constants, give the same bits.
    Coarse,
    /// The kernels meant for the other class of adapter are within the budget too.
    OtherClass,
    /// Every variant of its kernels is within the budget.
    Variants,
    /// Compiled with every pass it gives the same bits; where a multiplication and an addition may have met in one kernel, which
    /// compilers fuse as they please, results within the budget.
    Passes,
    /// With operands that are read as pieces of larger tensors by kernels that are coarse where they can be, and results that are
    /// written into such or over operands, it gives
    /// the same bits, and what is beside a result stays as it was.
    Pieces,
    /// The sanitizer has nothing to say, and changes nothing.
    Sanitized,
}

/// A case that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The case.
    pub case: String,
    /// At what.
    pub stage: Stage,
    /// How.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fails {:?}: {}", self.case, self.stage, self.message)
    }
}

/// What a case came to that passed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The worst error of an element as a part of what its operator is allowed.
    pub forward: f64,
    /// The same of the gradient contracted with a direction, where there is one.
    pub gradient: Option<f64>,
}

/// What became of a case.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its place in the table.
    pub index: usize,
    /// What was measured, or what was wrong.
    pub result: Result<Measured, Failure>,
    /// How long it took, compiling included.
    pub ms: f64,
}

/// Checks every case at every stage, on the adapter of the tests.
///
/// # Panics
/// With all failures, if there are any, or if there are no cases.
pub fn prove(cases: &[Case]) {
    assert!(!cases.is_empty(), "a family has cases");
    let (cases, skipped): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| PROVER.lacks(case).is_none());
    if let Some(case) = skipped.first() {
        let lacks = PROVER.lacks(case).unwrap_or_default();
        say(&format!("{} cases skipped: the adapter lacks {lacks}", skipped.len()));
    }
    let outcomes = PROVER.check_all(&cases, |_| ());
    let failures: Vec<String> = outcomes.into_iter().filter_map(|o| Some(o.result.err()?.to_string())).collect();
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// Past the capture of test output: a person should see what was not done.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Checks a case at every stage, on the adapter of the tests.
pub fn check(case: &Case) -> Result<Measured, Failure> {
    PROVER.check(case)
}

impl Prover {
    /// Opens the adapter that `options` choose.
    pub fn open(options: &GpuOptions) -> knuckle::Result<Prover> {
        // What a user measured is not to decide what is tested.
        let open = |checks| Gpu::open(&GpuOptions { checks, tuning: Tuning::Off, ..options.clone() });
        let (trusted, other) = (open(Checks::Trusted)?, open(Checks::Trusted)?);
        Ok(Prover { trusted, other, checked: open(Checks::Checked)?, sanitized: None })
    }

    /// Opens the adapter once more, to run every case under the sanitizer too.
    pub fn sanitizing(self, options: &GpuOptions) -> knuckle::Result<Prover> {
        Ok(Prover { sanitized: Some(Sanitizing::new(options)?), ..self })
    }

    /// The adapter as the library uses it.
    pub fn gpu(&self) -> &Gpu {
        &self.trusted
    }

    /// What the adapter lacks to run a case at all.
    pub fn lacks(&self, case: &Case) -> Option<&'static str> {
        (case.dtype == DType::F16 && !self.trusted.target().f16).then_some("f16 in shaders")
    }

    /// Checks every case; `report` hears of each as it is done. The outcomes are in the order of the cases.
    pub fn check_all(&self, cases: &[&Case], report: impl Fn(&Outcome) + Sync) -> Vec<Outcome> {
        let next = AtomicUsize::new(0);
        let worker = || {
            let mine = std::iter::from_fn(|| {
                let index = next.fetch_add(1, Ordering::Relaxed);
                cases.get(index).map(|case| (index, *case))
            });
            let outcome = |(index, case)| {
                let start = Instant::now();
                let result = self.check(case);
                let outcome = Outcome { index, result, ms: start.elapsed().as_secs_f64() * 1e3 };
                report(&outcome);
                outcome
            };
            mine.map(outcome).collect::<Vec<_>>()
        };
        // What takes long is the driver compiling shaders, on a thread for each device.
        let mut outcomes: Vec<Outcome> = thread::scope(|scope| {
            let workers = [(); 3].map(|()| scope.spawn(worker));
            workers.into_iter().flat_map(|w| w.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        outcomes.sort_by_key(|outcome| outcome.index);
        outcomes
    }

    /// Checks a case at every stage.
    pub fn check(&self, case: &Case) -> Result<Measured, Failure> {
        let fail = |stage| move |message| Failure { case: case.name(), stage, message };
        let Some(budget) = budget::of(case.op, case.dtype) else {
            return Err(fail(Stage::Run)(format!("{} has no row for {} in the budget table", case.op, case.dtype)));
        };
        let trial = Trial::new(case);
        let run = |gpu: &Gpu, target: &Target, poison| {
            trial.run(gpu, target, poison).map_err(|e| fail(Stage::Run)(e.to_string()))
        };
        let own = self.trusted.target();
        let strict = budget;
        let budget = trial.budget(own, strict);
        let first = run(&self.trusted, own, POISONS[0])?;
        let forward = trial.forward(&first, budget).map_err(fail(Stage::Forward))?;
        let gradient = trial.gradient(&first, budget).map_err(fail(Stage::Gradient))?;
        let apart = trial.run_apart(&self.trusted, POISONS[1]);
        let (second, overrun) = apart.map_err(|e| fail(Stage::Run)(e.to_string()))?;
        overrun.map_or(Ok(()), |where_| Err(fail(Stage::Sentinels)(where_)))?;
        same_bits(&first, &second).map_err(fail(Stage::Repeat))?;
        let checked = run(&self.checked, own, POISONS[0])?;
        // A GPU's compiler may fuse other multiplications with additions when checks stand between them.
        let contracted = own.class == AdapterClass::Hardware && within_ulps(&first, &checked, 2);
        if !contracted {
            same_bits(&first, &checked).map_err(fail(Stage::Checked))?;
        }
        let smallest = trial.smallest_grid(own);
        let folded = run(&self.trusted, &smallest, POISONS[0])?;
        same_bits(&first, &folded).map_err(fail(Stage::Folded))?;
        let coarse = Target { coarse_from: Some(0), ..own.clone() };
        // Folded here, not folded in pieces.
        let coarsened = run(&self.trusted, &Target { coarse_from: Some(0), ..smallest }, POISONS[1])?;
        // Here too a GPU's compiler may fuse other ones.
        if !(own.class == AdapterClass::Hardware && within_ulps(&first, &coarsened, 2)) {
            same_bits(&first, &coarsened).map_err(fail(Stage::Coarse))?;
        }
        let other = run(&self.other, &other_class(own), POISONS[0])?;
        let allowed = trial.budget(&other_class(own), strict);
        let passes = trial.forward(&other, allowed).and_then(|_| trial.gradient(&other, allowed));
        passes.map_err(fail(Stage::OtherClass))?;
        // The gradients that differences were held against serve as the truth of all variants, element by element.
        let other_class = other_class(own);
        let classes = [(&self.trusted, own), (&self.other, &other_class)];
        let mut tried = BTreeSet::new();
        for (gpu, target) in classes.into_iter().take(if case.every_variant { 2 } else { 1 }) {
            let targets = trial.variants(target, &mut tried).map_err(|e| fail(Stage::Run)(e.to_string()))?;
            for target in targets {
                let got = run(gpu, &target, POISONS[1])?;
                let named = |e| format!("as {}: {e}", chosen(&target));
                let allowed = trial.budget(&target, strict);
                let like = allowed.gradient.max(budget.gradient);
                let like = || gradients_like(&got, &first, Budget { gradient: like, ..allowed });
                let passes = trial.forward(&got, allowed).and_then(|_| like());
                passes.map_err(named).map_err(fail(Stage::Variants))?;
            }
        }
        if let Some(program) = trial.rewritten(own).map_err(|e| fail(Stage::Passes)(e.to_string()))? {
            let contracts = own.class == AdapterClass::Hardware || joins(&program);
            let executable = self.trusted.load(program, &States::new(&self.trusted));
            let rewritten = executable.and_then(|executable| trial.run_executable(executable, POISONS[1]));
            let (rewritten, _) = rewritten.map_err(|e| fail(Stage::Passes)(e.to_string()))?;
            let within = || trial.forward(&rewritten, budget).and_then(|_| trial.gradient(&rewritten, budget));
            if contracts {
                within().map_err(fail(Stage::Passes))?;
            } else {
                same_bits(&first, &rewritten).map_err(fail(Stage::Passes))?;
            }
        }
        for (gpu, target, plain) in [(&self.trusted, &coarse, &first), (&self.other, &other_class, &other)] {
            let pieces = trial.run_in_pieces(gpu, target).map_err(fail(Stage::Pieces))?;
            let within = || {
                let allowed = trial.budget(target, strict);
                trial.forward(&pieces, allowed).and_then(|_| trial.gradient(&pieces, allowed)).map(|_| ())
            };
            let same = same_bits(plain, &pieces);
            // A GPU's compiler may fuse other multiplications with additions when an index is made in another way.
            let same = if own.class == AdapterClass::Hardware { same.or_else(|_| within()) } else { same };
            same.map_err(fail(Stage::Pieces))?;
        }
        if let Some(sanitizing) = &self.sanitized {
            let gpu = sanitizing.gpu().map_err(|e| fail(Stage::Sanitized)(e.to_string()))?;
            // The class's kernels without images, as the checked ones are compared with.
            let plain = run(&self.checked, gpu.target(), POISONS[0])?;
            let (results, faults) = trial.run_sanitized(&gpu).map_err(|e| fail(Stage::Sanitized)(e.to_string()))?;
            if let Some(first) = faults.first() {
                return Err(fail(Stage::Sanitized)(format!("{first} ({} in all)", faults.len())));
            }
            same_bits(&plain, &results).map_err(fail(Stage::Sanitized))?;
        }
        Ok(Measured { forward, gradient })
    }
}

/// Whether a pass has put functions of elements into one kernel.
fn joins(program: &Program) -> bool {
    program.savings.iter().any(|saving| saving.pass == Pass::Chain && saving.sites > 0)
}

/// The variants that a target prefers.
fn chosen(target: &Target) -> String {
    let choices = target.choices.iter().flat_map(|c| c.iter());
    let named = choices.filter_map(|(class, known)| Some(format!("{class}: {}", known.best()?.0)));
    named.collect::<Vec<_>>().join(", ")
}

/// Holds gradients against others that were found right.
fn gradients_like(got: &[Vec<f32>], right: &[Vec<f32>], budget: Budget) -> Result<(), String> {
    for (i, (got, right)) in got.iter().zip(right).enumerate().skip(1) {
        let right: Vec<f64> = right.iter().map(|&v| f64::from(v)).collect();
        let tolerance = Tolerance::of_largest(budget.gradient * EPSILON);
        close(got, &right, tolerance).map_err(|e| format!("gradient of operand {}: {e}", i - 1))?;
    }
    Ok(())
}

/// The targets that make a case's nodes choose each of their variants, without a device.
pub fn variants(case: &Case, target: &Target) -> Result<Vec<Target>, Error> {
    Trial::new(case).variants(target, &mut BTreeSet::new())
}

/// Whether all elements are within `most` steps of f32 of each other.
fn within_ulps(first: &[Vec<f32>], second: &[Vec<f32>], most: u32) -> bool {
    let line = |v: f32| {
        let bits = v.to_bits();
        if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
    };
    let near = |(a, b): (&f32, &f32)| line(*a).abs_diff(line(*b)) <= most;
    first.len() == second.len()
        && first.iter().zip(second).all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(near))
}

/// Checks result and gradients alone, on a device of the caller's choice.
pub fn check_on(case: &Case, gpu: &Gpu, target: &Target) -> Result<(), Failure> {
    let fail = |stage| move |message| Failure { case: case.name(), stage, message };
    let missing = || fail(Stage::Run)(format!("{} has no row for {} in the budget table", case.op, case.dtype));
    let budget = budget::of(case.op, case.dtype).ok_or_else(missing)?;
    let trial = Trial::new(case);
    let got = trial.run(gpu, target, POISONS[0]).map_err(|e| fail(Stage::Run)(e.to_string()))?;
    let budget = trial.budget(target, budget);
    trial.forward(&got, budget).map_err(fail(Stage::Forward))?;
    trial.gradient(&got, budget).map_err(fail(Stage::Gradient)).map(|_| ())
}

/// The adapter's own limits with the other class: what works on every adapter must work on this one.
fn other_class(own: &Target) -> Target {
    let class = match own.class {
        AdapterClass::Software => AdapterClass::Hardware,
        AdapterClass::Hardware => AdapterClass::Software,
    };
    Target { class, images: 0, ..own.clone() }
}

/// Lowers a case with its gradient, without a device.
pub fn lower(case: &Case, target: &Target) -> Result<Program, Error> {
    Trial::new(case).lower(target)
}

/// The same in pieces of larger tensors, as [`Stage::Pieces`] runs it.
pub fn lower_in_pieces(case: &Case, target: &Target) -> Result<Program, Error> {
    Trial::new(case).lower_in_pieces(target)
}

/// A case with values for its operands and for the weights of the loss.
struct Trial<'c> {
    case: &'c Case,
    operands: Vec<Vec<f32>>,
    weights: Vec<f32>,
    expected: Tensor,
}

impl<'c> Trial<'c> {
    fn new(case: &'c Case) -> Self {
        // Each case its own numbers, whatever its place in the table.
        let seed = case.name().bytes().fold(17u64, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
        let mut operands: Vec<_> = case.operands.iter().enumerate().map(|(i, o)| o.values(seed, i as u64)).collect();
        if case.dtype == DType::F16 {
            let rounded = |v: &mut f32| *v = f16::from_f32(*v).to_f32();
            operands.iter_mut().flatten().for_each(rounded);
        }
        let mut trial = Trial { case, operands, weights: Vec::new(), expected: Tensor { dims: vec![], data: vec![] } };
        trial.expected = (case.reference)(&trial.tensors(|_, _| 0.0));
        let mut rng = Rng::new(seed, u64::MAX);
        trial.weights = trial.expected.data.iter().map(|_| rng.range(-1.0, 1.0)).collect();
        trial
    }

    /// The operands in f64, element `j` of operand `i` moved by `by(i, j)`.
    fn tensors(&self, by: impl Fn(usize, usize) -> f64) -> Vec<Tensor> {
        let moved = |(i, values): (usize, &Vec<f32>)| {
            let data = values.iter().enumerate().map(|(j, &v)| f64::from(v) + by(i, j)).collect();
            Tensor { dims: self.case.operands[i].dims.clone(), data }
        };
        self.operands.iter().enumerate().map(moved).collect()
    }

    /// The result, and the gradient of Σ weights · result with respect to every operand, each operator by its own kernels
    /// but for additions that others make.
    fn lower(&self, target: &Target) -> Result<Program, Error> {
        self.lower_with(target, Passes::none().with(Pass::Residual))
    }

    /// The same with every pass, if they find anything to do.
    fn rewritten(&self, target: &Target) -> Result<Option<Program>, Error> {
        let program = self.lower_with(target, Passes::all())?;
        let found = |saving: &Saving| saving.pass != Pass::Residual && saving.sites > 0;
        Ok(program.savings.iter().any(found).then_some(program))
    }

    fn lower_with(&self, target: &Target, passes: Passes) -> Result<Program, Error> {
        let r = Recorder::with_mode(self.case.mode);
        let operands = self.record_operands(&r, |i, dims| Ok(r.input(&name(i), dims)))?;
        let outputs = self.record_outputs(&r, &operands)?;
        compiled(&r, &outputs, target, passes)
    }

    /// The same with operands that are pieces of larger inputs, and results and gradients that are pieces of larger tensors:
    /// copied, but for what [`Pass::Pieces`] spares.
    fn lower_in_pieces(&self, target: &Target) -> Result<Program, Error> {
        let r = Recorder::with_mode(self.case.mode);
        let operands = self.record_operands(&r, |i, dims| {
            if dims.contains(&0) {
                return Ok(r.input(&name(i), dims));
            }
            let (wide, piece) = surroundings(dims);
            let wide = r.input(&name(i), wide);
            let last = wide.shape().rank() - 1;
            wide.slice(last, piece.first, piece.row)?.reshape(dims)
        })?;
        // What is beside a result is there before it.
        let beside = |y: Var<'_>| -> Result<[_; 2], Error> {
            let (wide, piece) = surroundings(y.shape().dims());
            let shape = [&wide[..wide.len() - 1], &[piece.first]].concat();
            let ones = || r.constant(shape.as_slice(), &vec![1.0; shape.iter().product()])?.relu();
            Ok([ones()?, ones()?])
        };
        // Once for itself, and once for its gradients, so that only the larger tensor uses it.
        let first = self.record_outputs(&r, &operands)?;
        let edges = first.iter().map(|y| beside(*y)).collect::<Result<Vec<_>, _>>()?;
        let own = [self.record_result(&r, &operands)?];
        let mut outputs = Vec::new();
        for (y, [before, after]) in own.iter().chain(&first[1..]).zip(edges) {
            if lies_alone(&y.ty()) {
                outputs.push(*y);
                continue;
            }
            let axis = before.shape().rank() - 1;
            let flat = [&before.shape().dims()[..axis], &[surroundings(y.shape().dims()).1.row]].concat();
            outputs.push(r.concat(&[before, y.reshape(flat)?, after], axis)?);
        }
        compiled(&r, &outputs, target, Passes::none().with(Pass::Residual).with(Pass::Pieces).with(Pass::Over))
    }

    /// What [`Trial::lower`] gives, computed in pieces of larger tensors; or how what is beside them was changed.
    fn run_in_pieces(&self, gpu: &Gpu, target: &Target) -> Result<Vec<Vec<f32>>, String> {
        let told = |e: Error| e.to_string();
        let mut executable = gpu.load(self.lower_in_pieces(target).map_err(told)?, &States::new(gpu)).map_err(told)?;
        executable.poison(POISONS[0]).map_err(told)?;
        for (i, values) in self.operands.iter().enumerate() {
            let dims = &self.case.operands[i].dims;
            let (wide, piece) =
                if values.is_empty() { (dims.clone(), Piece::new(1, 0, 0, 0)) } else { surroundings(dims) };
            let mut all = vec![f32::NAN; wide.iter().product()];
            values.iter().enumerate().for_each(|(e, &value)| all[piece.place(e)] = value);
            if executable.program().inputs.iter().any(|port| port.name == name(i)) {
                executable.upload([(name(i).as_str(), &all[..])]).map_err(told)?;
            }
        }
        let results = executable.run(std::iter::empty::<(&str, &[f32])>()).map_err(told)?;
        let mut pieces = Vec::new();
        let gradients = self.case.operands.iter().map(|operand| operand.dims.clone());
        for (i, dims) in [self.expected.dims.clone()].into_iter().chain(gradients).enumerate().take(results.len()) {
            let mut all = numbers(&results, i);
            if lies_alone(results.ty(i)) {
                pieces.push(all);
                continue;
            }
            let (_, piece) = surroundings(&dims);
            let one_by_one = (0..piece.numel()).map(|e| std::mem::replace(&mut all[piece.place(e)], 1.0));
            pieces.push(one_by_one.collect());
            if let Some(at) = all.iter().position(|&v| v != 1.0) {
                return Err(format!("beside result {i} element {at} became {}", all[at]));
            }
        }
        Ok(pieces)
    }

    /// The operands: parameters, and others as `input` says of their number and extents.
    fn record_operands<'r>(
        &self,
        r: &'r Recorder,
        input: impl Fn(usize, &[usize]) -> Result<Var<'r>, Error>,
    ) -> Result<Vec<Var<'r>>, Error> {
        let operands = self.case.operands.iter().zip(&self.operands).enumerate();
        let operands = operands.map(|(i, (operand, values))| match &operand.parameter {
            None => input(i, operand.dims.as_slice()),
            Some(parameter) => {
                let data = TensorData::f32(operand.dims.as_slice(), values).expect("as many values as its shape says");
                Ok(r.param_with(parameter, operand.dims.as_slice(), Init::Data(data)))
            }
        });
        operands.collect()
    }

    fn record_result<'r>(&self, r: &'r Recorder, operands: &[Var<'r>]) -> Result<Var<'r>, Error> {
        // The operator's operands and result are of the case's type, the outer ones f32.
        let half = self.case.dtype == DType::F16;
        match half {
            true => {
                let halves = operands.iter().map(|x| x.cast(DType::F16)).collect::<Result<Vec<_>, _>>()?;
                (self.case.build)(r, &halves)?.cast(DType::F32)
            }
            false => (self.case.build)(r, operands),
        }
    }

    /// The result, and the gradients with respect to operands.
    fn record_outputs<'r>(&self, r: &'r Recorder, operands: &[Var<'r>]) -> Result<Vec<Var<'r>>, Error> {
        let y = self.record_result(r, operands)?;
        if y.shape().dims() != self.expected.dims {
            return Err(Error::invalid("shape of the result", format!("{:?}", self.expected.dims), y.shape()));
        }
        let mut outputs = vec![y];
        if self.case.differentiable {
            let weights = r.constant(y.shape(), &self.weights)?;
            let gradients = y.mul(weights)?.sum_all()?.backward_to(operands)?;
            for (i, operand) in operands.iter().enumerate() {
                let missing = || Error::invalid("gradient", "one for every operand", format!("none for {}", name(i)));
                outputs.push(gradients.of(*operand).ok_or_else(missing)?);
            }
        }
        Ok(outputs)
    }

    /// Runs what [`Trial::lower`] gives, every buffer filled with `poison` before.
    fn run(&self, gpu: &Gpu, target: &Target, poison: u32) -> Result<Vec<Vec<f32>>, Error> {
        self.run_executable(gpu.load(self.lower(target)?, &States::new(gpu))?, poison).map(|(results, _)| results)
    }

    /// The same with a buffer for every value and sentinels behind each: also says which was overwritten.
    fn run_apart(&self, gpu: &Gpu, poison: u32) -> Result<(Vec<Vec<f32>>, Option<String>), Error> {
        let mut program = self.lower(gpu.target())?;
        program.plan = Plan::without_reuse(&program.temps);
        let (results, executable) =
            self.run_executable(gpu.load_with_sentinels(program, &States::new(gpu))?, poison)?;
        Ok((results, executable.overrun(poison)?))
    }

    /// What [`Trial::lower`] gives under the sanitizer, and what that has to say.
    fn run_sanitized(&self, gpu: &Gpu) -> Result<(Vec<Vec<f32>>, Vec<Fault>), Error> {
        let executable = gpu.load(self.lower(gpu.target())?, &States::new(gpu))?;
        let (results, executable) = self.run_executable(executable, POISONS[1])?;
        Ok((results, executable.faults()?))
    }

    fn run_executable(&self, mut executable: Executable, poison: u32) -> Result<(Vec<Vec<f32>>, Executable), Error> {
        executable.poison(poison)?;
        let inputs: Vec<(String, &Vec<f32>)> =
            self.operands.iter().enumerate().map(|(i, values)| (name(i), values)).collect();
        let used = |name: &str| executable.program().inputs.iter().any(|p| p.name == name);
        let used: Vec<_> = inputs.iter().filter(|(name, _)| used(name)).collect();
        let results = executable.run(used.into_iter().map(|(name, values)| (name.as_str(), *values)))?;
        Ok(((0..results.len()).map(|i| numbers(&results, i)).collect(), executable))
    }

    /// `target` with other choices, until every variant that some node offers has been chosen once, but for those `tried` before.
    fn variants(&self, target: &Target, tried: &mut BTreeSet<(ShapeClass, String)>) -> Result<Vec<Target>, Error> {
        let program = self.lower(target)?;
        let choices = || program.nodes.iter().filter_map(|n| n.choice.as_ref());
        tried.extend(choices().map(|c| (c.class.clone(), c.variant.clone())));
        let mut targets = Vec::new();
        loop {
            let mut next = Choices::default();
            for choice in choices() {
                if next.get(&choice.class).is_some() {
                    continue;
                }
                let untried = choice.offered.iter().find(|name| tried.insert((choice.class.clone(), name.to_string())));
                if let Some(name) = untried {
                    next.prefer(&choice.class, name);
                }
            }
            if next.is_empty() {
                return Ok(targets);
            }
            targets.push(Target { choices: Some(Arc::new(next)), ..target.clone() });
        }
    }

    /// `own` with the fewest workgroups a dimension that the case can be lowered for.
    fn smallest_grid(&self, own: &Target) -> Target {
        let limits = (1..16).map(|bits| Target { max_groups: 1 << bits, ..own.clone() });
        limits.into_iter().find(|target| self.lower(target).is_ok()).unwrap_or_else(|| own.clone())
    }

    /// What the case is allowed on a target.
    fn budget(&self, target: &Target, budget: Budget) -> Budget {
        let chosen = |program: &Program, name: &str| {
            program.nodes.iter().filter_map(|n| n.choice.as_ref()).any(|choice| choice.variant.starts_with(name))
        };
        if self.lower(target).is_ok_and(|program| chosen(&program, "winograd")) { budget.in_tiles() } else { budget }
    }

    /// The worst error as a part of what is allowed.
    fn forward(&self, got: &[Vec<f32>], budget: Budget) -> Result<f64, String> {
        close(&got[0], &self.expected.data, budget.forward)
    }

    /// Compares gradients contracted with directions, some random, some along one element, with central differences. Gives
    /// the worst error as a part of what is allowed, if there are gradients.
    fn gradient(&self, got: &[Vec<f32>], budget: Budget) -> Result<Option<f64>, String> {
        let mut worst = None;
        for (i, gradient) in got[1..].iter().enumerate() {
            finite(gradient).map_err(|e| format!("of operand {i}: {e}"))?;
            if gradient.len() != self.operands[i].len() {
                return Err(format!("of operand {i}: {} elements of {}", gradient.len(), self.operands[i].len()));
            }
            let largest = gradient.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
            for direction in directions(gradient.len(), i as u64) {
                let products = || gradient.iter().zip(&direction).map(|(&g, &d)| f64::from(g) * d);
                let (engine, magnitude) = (products().sum::<f64>(), products().map(f64::abs).sum::<f64>());
                let (difference, noise) = self.central_difference(i, &direction);
                let allowed = EPSILON * budget.gradient * (magnitude + largest) + noise;
                let error = (engine - difference).abs();
                if error.is_nan() || error > allowed {
                    let along = direction.iter().filter(|d| **d != 0.0).count();
                    let place = direction.iter().position(|d| *d != 0.0).unwrap_or(0);
                    return Err(format!(
                        "of operand {i} along {along} elements from {place} on is {engine:e}, central difference \
                         {difference:e}: off by {error:.2e}, allowed {allowed:.2e}"
                    ));
                }
                worst = Some(worst.unwrap_or(0.0f64).max(error / allowed));
            }
        }
        Ok(worst)
    }

    /// The derivative of the reference's loss with operand `i` moved along `direction`, and a bound on its rounding.
    fn central_difference(&self, i: usize, direction: &[f64]) -> (f64, f64) {
        const STEP: f64 = 1e-6;
        let loss = |step: f64| {
            let y = (self.case.reference)(&self.tensors(|k, j| if k == i { step * direction[j] } else { 0.0 }));
            let terms = || y.data.iter().zip(&self.weights).map(|(y, &w)| y * f64::from(w));
            (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>())
        };
        let ((above, magnitude), (below, _)) = (loss(STEP), loss(-STEP));
        // f64 roundings of the loss over the step, and the third-order term.
        ((above - below) / (2.0 * STEP), 1e-9 * (1.0 + magnitude))
    }
}

/// Two dense random directions, and single elements: the first, the last and some between.
fn directions(n: usize, stream: u64) -> Vec<Vec<f64>> {
    let mut rng = Rng::new(99, stream);
    let mut directions: Vec<Vec<f64>> =
        (0..2).map(|_| (0..n).map(|_| f64::from(rng.range(-1.0, 1.0))).collect()).collect();
    let mut places = vec![0, n - 1];
    places.extend((0..4).map(|_| rng.below(n)));
    for place in places {
        let mut direction = vec![0.0; n];
        direction[place] = 1.0;
        directions.push(direction);
    }
    directions
}

fn compiled(r: &Recorder, outputs: &[Var<'_>], target: &Target, passes: Passes) -> Result<Program, Error> {
    let outputs: Vec<_> = outputs.iter().map(|v| (String::new(), v.id())).collect();
    let options = CompileOptions { effects: false, passes, ..CompileOptions::default() };
    r.with_graph(|graph| compile(graph, &outputs, target, options))
}

/// A result's elements; whole numbers as the reference has them.
fn numbers(results: &Outputs, i: usize) -> Vec<f32> {
    match results.ty(i).dtype {
        DType::F32 | DType::F16 => results.f32(i).to_vec(),
        DType::U32 => results.u32(i).iter().map(|&v| v as f32).collect(),
    }
}

/// Whether a result is not made a piece of a larger tensor: there is nothing of it, or it is of another type.
fn lies_alone(ty: &TensorType) -> bool {
    ty.shape.numel() == 0 || ty.dtype != DType::F32
}

/// The extents of a tensor with four channels more on either side, and where in it one of `dims` is; in a row where channels are no
/// multiple of four.
fn surroundings(dims: &[usize]) -> (Vec<usize>, Piece) {
    let numel: usize = dims.iter().product();
    match dims.split_last() {
        Some((&row, outer)) if row > 0 && row.is_multiple_of(4) => {
            let piece = Piece { rows: numel / row, row, stride: row + 8, first: 4 };
            ([outer, &[row + 8]].concat(), piece)
        }
        _ => (vec![numel + 8], Piece { rows: 1, row: numel, stride: numel, first: 4 }),
    }
}

/// The input that operand `i` is.
fn name(i: usize) -> String {
    format!("operand{i}")
}
