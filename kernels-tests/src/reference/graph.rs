//! Operators on node features N×V×C.

use super::Tensor;

/// `alpha · A·x`, plus `beta · z` if there is a z. A has `rows` rows and entries (row, column, value).
pub fn spmm(
    entries: &[(usize, usize, f64)],
    rows: usize,
    x: &Tensor,
    alpha: f64,
    z: Option<&Tensor>,
    beta: f64,
) -> Tensor {
    let mut y = Tensor::from_fn(&[x.dims[0], rows, x.dims[2]], |i| z.map_or(0.0, |z| beta * z.at(i)));
    let channels = x.dims[2];
    for n in 0..x.dims[0] {
        for &(row, column, value) in entries {
            for c in 0..channels {
                y.data[(n * rows + row) * channels + c] += alpha * value * x.at(&[n, column, c]);
            }
        }
    }
    y
}

/// `y[n, r] = x[n, indices[r]]`
pub fn gather_rows(x: &Tensor, indices: &[u32]) -> Tensor {
    Tensor::from_fn(&[x.dims[0], indices.len(), x.dims[2]], |i| x.at(&[i[0], indices[i[1]] as usize, i[2]]))
}

/// `y[n, v] = Σ x[n, r]` over the r with `indices[r] = v`.
pub fn scatter_rows(x: &Tensor, indices: &[u32], nodes: usize) -> Tensor {
    Tensor::from_fn(&[x.dims[0], nodes, x.dims[2]], |i| {
        let rows = (0..indices.len()).filter(|&r| indices[r] as usize == i[1]);
        rows.map(|r| x.at(&[i[0], r, i[2]])).sum()
    })
}

/// `A·x`, A's entries at `places` (row, column), with values for all the batch or for each matrix.
pub fn spmm_values(places: &[(usize, usize)], rows: usize, values: &Tensor, x: &Tensor) -> Tensor {
    Tensor::from_fn(&[x.dims[0], rows, x.dims[2]], |i| {
        let value = |e: usize| if values.dims.len() == 1 { values.at(&[e]) } else { values.at(&[i[0], e]) };
        let entries = places.iter().enumerate().filter(|(_, (row, _))| *row == i[1]);
        entries.map(|(e, &(_, column))| value(e) * x.at(&[i[0], column, i[2]])).sum()
    })
}

/// The products of row `place.0` of a and row `place.1` of b.
pub fn sampled_product(places: &[(usize, usize)], a: &Tensor, b: &Tensor) -> Tensor {
    Tensor::from_fn(&[a.dims[0], places.len()], |i| {
        let (row, column) = places[i[1]];
        (0..a.dims[2]).map(|c| a.at(&[i[0], row, c]) * b.at(&[i[0], column, c])).sum()
    })
}

/// The maximum over groups of consecutive nodes.
pub fn pool_max(x: &Tensor, children: usize) -> Tensor {
    group(x, children, |values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// The mean over groups of consecutive nodes.
pub fn pool_mean(x: &Tensor, children: usize) -> Tensor {
    group(x, children, |values| values.iter().sum::<f64>() / values.len() as f64)
}

fn group(x: &Tensor, children: usize, f: impl Fn(&[f64]) -> f64) -> Tensor {
    Tensor::from_fn(&[x.dims[0], x.dims[1] / children, x.dims[2]], |i| {
        let values: Vec<f64> = (0..children).map(|k| x.at(&[i[0], i[1] * children + k, i[2]])).collect();
        f(&values)
    })
}

/// Every node copied to its consecutive children.
pub fn upsample(x: &Tensor, children: usize) -> Tensor {
    Tensor::from_fn(&[x.dims[0], x.dims[1] * children, x.dims[2]], |i| x.at(&[i[0], i[1] / children, i[2]]))
}
