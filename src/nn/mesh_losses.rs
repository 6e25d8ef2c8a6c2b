//! Losses on meshes and point sets whose truth, if there is one, has another connectivity or order. Each is a mean over points,
//! edges or faces and over the batch.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::Var;
use crate::ops::{TriangleMesh, Unary};

/// The chamfer distance between point sets N×P×3 and N×Q×3: the mean squared distance from each point of `a` to the nearest of
/// `b`, plus that from `b` to `a` (Fan et al. 2017, "A Point Set Generation Network", §4.1, with means for sums).
#[track_caller]
pub fn chamfer<'r>(a: Var<'r>, b: Var<'r>) -> Result<Var<'r>> {
    a.nearest_squared_distances(b)?.mean_all()?.add(b.nearest_squared_distances(a)?.mean_all()?)
}

/// The mean squared difference of each edge's length and `target`, of vertices N×V×3: with a target of 0 it keeps a mesh from
/// stretching, with the mean length it keeps edges even.
#[track_caller]
pub fn edge_length<'r>(xyz: Var<'r>, mesh: &TriangleMesh, target: f32) -> Result<Var<'r>> {
    xyz.edge_lengths(mesh)?.offset(-target)?.square()?.mean_all()
}

/// The mean of 1 − cos of the angle between the normals of faces that share an edge, of vertices N×V×3: 0 for a flat mesh. The
/// mesh must have such faces, and all turn the same way around. A face without area counts as at right angles to its neighbours.
#[track_caller]
pub fn normal_consistency<'r>(xyz: Var<'r>, mesh: &Arc<TriangleMesh>) -> Result<Var<'r>> {
    let normals = xyz.face_normals(mesh)?.unit_vectors()?;
    let [first, second] = [0, 1].map(|side| mesh.face_neighbours().iter().map(|pair| pair[side]).collect::<Vec<u32>>());
    let cosines = normals.gather_rows(&first)?.mul(normals.gather_rows(&second)?)?.sum(&[2])?;
    cosines.mean_all()?.unary(Unary::Affine { scale: -1.0, offset: 1.0 })
}
