//! Forward kinematics: maps from each joint to its parent, multiplied down a tree.

use std::sync::Arc;

use super::vectors::{batch, starts, words};
use super::{Cost, Operator, VjpCall, operands};
use crate::error::{Error, Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

const FORWARD: Shader = shader!("mesh/kinematics.wgsl", with "common/index.wgsl");
const GRAD: Shader = shader!("mesh/kinematics_grad.wgsl", with "common/index.wgsl");

/// The most joints a tree may have: a joint's gradient looks at every joint below it.
const MAX_JOINTS: usize = 4096;

/// A tree of joints, checked once.
#[derive(Debug, PartialEq, Eq)]
pub struct Skeleton {
    parents: Vec<u32>,
    /// The joints at or below each joint, ascending, one list after the other, and where each begins.
    below: Vec<u32>,
    below_ptr: Vec<u32>,
}

impl Skeleton {
    /// A tree from each joint's parent, which comes before it; a root is its own parent. There may be several roots, and at
    /// most 4096 joints.
    pub fn new(parents: &[usize]) -> Result<Arc<Self>> {
        if !(1..=MAX_JOINTS).contains(&parents.len()) {
            return Err(Error::invalid("skeleton", format!("1 to {MAX_JOINTS} joints"), parents.len()));
        }
        if let Some(joint) = (0..parents.len()).find(|&joint| parents[joint] > joint) {
            let got = format!("{} for joint {joint}", parents[joint]);
            return Err(Error::invalid("skeleton", "a parent before its child, or a root as its own parent", got));
        }
        let mut below = vec![Vec::new(); parents.len()];
        for joint in 0..parents.len() {
            let mut at = joint;
            below[at].push(joint as u32);
            while parents[at] != at {
                at = parents[at];
                below[at].push(joint as u32);
            }
        }
        let parents = parents.iter().map(|&parent| parent as u32).collect();
        Ok(Arc::new(Skeleton { parents, below_ptr: starts(below.iter().map(Vec::len)), below: below.concat() }))
    }

    /// How many joints there are.
    pub fn joints(&self) -> usize {
        self.parents.len()
    }

    /// Each joint's parent; a root is its own.
    pub fn parents(&self) -> &[u32] {
        &self.parents
    }
}

/// N×J×12 maps to the parent, to N×J×12 maps to the root's surroundings.
#[derive(Debug, Clone)]
struct Kinematics(Arc<Skeleton>);

/// The gradient with respect to x from x, y and gy.
#[derive(Debug, Clone)]
struct KinematicsGrad(Arc<Skeleton>);

impl Operator for Kinematics {
    fn name(&self) -> &'static str {
        "forward_kinematics"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        batch("x", x, Some(self.0.joints()), 12)?;
        Ok(x.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, y, gy) = (call.inputs[0], call.output, call.cotangent);
        Ok(vec![call.grad(0, || y.recorder().apply(KinematicsGrad(self.0.clone()), &[x, y, gy]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, lanes) = (lowering.input(0).buffer, lowering.output(), lowering.target().lanes());
        let total = lowering.output_ty().shape.rows();
        let parents = lowering.constant(words(&self.0.parents));
        let dispatch = lowering.dispatch(&FORWARD).define("WG", lanes).bind("parents", parents);
        let dispatch = dispatch.bind("x", x).bind("y", y);
        dispatch.param("total", total).param("joints", self.0.joints()).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        // As many products as there are pairs of a joint and one at or below it.
        let products = inputs[0].shape.dims()[0] * self.0.below.len();
        Cost { flops: 60 * products as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl Operator for KinematicsGrad {
    fn name(&self) -> &'static str {
        "forward_kinematics"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, _, _] = operands(inputs)?;
        Ok(x.clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [x, y, gy] = [0, 1, 2].map(|i| lowering.input(i).buffer);
        let (gx, lanes, total) = (lowering.output(), lowering.target().lanes(), lowering.output_ty().shape.rows());
        let Skeleton { parents, below, below_ptr } = &*self.0;
        let [parents, below, below_ptr] = [parents, below, below_ptr].map(|list| lowering.constant(words(list)));
        let dispatch = lowering.dispatch(&GRAD).define("WG", lanes).bind("parents", parents);
        let dispatch = dispatch.bind("below_ptr", below_ptr).bind("below", below);
        let dispatch = dispatch.bind("x", x).bind("y", y).bind("gy", gy).bind("gx", gx);
        dispatch.param("total", total).param("joints", self.0.joints()).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 80 * (inputs[0].shape.dims()[0] * self.0.below.len()) as u64, bytes }
    }
}

impl<'r> Var<'r> {
    /// Forward kinematics: these affine maps from each joint's axes to its parent's (N×J×12: 3×4 row by row), multiplied down
    /// the tree, are the maps from each joint's axes to its root's surroundings: `G_j = G_parent(j) · L_j`. The last column of
    /// each is the joint's position.
    #[track_caller]
    pub fn forward_kinematics(self, skeleton: &Arc<Skeleton>) -> Result<Var<'r>> {
        self.recorder().apply(Kinematics(skeleton.clone()), &[self])
    }
}
