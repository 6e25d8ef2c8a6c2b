//! Layers and losses.

use super::conv::conv2d;
use super::graph::spmm;
use super::norm::{batch_norm, statistics};
use super::pointwise::binary;
use super::pool::{max_pool2d, upsample_nearest};
use super::{Tensor, matmul};

/// Entries (row, column, value) of a sparse matrix.
pub type Entries = [(usize, usize, f64)];

fn add(a: &Tensor, b: &Tensor) -> Tensor {
    binary(a, b, |a, b| a + b)
}

/// `Σ_k T_k(A) x θ_k + bias` by the polynomials' own recurrence, A square.
pub fn chebyshev(entries: &Entries, x: &Tensor, theta: &[Tensor], bias: Option<&Tensor>) -> Tensor {
    let nodes = x.dims[1];
    let mut terms = vec![x.clone()];
    for k in 1..theta.len() {
        let before = (k > 1).then(|| terms[k - 2].clone());
        let factor = if k == 1 { 1.0 } else { 2.0 };
        terms.push(spmm(entries, nodes, &terms[k - 1], factor, before.as_ref(), -1.0));
    }
    let products = terms.iter().zip(theta).map(|(term, theta)| matmul::linear(term, theta, None, false));
    let sum = products.reduce(|a, b| add(&a, &b)).expect("at least one term");
    bias.map_or(sum.clone(), |bias| add(&sum, bias))
}

/// Normalised by its own statistics, scaled, shifted and rectified; eps as the layers have it.
fn norm_relu(x: &Tensor, affine: &Tensor) -> Tensor {
    batch_norm(x, affine, &statistics(x), f64::from(1e-5f32), true)
}

/// Parameters in the order in which the layers ask for them.
pub type Parameters<'a> = std::slice::Iter<'a, Tensor>;

fn take<'a>(parameters: &mut Parameters<'a>) -> &'a Tensor {
    parameters.next().expect("a further parameter")
}

/// A bottleneck: normalise, 1×1; normalise, 3×3; normalise, 1×1 with bias; plus the skip.
pub fn residual(x: &Tensor, out: usize, parameters: &mut Parameters<'_>) -> Tensor {
    let y = conv2d(&norm_relu(x, take(parameters)), take(parameters), None, [1, 0, 1], false);
    let y = conv2d(&norm_relu(&y, take(parameters)), take(parameters), None, [1, 1, 1], false);
    let (affine, weight, bias) = (take(parameters), take(parameters), take(parameters));
    let y = conv2d(&norm_relu(&y, affine), weight, Some(bias), [1, 0, 1], false);
    if x.dims[3] == out { add(&y, x) } else { add(&y, &conv2d(x, take(parameters), None, [1, 0, 1], false)) }
}

/// An hourglass one level deep.
pub fn hourglass(x: &Tensor, parameters: &mut Parameters<'_>) -> Tensor {
    let channels = x.dims[3];
    let skip = residual(x, channels, parameters);
    let mut low = max_pool2d(x, 2, 2, 0);
    for _ in ["down", "inner", "up"] {
        low = residual(&low, channels, parameters);
    }
    add(&skip, &upsample_nearest(&low, 2))
}

/// `Σ ‖a − b‖²`, mean over the first axis.
pub fn squared_error(a: &Tensor, b: &Tensor) -> f64 {
    a.data.iter().zip(&b.data).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.dims[0] as f64
}

/// The mesh loss of Ge et al. 2019, eqs. 2 to 5, for vertices N×V×3 and image coordinates N×V×2, from the edges
/// themselves: `edges` are pairs of vertices. Normals are N×E×3, on either side of each edge.
pub fn mesh_loss(edges: &[(usize, usize)], xyz: [&Tensor; 2], uv: [&Tensor; 2], normals: [&Tensor; 2]) -> f64 {
    let [n, vertices, _] = xyz[0].dims[..] else { panic!("vertices of a batch") };
    let mut loss = squared_error(xyz[0], xyz[1]) + squared_error(uv[0], uv[1]);
    let mut neighbours = vec![Vec::new(); vertices];
    for &(i, j) in edges {
        neighbours[i].push(j);
        neighbours[j].push(i);
    }
    let scale = 1.0 / n as f64;
    for batch in 0..n {
        let edge = |mesh: &Tensor, (i, j): (usize, usize)| -> [f64; 3] {
            [0, 1, 2].map(|c| mesh.at(&[batch, j, c]) - mesh.at(&[batch, i, c]))
        };
        for (e, &ends) in edges.iter().enumerate() {
            let along = edge(xyz[0], ends);
            for side in normals {
                let product: f64 = (0..3).map(|c| along[c] * side.at(&[batch, e, c])).sum();
                loss += scale * product.powi(2);
            }
            let [length, truth] = xyz.map(|mesh| edge(mesh, ends).iter().map(|v| v * v).sum::<f64>());
            loss += scale * (length - truth).powi(2);
        }
        for (i, around) in neighbours.iter().enumerate() {
            for c in 0..3 {
                let offset = |v: usize| xyz[0].at(&[batch, v, c]) - xyz[1].at(&[batch, v, c]);
                let mean = around.iter().map(|&j| offset(j)).sum::<f64>() / around.len() as f64;
                loss += 50.0 * scale * (offset(i) - mean).powi(2);
            }
        }
    }
    loss
}
