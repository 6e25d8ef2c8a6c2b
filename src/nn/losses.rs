//! Losses of the hand systems. Each is a sum over an image's elements, averaged over the batch.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::Var;
use crate::ops::SpmmMatrix;

/// `Σ ‖a − b‖²` over all but the batch axis, mean over the batch.
#[track_caller]
pub fn squared_error<'r>(a: Var<'r>, b: Var<'r>) -> Result<Var<'r>> {
    sum_over_image(a.sub(b)?.square()?)
}

/// Sum over everything, divided by the batch size.
#[track_caller]
fn sum_over_image(x: Var<'_>) -> Result<Var<'_>> {
    let batch = x.shape().dims().first().copied().unwrap_or(1);
    x.sum_all()?.scale(1.0 / batch as f32)
}

/// The constant matrices of a mesh that its losses multiply with.
#[derive(Debug, Clone)]
pub struct MeshOperators {
    /// E×V: the second end of each edge minus the first.
    pub edges: Arc<SpmmMatrix>,
    /// V×V: each vertex minus the mean of its neighbours.
    pub laplacian: Arc<SpmmMatrix>,
}

/// The true mesh, as the losses need it.
#[derive(Debug, Clone, Copy)]
pub struct MeshTruth<'r> {
    /// N×V×3 positions.
    pub xyz: Var<'r>,
    /// N×V×2 image coordinates.
    pub uv: Var<'r>,
    /// N×E×3 unit normals of the face on one side of each edge,
    pub normals_left: Var<'r>,
    /// and on the other.
    pub normals_right: Var<'r>,
}

/// The terms of the mesh loss of Ge et al. 2019, §4.3.
#[derive(Debug, Clone, Copy)]
pub struct MeshLoss<'r> {
    /// Eq. 2: squared distances of vertices in space and in the image.
    pub vertex: Var<'r>,
    /// Eq. 3: squared products of each face's edges with the face's true normal.
    pub normal: Var<'r>,
    /// Eq. 4: squared differences of squared edge lengths.
    pub edge: Var<'r>,
    /// Eq. 5: squared differences of each vertex's offset and the mean of its neighbours'.
    pub laplacian: Var<'r>,
}

impl<'r> MeshLoss<'r> {
    /// The terms for predicted `xyz` (N×V×3) and `uv` (N×V×2). In a closed mesh every edge belongs to two faces, so eq. 3
    /// is summed over edges with both faces' normals.
    #[track_caller]
    pub fn new(xyz: Var<'r>, uv: Var<'r>, truth: &MeshTruth<'r>, mesh: &MeshOperators) -> Result<Self> {
        let vertex = squared_error(xyz, truth.xyz)?.add(squared_error(uv, truth.uv)?)?;
        let edges = xyz.spmm(&mesh.edges)?;
        let along = |normals: Var<'r>| -> Result<Var<'r>> { sum_over_image(edges.mul(normals)?.sum(&[2])?.square()?) };
        let normal = along(truth.normals_left)?.add(along(truth.normals_right)?)?;
        let true_edges = truth.xyz.spmm(&mesh.edges)?;
        let edge = squared_error(edges.square()?.sum(&[2])?, true_edges.square()?.sum(&[2])?)?;
        let offsets = xyz.sub(truth.xyz)?;
        let laplacian = sum_over_image(offsets.spmm(&mesh.laplacian)?.square()?)?;
        Ok(MeshLoss { vertex, normal, edge, laplacian })
    }

    /// `vertex + normal + edge + 50·laplacian`, the paper's weights.
    #[track_caller]
    pub fn total(&self) -> Result<Var<'r>> {
        self.vertex.add(self.normal)?.add(self.edge)?.add(self.laplacian.scale(50.0)?)
    }
}
