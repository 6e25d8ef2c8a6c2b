//! Passes: rewritings of a graph before it is lowered, after which it takes fewer dispatches, less traffic or less memory for
//! the same values. Each is a function from a draft to the number of places it changed, but for the last three: two decide where
//! values are to lie when the graph is as it will be, and one looks at what it was lowered to.

mod chain;
mod common;
mod draft;
mod ending;
mod over;
mod pieces;
pub(super) mod recompute;
pub(super) mod repeats;

use std::collections::HashMap;
use std::fmt;

pub(super) use draft::Draft;
pub(super) use pieces::Pieces;

use super::target::{AdapterClass, Target};
use crate::graph::NodeId;
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
    /// What is concatenated is written where it belongs, and slices are read where they lie.
    Pieces,
    /// A function of elements writes over an operand that nothing needs any more. On GPUs alone: on software a buffer that is
    /// also written is read slowly.
    Over,
    /// A dispatch inside an operator that would make what another has just made is left out: what both gradients of a convolution make
    /// of its result's.
    Repeats,
}

impl Pass {
    /// Every pass, in the order they run.
    pub const ALL: [Pass; 8] = [
        Pass::Common,
        Pass::Normalization,
        Pass::Residual,
        Pass::Activation,
        Pass::Chain,
        Pass::Pieces,
        Pass::Over,
        Pass::Repeats,
    ];

    /// The name in dumps and options.
    pub fn name(self) -> &'static str {
        match self {
            Pass::Common => "common",
            Pass::Normalization => "normalization",
            Pass::Residual => "residual",
            Pass::Activation => "activation",
            Pass::Chain => "chain",
            Pass::Pieces => "pieces",
            Pass::Over => "over",
            Pass::Repeats => "repeats",
        }
    }

    /// The pass of this name.
    pub fn named(name: &str) -> Option<Pass> {
        Pass::ALL.into_iter().find(|pass| pass.name() == name)
    }

    /// Rewrites the draft, if that is what it does.
    fn run(self, draft: &mut Draft, target: &Target) -> Option<usize> {
        Some(match self {
            Pass::Common => common::merge(draft),
            Pass::Normalization => ending::absorb(draft, |ending| matches!(ending, Ending::Normalize { .. })),
            Pass::Residual => ending::absorb(draft, |ending| ending == Ending::Addend),
            Pass::Activation => ending::absorb(draft, |ending| ending == Ending::Relu),
            Pass::Chain => chain::join(draft, target),
            Pass::Pieces | Pass::Over | Pass::Repeats => return None,
        })
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
    /// Bytes of values that lie in others' memory, where they would have their own.
    pub memory: u64,
}

impl Saving {
    /// Nothing yet.
    pub(super) fn none(pass: Pass) -> Saving {
        Saving { pass, sites: 0, dispatches: 0, bytes: 0, memory: 0 }
    }
}

impl fmt::Display for Saving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Saving { pass, sites, dispatches, bytes, memory } = self;
        let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
        write!(f, "pass {:<13} {sites} sites, −{dispatches} dispatches, −{:.2} MiB", pass.name(), mib(*bytes))?;
        if *memory > 0 { write!(f, ", {:.2} MiB of values in others", mib(*memory)) } else { Ok(()) }
    }
}

/// Runs passes on a draft and tells what each came to.
pub(super) fn run(draft: &mut Draft, passes: Passes, target: &Target) -> Vec<Saving> {
    let mut savings = Vec::new();
    for pass in Pass::ALL.into_iter().filter(|&pass| passes.has(pass)) {
        let (nodes, bytes) = draft.size();
        let Some(sites) = pass.run(draft, target) else { continue };
        draft.prune();
        let (left, moved) = draft.size();
        // What a pass removes takes one dispatch each.
        let (dispatches, bytes) = (nodes - left, bytes.saturating_sub(moved));
        savings.push(Saving { sites, dispatches, bytes, ..Saving::none(pass) });
    }
    savings
}

/// Where values lie that have no memory of their own.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) pieces: Pieces,
    /// Over which of its operands a node writes.
    pub(super) over: HashMap<NodeId, usize>,
}

impl Places {
    /// What the passes decide on a draft that is not rewritten any more.
    pub(super) fn of(draft: &Draft, passes: Passes, target: &Target) -> Places {
        let pieces = if passes.has(Pass::Pieces) { pieces::find(draft) } else { Pieces::default() };
        let over = match passes.has(Pass::Over) && target.class == AdapterClass::Hardware {
            true => over::find(draft, &pieces),
            false => HashMap::new(),
        };
        Places { pieces, over }
    }
}

#[cfg(test)]
mod tests;
