//! Passes: rewritings of a graph before it is lowered, after which it takes fewer dispatches, less traffic or less memory for
//! the same values. Each is a function from a draft to the number of places it changed.

mod chain;
mod common;
mod draft;
mod ending;
pub(super) mod recompute;

use std::fmt;

pub(super) use draft::Draft;

use super::target::Target;
use crate::ops::Ending;

/// A rewriting of the graph before it is lowered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// What is computed twice from the same operands is computed once.
    Common,
    /// A batch normalisation by known statistics, with its ReLU, is made by the convolution whose result it alone uses.
    Normalization,
    /// An addition is made by the operator whose result it alone uses: residual joins, and where gradients meet.
    Residual,
    /// So is a ReLU.
    Activation,
    /// Functions of elements that follow each other become one dispatch.
    Chain,
}

impl Pass {
    /// Every pass, in the order they run.
    pub const ALL: [Pass; 5] = [Pass::Common, Pass::Normalization, Pass::Residual, Pass::Activation, Pass::Chain];

    /// The name in dumps and options.
    pub fn name(self) -> &'static str {
        match self {
            Pass::Common => "common",
            Pass::Normalization => "normalization",
            Pass::Residual => "residual",
            Pass::Activation => "activation",
            Pass::Chain => "chain",
        }
    }

    /// The pass of this name.
    pub fn named(name: &str) -> Option<Pass> {
        Pass::ALL.into_iter().find(|pass| pass.name() == name)
    }

    fn run(self, draft: &mut Draft, target: &Target) -> usize {
        match self {
            Pass::Common => common::merge(draft),
            Pass::Normalization => ending::absorb(draft, |ending| matches!(ending, Ending::Normalize { .. })),
            Pass::Residual => ending::absorb(draft, |ending| ending == Ending::Addend),
            Pass::Activation => ending::absorb(draft, |ending| ending == Ending::Relu),
            Pass::Chain => chain::join(draft, target),
        }
    }
}

/// Which passes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passes(u32);

impl Passes {
    /// All of them.
    pub const fn all() -> Passes {
        Passes((1 << Pass::ALL.len()) - 1)
    }

    /// None: the graph as it was recorded.
    pub const fn none() -> Passes {
        Passes(0)
    }

    /// These and one more.
    pub const fn with(self, pass: Pass) -> Passes {
        Passes(self.0 | 1 << pass as u32)
    }

    /// These but one.
    pub const fn without(self, pass: Pass) -> Passes {
        Passes(self.0 & !(1 << pass as u32))
    }

    /// Whether a pass is among them.
    pub const fn has(self, pass: Pass) -> bool {
        self.0 >> pass as u32 & 1 == 1
    }
}

impl Default for Passes {
    fn default() -> Self {
        Passes::all()
    }
}

/// What a pass came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saving {
    /// The pass.
    pub pass: Pass,
    /// How many places it changed.
    pub sites: usize,
    /// Dispatches that are there no more.
    pub dispatches: usize,
    /// Bytes that are read and written no more, by the operators' own count.
    pub bytes: u64,
}

impl fmt::Display for Saving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Saving { pass, sites, dispatches, bytes } = self;
        let mib = *bytes as f64 / (1 << 20) as f64;
        write!(f, "pass {:<13} {sites} sites, −{dispatches} dispatches, −{mib:.2} MiB", pass.name())
    }
}

/// Runs passes on a draft and tells what each came to.
pub(super) fn run(draft: &mut Draft, passes: Passes, target: &Target) -> Vec<Saving> {
    let mut savings = Vec::new();
    for pass in Pass::ALL.into_iter().filter(|&pass| passes.has(pass)) {
        let (nodes, bytes) = draft.size();
        let sites = pass.run(draft, target);
        draft.prune();
        let (left, moved) = draft.size();
        // What a pass removes takes one dispatch each.
        let (dispatches, bytes) = (nodes - left, bytes.saturating_sub(moved));
        savings.push(Saving { pass, sites, dispatches, bytes });
    }
    savings
}

#[cfg(test)]
mod tests;
