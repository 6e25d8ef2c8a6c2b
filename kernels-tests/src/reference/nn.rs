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

/// The entries of `D^-½ (A + I) D^-½`, A the adjacency that undirected edges give.
pub fn normalized_adjacency(nodes: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize, f64)> {
    let joined = |i: usize, j: usize| i == j || edges.contains(&(i, j)) || edges.contains(&(j, i));
    let degree = |i: usize| (0..nodes).filter(|&j| joined(i, j)).count() as f64;
    let pairs = (0..nodes).flat_map(|i| (0..nodes).map(move |j| (i, j)));
    pairs.filter(|&(i, j)| joined(i, j)).map(|(i, j)| (i, j, 1.0 / (degree(i) * degree(j)).sqrt())).collect()
}

/// `A·x·W + b`.
pub fn gcn(entries: &Entries, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    matmul::linear(&spmm(entries, x.dims[1], x, 1.0, None, 0.0), weight, bias, false)
}

/// Two graph convolutions, the first rectified, each normalised by its own statistics, and another one added.
pub fn graph_residual(entries: &Entries, x: &Tensor, parameters: &mut Parameters<'_>) -> Tensor {
    let norm = |x: &Tensor, affine: &Tensor| batch_norm(x, affine, &statistics(x), f64::from(1e-5f32), false);
    let (weight, bias, affine) = (take(parameters), take(parameters), take(parameters));
    let y = norm(&gcn(entries, x, weight, Some(bias)).map(|v| v.max(0.0)), affine);
    let (weight, affine) = (take(parameters), take(parameters));
    let y = norm(&gcn(entries, &y, weight, None), affine);
    let (weight, bias) = (take(parameters), take(parameters));
    add(&y, &gcn(entries, x, weight, Some(bias)))
}

/// The `k` nodes of each graph with the highest projections on a vector, highest first: their gated features, their rows
/// and columns of the adjacency, and their indices.
pub fn top_k_pool(x: &Tensor, adjacency: &Tensor, projection: &Tensor, k: usize) -> (Tensor, Tensor, Vec<Vec<usize>>) {
    let (n, v, c) = (x.dims[0], x.dims[1], x.dims[2]);
    let length = projection.data.iter().map(|p| p * p).sum::<f64>().sqrt();
    let score = |n: usize, v: usize| (0..c).map(|c| x.at(&[n, v, c]) * projection.data[c]).sum::<f64>() / length;
    let chosen = |n: usize| {
        let mut nodes: Vec<usize> = (0..v).collect();
        nodes.sort_by(|&a, &b| score(n, b).total_cmp(&score(n, a)));
        nodes.truncate(k);
        nodes
    };
    let chosen: Vec<Vec<usize>> = (0..n).map(chosen).collect();
    let features = Tensor::from_fn(&[n, k, c], |i| {
        let node = chosen[i[0]][i[1]];
        x.at(&[i[0], node, i[2]]) / (1.0 + (-score(i[0], node)).exp())
    });
    let edges = Tensor::from_fn(&[n, k, k], |i| adjacency.at(&[i[0], chosen[i[0]][i[1]], chosen[i[0]][i[2]]]));
    (features, edges, chosen)
}

/// Rows put back in the places they were chosen from, among zeros.
pub fn top_k_unpool(x: &Tensor, chosen: &[Vec<usize>], nodes: usize) -> Tensor {
    Tensor::from_fn(&[x.dims[0], nodes, x.dims[2]], |i| {
        chosen[i[0]].iter().position(|&node| node == i[1]).map_or(0.0, |row| x.at(&[i[0], row, i[2]]))
    })
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
    skip_to(&y, x, out, parameters)
}

/// A single 3×3 convolution after a normalisation, plus the skip.
pub fn residual3x3(x: &Tensor, out: usize, parameters: &mut Parameters<'_>) -> Tensor {
    let y = conv2d(&norm_relu(x, take(parameters)), take(parameters), None, [1, 1, 1], false);
    skip_to(&y, x, out, parameters)
}

/// `y + x`, with x projected where it has other channels.
fn skip_to(y: &Tensor, x: &Tensor, out: usize, parameters: &mut Parameters<'_>) -> Tensor {
    if x.dims[3] == out { add(y, x) } else { add(y, &conv2d(x, take(parameters), None, [1, 0, 1], false)) }
}

/// A residual of so many channels.
pub type Unit = fn(&Tensor, usize, &mut Parameters<'_>) -> Tensor;

/// An hourglass of `unit`s one level deep, with `channels` there.
pub fn hourglass(x: &Tensor, channels: usize, unit: Unit, parameters: &mut Parameters<'_>) -> Tensor {
    let skip = unit(x, x.dims[3], parameters);
    let mut low = max_pool2d(x, 2, 2, 0);
    for out in [channels, channels, x.dims[3]] {
        low = unit(&low, out, parameters);
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
