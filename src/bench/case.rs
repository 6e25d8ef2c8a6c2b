//! A case: a kernel on one shape, or a whole program, and how it is built so that each pass can be timed by itself.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::exec::{BufferRef, NodeInfo, Program};
use crate::gpu::{Executable, Gpu};
use crate::graph::{Init, TensorData};
use crate::{DType, Recorder, Shape, Var};

/// Which dispatches of a case are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Pass {
    /// Its values.
    #[serde(rename = "fwd")]
    Forward,
    /// The gradients with respect to all its operands, given what they need of the values.
    #[serde(rename = "bwd")]
    Backward,
    /// Both.
    #[serde(rename = "f+b")]
    Both,
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Pass::Forward => "fwd",
            Pass::Backward => "bwd",
            Pass::Both => "f+b",
        })
    }
}

/// What a case records into: operands are made here, the operators in the case itself.
pub struct Operands<'r> {
    /// The recorder.
    pub r: &'r Recorder,
    dtype: DType,
    /// Those whose gradients are timed.
    wanted: Vec<Var<'r>>,
}

impl<'r> Operands<'r> {
    /// An operand of noise that gradients go to, stored as the case is.
    pub fn value(&mut self, name: &str, shape: impl Into<Shape>) -> Result<Var<'r>> {
        let value = self.fixed(name, shape)?;
        self.wanted.push(value);
        Ok(value)
    }

    /// An operand of noise that no gradient is wanted of, stored as the case is.
    pub fn fixed(&mut self, name: &str, shape: impl Into<Shape>) -> Result<Var<'r>> {
        let value = self.r.param_with(name, shape, Init::Normal(1.0));
        if self.dtype == DType::F16 { value.cast(DType::F16) } else { Ok(value) }
    }

    /// An f32 operand with these values that gradients go to.
    pub fn given(&mut self, name: &str, shape: impl Into<Shape>, values: &[f32]) -> Result<Var<'r>> {
        let shape = shape.into();
        let fail = || Error::invalid(format!("`{name}`"), format!("{} values", shape.numel()), values.len());
        let data = TensorData::f32(shape.clone(), values).ok_or_else(fail)?;
        let value = self.r.param_with(name, shape, Init::Data(data));
        self.wanted.push(value);
        Ok(value)
    }
}

type Record = dyn for<'r> Fn(&mut Operands<'r>) -> Result<Var<'r>> + Send + Sync;
type Build = dyn Fn(&Gpu) -> Result<Executable> + Send + Sync;

enum Work {
    /// Operators by themselves.
    Operators { record: Box<Record>, passes: &'static [Pass] },
    /// Changes of named state alone, of what is recorded.
    Updates { record: Box<Record> },
    /// A whole program with its inputs uploaded.
    Program { build: Box<Build>, pass: Pass },
}

/// A kernel on one shape, or a whole program.
pub struct Case {
    /// The kernel or family of kernels.
    pub kernel: Cow<'static, str>,
    /// The shape.
    pub name: Cow<'static, str>,
    /// How operands are stored.
    pub dtype: DType,
    work: Work,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.kernel, self.name, self.dtype)
    }
}

/// A program of a case, and which dispatches each pass is.
pub(super) struct Built {
    pub(super) program: Executable,
    pub(super) passes: Vec<(Pass, Vec<bool>)>,
}

impl Case {
    /// Operators on values, f32: timed forward, and if there are gradients backward and together.
    pub fn new<F>(kernel: &'static str, name: impl Into<Cow<'static, str>>, record: F) -> Self
    where
        F: for<'r> Fn(&mut Operands<'r>) -> Result<Var<'r>> + Send + Sync + 'static,
    {
        let passes = &[Pass::Forward, Pass::Backward, Pass::Both];
        let work = Work::Operators { record: Box::new(record), passes };
        Case { kernel: kernel.into(), name: name.into(), dtype: DType::F32, work }
    }

    /// Operators whose gradients take no dispatch, as a sum's, which are the result's own: nothing to time backward alone.
    pub fn free_backward<F>(kernel: &'static str, name: impl Into<Cow<'static, str>>, record: F) -> Self
    where
        F: for<'r> Fn(&mut Operands<'r>) -> Result<Var<'r>> + Send + Sync + 'static,
    {
        let work = Work::Operators { record: Box::new(record), passes: &[Pass::Forward, Pass::Both] };
        Case { kernel: kernel.into(), name: name.into(), dtype: DType::F32, work }
    }

    /// As [`Case::new`], timed forward only.
    pub fn forward<F>(kernel: &'static str, name: impl Into<Cow<'static, str>>, record: F) -> Self
    where
        F: for<'r> Fn(&mut Operands<'r>) -> Result<Var<'r>> + Send + Sync + 'static,
    {
        let work = Work::Operators { record: Box::new(record), passes: &[Pass::Forward] };
        Case { kernel: kernel.into(), name: name.into(), dtype: DType::F32, work }
    }

    /// Changes of named state alone, as an optimiser's: whatever else is recorded is not timed.
    pub fn updates<F>(kernel: &'static str, name: impl Into<Cow<'static, str>>, record: F) -> Self
    where
        F: for<'r> Fn(&mut Operands<'r>) -> Result<Var<'r>> + Send + Sync + 'static,
    {
        let work = Work::Updates { record: Box::new(record) };
        Case { kernel: kernel.into(), name: name.into(), dtype: DType::F32, work }
    }

    /// A whole program.
    pub fn program(
        name: impl Into<Cow<'static, str>>,
        pass: Pass,
        build: impl Fn(&Gpu) -> Result<Executable> + Send + Sync + 'static,
    ) -> Self {
        let work = Work::Program { build: Box::new(build), pass };
        Case { kernel: "model".into(), name: name.into(), dtype: DType::F32, work }
    }

    /// With operands stored as f16.
    pub fn half(mut self) -> Self {
        self.dtype = DType::F16;
        self
    }

    /// Its rows.
    pub fn passes(&self) -> Vec<Pass> {
        match &self.work {
            Work::Operators { passes, .. } => passes.to_vec(),
            Work::Updates { .. } => vec![Pass::Forward],
            Work::Program { pass, .. } => vec![*pass],
        }
    }

    /// Kernel and name, which filters look through.
    pub fn title(&self) -> String {
        format!("{} {}", self.kernel, self.name)
    }

    /// Builds what is to be timed.
    pub(super) fn build(&self, gpu: &Gpu) -> Result<Vec<Built>> {
        match &self.work {
            Work::Program { build, pass } => {
                let program = build(gpu)?;
                let timed = vec![true; program.program().steps.len()];
                Ok(vec![Built { program, passes: vec![(*pass, timed)] }])
            }
            Work::Updates { record } => {
                let program = self.compile(gpu, record, false)?;
                let timed = of_nodes(program.program(), |node| matches!(node.buffer, BufferRef::State(_)));
                Ok(vec![Built { program, passes: vec![(Pass::Forward, timed)] }])
            }
            Work::Operators { record, passes } => {
                let mut built = Vec::new();
                for backward in [false, true] {
                    let of: Vec<Pass> =
                        passes.iter().copied().filter(|pass| backward == (*pass != Pass::Forward)).collect();
                    if of.is_empty() {
                        continue;
                    }
                    let program = self.compile(gpu, record, backward)?;
                    let timed = |&pass: &Pass| {
                        let own = |node: &NodeInfo| is_own(node) && (pass == Pass::Both || node.gradient == backward);
                        (pass, of_nodes(program.program(), own))
                    };
                    let passes = of.iter().map(timed).collect();
                    built.push(Built { program, passes });
                }
                Ok(built)
            }
        }
    }

    fn compile(&self, gpu: &Gpu, record: &Record, backward: bool) -> Result<Executable> {
        let r = Recorder::training();
        let outputs = self.record(&r, record, backward)?;
        gpu.compile(&r, outputs)
    }

    fn record<'r>(&self, r: &'r Recorder, record: &Record, backward: bool) -> Result<Vec<Var<'r>>> {
        let mut operands = Operands { r, dtype: self.dtype, wanted: Vec::new() };
        let y = record(&mut operands)?;
        let mut outputs = vec![y];
        if backward {
            let gradients = y.sum_all()?.backward_to(&operands.wanted)?;
            outputs.extend(operands.wanted.iter().filter_map(|&operand| gradients.of(operand)));
        }
        Ok(outputs)
    }

    /// Records its operators and their gradients, on no device.
    #[cfg(test)]
    pub(super) fn is_recorded(&self) -> Result<()> {
        match &self.work {
            Work::Operators { record, passes } => {
                let backward = passes.iter().any(|pass| *pass != Pass::Forward);
                self.record(&Recorder::training(), record, backward).map(|_| ())
            }
            Work::Updates { record } => self.record(&Recorder::training(), record, false).map(|_| ()),
            Work::Program { .. } => Ok(()),
        }
    }
}

/// Whether the case itself recorded a node, rather than this file, which only makes operands and a loss.
fn is_own(node: &NodeInfo) -> bool {
    node.site.0.file() != file!()
}

/// The dispatches of some nodes.
fn of_nodes(program: &Program, which: impl Fn(&NodeInfo) -> bool) -> Vec<bool> {
    let nodes: HashSet<_> = program.nodes.iter().filter(|node| which(node)).map(|node| node.id).collect();
    program.steps.iter().map(|step| nodes.contains(&step.node)).collect()
}
