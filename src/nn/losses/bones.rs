//! Losses of bones, the vectors from joints to the joints that hang from them (He et al., "3D Hand Pose Estimation in the
//! Wild via Graph Refinement under Adversarial Learning"; the paper sums over bones: [`Reduction::BatchMean`]).

use super::{Reduction, expect_same};
use crate::error::Result;
use crate::graph::Var;

/// A bone shorter than this has no direction.
const SHORTEST: f32 = 1e-6;

/// The vector of each bone (first, second joint), second minus first: joints N×J×D to N×B×D.
#[track_caller]
pub fn bone_vectors<'r>(joints: Var<'r>, bones: &[(usize, usize)]) -> Result<Var<'r>> {
    // A number that u32 cannot hold is no joint either.
    let index = |joint: usize| u32::try_from(joint).unwrap_or(u32::MAX);
    let (first, second): (Vec<u32>, Vec<u32>) = bones.iter().map(|&(a, b)| (index(a), index(b))).unzip();
    joints.gather_rows(&second)?.sub(joints.gather_rows(&first)?)
}

/// `|‖b‖ − ‖b̂‖|` of each bone of predicted and true joints, N×J×D.
#[track_caller]
pub fn bone_length_loss<'r>(
    prediction: Var<'r>,
    target: Var<'r>,
    bones: &[(usize, usize)],
    reduction: Reduction,
) -> Result<Var<'r>> {
    expect_same("bone_length_loss", prediction, ("target", target))?;
    let length = bone_vectors(prediction, bones)?.norm(&[2])?;
    reduction.apply(length.sub(bone_vectors(target, bones)?.norm(&[2])?)?.abs()?)
}

/// `‖b/‖b‖ − b̂/‖b̂‖‖` of each bone of predicted and true joints, N×J×D.
#[track_caller]
pub fn bone_direction_loss<'r>(
    prediction: Var<'r>,
    target: Var<'r>,
    bones: &[(usize, usize)],
    reduction: Reduction,
) -> Result<Var<'r>> {
    expect_same("bone_direction_loss", prediction, ("target", target))?;
    let (a, b) = (bone_vectors(prediction, bones)?, bone_vectors(target, bones)?);
    reduction.apply(direction(a)?.sub(direction(b)?)?.norm(&[2])?)
}

#[track_caller]
fn direction(bones: Var<'_>) -> Result<Var<'_>> {
    bones.div(bones.norm(&[2])?.max(bones.recorder().scalar(SHORTEST))?)
}
