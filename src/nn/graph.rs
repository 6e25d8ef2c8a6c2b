//! Layers on graphs: features N×V×C of the nodes of graphs.

use std::sync::Arc;

use super::batch_norm;
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Init, Var};
use crate::ops::SpmmMatrix;
use crate::shape::{DType, Shape};
use crate::sparse::Csr;

/// Fails, at the caller's line, unless x is N×V×C on the nodes of a square matrix, and `out` channels can be made.
#[track_caller]
fn expect_features(layer: &str, x: Var<'_>, matrix: &SpmmMatrix, out: usize) -> Result<()> {
    let (ty, csr) = (x.ty(), matrix.csr());
    let fits = match *ty.shape.dims() {
        _ if csr.rows != csr.cols => {
            Err(Mismatch::new("matrix", "as many rows as columns", format!("{} × {}", csr.rows, csr.cols)))
        }
        [n, v, c] if ty.dtype == DType::F32 && v == csr.cols && n > 0 && c > 0 => Ok(()),
        _ => Err(Mismatch::new("x", format!("N×{}×C, N and C at least 1", csr.cols), &ty)),
    };
    let sized = || match (1..=MAX_CHANNELS).contains(&out) {
        true => Ok(()),
        false => Err(Mismatch::new("out", format!("1 to {MAX_CHANNELS} channels"), out)),
    };
    x.recorder().expect(layer, &[x], fits.and_then(|()| sized()))
}

/// The most channels a layer makes.
const MAX_CHANNELS: usize = 1 << 20;
/// The most terms of a polynomial: each is a few nodes.
const MAX_ORDER: usize = 1_000;

/// Chebyshev graph convolution of N×V×C features to `out` channels with `order` terms (Defferrard et al. 2016, eq. 4;
/// Ge et al. 2019, eq. 1): `Σ_k T_k(L~) x θ_k + b`, L~ the rescaled Laplacian.
///
/// Evaluated by Clenshaw's recurrence, so that the sparse products run on `out` channels:
/// `b_k = x θ_k + 2 L~ b_{k+1} − b_{k+2}`, result `x θ_0 + L~ b_1 − b_2`.
#[track_caller]
pub fn chebyshev<'r>(
    x: Var<'r>,
    name: &str,
    laplacian: &Arc<SpmmMatrix>,
    out: usize,
    order: usize,
    bias: bool,
) -> Result<Var<'r>> {
    expect_features("chebyshev", x, laplacian, out)?;
    if !(1..=MAX_ORDER).contains(&order) {
        let wrong = Mismatch::new("order", format!("1 to {MAX_ORDER}"), order);
        return x.recorder().expect("chebyshev", &[x], Err(wrong));
    }
    let r = x.recorder();
    let c = x.shape().channels();
    // Half the variance of a layer that a ReLU follows, as one matrix of order·C rows: the sparse products add to it.
    let init = Init::Normal((1.0 / c.saturating_mul(order) as f32).sqrt());
    r.layer(name, || {
        let term = |k: usize| -> Result<Var<'r>> {
            let theta = r.param_with(&format!("theta{k}"), [c, out], init.clone());
            if k == 0 && bias { x.linear(theta, r.param("bias", [out]), false) } else { x.matmul(theta) }
        };
        let (mut next, mut after): (Option<Var<'r>>, Option<Var<'r>>) = (None, None);
        for k in (0..order).rev() {
            let factor = if k == 0 { 1.0 } else { 2.0 };
            let mut b = term(k)?;
            if let Some(next) = next {
                b = next.spmm_add(laplacian, factor, b, 1.0)?;
            }
            if let Some(after) = after {
                b = b.sub(after)?;
            }
            (next, after) = (Some(b), next);
        }
        next.map_or(Ok(x), Ok)
    })
}

/// The matrix `D^-½ (A + I) D^-½` of an undirected graph with `nodes` nodes, A its adjacency and D the diagonal of A +
/// I's row sums (Kipf & Welling 2017, "Semi-Supervised Classification with Graph Convolutional Networks", eq. 2). Each
/// edge joins two nodes, in either order; one that is given twice counts once, and one from a node to itself adds
/// nothing to the identity.
pub fn normalized_adjacency(nodes: usize, edges: &[(usize, usize)]) -> Result<Arc<SpmmMatrix>> {
    if let Some(&(i, j)) = edges.iter().find(|(i, j)| *i.max(j) >= nodes) {
        return Err(Error::invalid("edges", format!("nodes below {nodes}"), format!("({i}, {j})")));
    }
    if nodes > MAX_NODES {
        return Err(Error::invalid("nodes", format!("at most {MAX_NODES}"), nodes));
    }
    let mut places: Vec<(usize, usize)> = edges.iter().flat_map(|&(i, j)| [(i, j), (j, i)]).collect();
    places.extend((0..nodes).map(|i| (i, i)));
    places.sort_unstable();
    places.dedup();
    let mut degrees = vec![0.0f64; nodes];
    places.iter().for_each(|&(i, _)| degrees[i] += 1.0);
    let triplets: Vec<_> =
        places.into_iter().map(|(i, j)| (i, j, (1.0 / (degrees[i] * degrees[j]).sqrt()) as f32)).collect();
    let csr = Csr::from_triplets(nodes, nodes, &triplets);
    SpmmMatrix::new(csr.map_err(|wrong| Error::invalid("edges", "edges between nodes", wrong))?)
}

/// The most nodes of a graph.
const MAX_NODES: usize = 1 << 24;

/// Graph convolution `Â·x·W + b` of N×V×C features to `out` channels (Kipf & Welling 2017, eq. 2, without its
/// activation), Â as [`normalized_adjacency`] makes it. The sparse product runs on the fewer channels.
#[track_caller]
pub fn gcn<'r>(x: Var<'r>, name: &str, adjacency: &Arc<SpmmMatrix>, out: usize, bias: bool) -> Result<Var<'r>> {
    expect_features("gcn", x, adjacency, out)?;
    let r = x.recorder();
    let c = x.shape().channels();
    r.layer(name, || {
        let weight = r.param("weight", [c, out]);
        let bias = bias.then(|| r.param("bias", [out]));
        match bias {
            Some(bias) if out < c => x.matmul(weight)?.spmm(adjacency)?.add(bias),
            None if out < c => x.matmul(weight)?.spmm(adjacency),
            Some(bias) => x.spmm(adjacency)?.linear(weight, bias, false),
            None => x.spmm(adjacency)?.matmul(weight),
        }
    })
}

/// A graph residual block, `N(g₂(N(g₁(x)))) + skip(x)` (He et al., "3D Hand Pose Estimation in the Wild via Graph
/// Refinement under Adversarial Learning", eq. 3): g and skip are [`gcn`] layers to `out` channels, the first with the
/// ReLU of Kipf & Welling's hidden layers, N batch normalisation.
#[track_caller]
pub fn graph_residual<'r>(x: Var<'r>, name: &str, adjacency: &Arc<SpmmMatrix>, out: usize) -> Result<Var<'r>> {
    expect_features("graph_residual", x, adjacency, out)?;
    x.recorder().layer(name, || {
        // Normalisation would cancel a bias behind which no activation stands.
        let y = batch_norm(gcn(x, "gcn1", adjacency, out, true)?.relu()?, "norm1")?;
        let y = batch_norm(gcn(y, "gcn2", adjacency, out, false)?, "norm2")?;
        y.add(gcn(x, "skip", adjacency, out, true)?)
    })
}

/// What [`top_k_pool`] leaves of a batch of graphs.
#[derive(Debug, Clone, Copy)]
pub struct TopKPooled<'r> {
    /// The features of the chosen nodes, gated: N×k×C.
    pub x: Var<'r>,
    /// The adjacency between the chosen nodes: N×k×k.
    pub adjacency: Var<'r>,
    /// Which nodes were chosen, u32 N×k×1: for [`top_k_unpool`].
    pub nodes: Var<'r>,
}

/// The top-k pooling of graph U-Nets (Gao & Ji 2019, eq. 2): every node of N×V×C features is scored by its projection
/// on a trained vector, `y = x·p / ‖p‖`; the `k` nodes with the highest scores stay, highest first, their features
/// multiplied by `sigmoid(y)`, and so do their rows and columns of the adjacency, N×V×V. Gradients reach features,
/// adjacency and, through the gate, the vector.
#[track_caller]
pub fn top_k_pool<'r>(x: Var<'r>, name: &str, adjacency: Var<'r>, k: usize) -> Result<TopKPooled<'r>> {
    let (ty, adjacency_ty) = (x.ty(), adjacency.ty());
    let fits = match *ty.shape.dims() {
        [n, v, c] if ty.dtype == DType::F32 && n > 0 && v > 0 && c > 0 => {
            let square = Shape::from([n, v, v]);
            if adjacency_ty.shape != square || adjacency_ty.dtype != DType::F32 {
                Err(Mismatch::new("adjacency", square, adjacency_ty))
            } else if !(1..=v).contains(&k) {
                Err(Mismatch::new("k", format!("1 to {v}"), k))
            } else {
                Ok([n, v, c])
            }
        }
        _ => Err(Mismatch::new("x", "N×V×C, extents of at least 1", &ty)),
    };
    let [n, _, c] = x.recorder().expect("top_k_pool", &[x, adjacency], fits)?;
    let r = x.recorder();
    r.layer(name, || {
        let projection = r.param("projection", [c, 1]);
        let scores = x.matmul(projection)?.div(projection.norm(&[0])?)?;
        let chosen = scores.top_k(1, k)?;
        let gate = chosen.values.sigmoid()?;
        let rows = adjacency.gather_distinct(1, chosen.places)?;
        Ok(TopKPooled {
            x: x.gather_distinct(1, chosen.places)?.mul(gate)?,
            adjacency: rows.gather_distinct(2, chosen.places.reshape([n, 1, k])?)?,
            nodes: chosen.places,
        })
    })
}

/// The unpooling of graph U-Nets (Gao & Ji 2019, eq. 4): the rows of N×k×C features put back in the places that
/// [`top_k_pool`] took them from, among zero rows for the other of `nodes` nodes. `pooled` is
/// [`TopKPooled::nodes`], which names no node twice.
#[track_caller]
pub fn top_k_unpool<'r>(x: Var<'r>, pooled: Var<'r>, nodes: usize) -> Result<Var<'r>> {
    let (ty, pooled_ty) = (x.ty(), pooled.ty());
    let fits = match *ty.shape.dims() {
        [n, k, c] if ty.dtype == DType::F32 && n > 0 && k > 0 && c > 0 => {
            if pooled_ty.dtype != DType::U32 || pooled_ty.shape != Shape::from([n, k, 1]) {
                Err(Mismatch::new("pooled", format!("u32[{n},{k},1]"), pooled_ty))
            } else if !(k..=MAX_NODES).contains(&nodes) {
                Err(Mismatch::new("nodes", format!("{k} to {MAX_NODES}"), nodes))
            } else {
                Ok(())
            }
        }
        _ => Err(Mismatch::new("x", "N×k×C, extents of at least 1", &ty)),
    };
    x.recorder().expect("top_k_unpool", &[x, pooled], fits)?;
    x.scatter_distinct(1, pooled, nodes)
}
