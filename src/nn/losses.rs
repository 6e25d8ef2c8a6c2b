//! Losses. Those of meshes are sums over an image's elements, averaged over the batch; the others say by a [`Reduction`]
//! what becomes of their elements.

mod adversarial;
mod bones;
mod classes;
mod elements;
mod similarity;

use std::sync::Arc;

use crate::error::{Mismatch, Result};
use crate::graph::Var;
use crate::ops::SpmmMatrix;

pub use adversarial::{
    gradient_penalty, hinge_critic_loss, hinge_generator_loss, wasserstein_critic_loss, wasserstein_generator_loss,
};
pub use bones::{bone_direction_loss, bone_length_loss, bone_vectors};
pub use classes::{binary_cross_entropy_with_logits, cross_entropy, kl_divergence, soft_cross_entropy};
pub use elements::{huber_loss, l1_loss, mse_loss, smooth_l1_loss};
pub use similarity::{cosine_embedding_loss, cosine_similarity};

/// What becomes of the elements of a loss, whose first axis is the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reduction {
    /// The mean of all elements, `[1]`.
    #[default]
    Mean,
    /// The sum of all elements, `[1]`.
    Sum,
    /// The sum of each sample's elements, the mean over the samples, `[1]`.
    BatchMean,
    /// The mean of each sample's elements, `[N]`; their mean is [`Reduction::Mean`].
    PerSample,
}

impl Reduction {
    /// Reduces the elements of a loss; there must be some.
    #[track_caller]
    pub fn apply<'r>(self, elements: Var<'r>) -> Result<Var<'r>> {
        let shape = elements.shape();
        let some = shape.rank() > 0 && shape.numel() > 0;
        let fits = Mismatch::unless(some, "elements", "at least one element", &shape);
        elements.recorder().expect("reduction", &[elements], fits)?;
        let batch = shape.dims()[0];
        match self {
            Reduction::Mean => elements.mean_all(),
            Reduction::Sum => elements.sum_all(),
            Reduction::BatchMean => elements.sum_all()?.scale(1.0 / batch as f32),
            Reduction::PerSample => elements.reshape([batch, shape.numel() / batch])?.mean(&[1])?.reshape([batch]),
        }
    }
}

/// Fails unless two operands are of one type: a loss repeats nothing.
#[track_caller]
fn expect_same<'r>(loss: &str, a: Var<'r>, (operand, b): (&'static str, Var<'r>)) -> Result<()> {
    a.recorder().expect(loss, &[a, b], Mismatch::unless(a.ty() == b.ty(), operand, a.ty(), b.ty()))
}

/// Fails unless an attribute is positive.
fn expect_positive(attribute: &'static str, value: f32) -> Result<(), Mismatch> {
    Mismatch::unless(value.is_finite() && value > 0.0, attribute, "a positive number", value)
}

/// `Σ ‖a − b‖²` over all but the batch axis, mean over the batch.
#[track_caller]
pub fn squared_error<'r>(a: Var<'r>, b: Var<'r>) -> Result<Var<'r>> {
    sum_over_image(a.sub(b)?.square()?)
}

/// The Kullback–Leibler divergence of histograms `p` from `q` of one shape (Kullback and Leibler 1951, "On information and
/// sufficiency"), `Σ p·ln((p + ε) / (q + ε))` over all but the batch axis, mean over the batch. ε, positive, keeps empty bins from
/// counting infinitely; it should be small against 1 / bins.
#[track_caller]
pub fn histogram_divergence<'r>(p: Var<'r>, q: Var<'r>, eps: f32) -> Result<Var<'r>> {
    let (ty, other) = (p.ty(), q.ty());
    let some = ty.shape.rank() > 0 && !ty.shape.dims().contains(&0);
    let fits = Mismatch::unless(ty == other, "q", &ty, &other)
        .and_then(|()| Mismatch::unless(some, "p", "extents of at least 1", &ty))
        .and_then(|()| expect_positive("eps", eps));
    p.recorder().expect("histogram_divergence", &[p, q], fits)?;
    let information = p.offset(eps)?.div(q.offset(eps)?)?.log()?;
    sum_over_image(p.mul(information)?)
}

/// Sum over everything, divided by the batch size.
#[track_caller]
fn sum_over_image(x: Var<'_>) -> Result<Var<'_>> {
    let batch = x.shape().dims().first().copied().unwrap_or(1);
    x.sum_all()?.scale(1.0 / batch as f32)
}

/// The squared products of edges and normals.
#[track_caller]
fn along<'r>(edges: Var<'r>, normals: Var<'r>) -> Result<Var<'r>> {
    sum_over_image(edges.mul(normals)?.sum(&[2])?.square()?)
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
        let normal = along(edges, truth.normals_left)?.add(along(edges, truth.normals_right)?)?;
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
