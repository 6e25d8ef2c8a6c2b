//! Matrix products.

use super::Tensor;

/// Every row of `x` times the K×N matrix `b`; then bias and ReLU if given.
pub fn linear(x: &Tensor, b: &Tensor, bias: Option<&Tensor>, relu: bool) -> Tensor {
    let (k, n) = (b.dims[0], b.dims[1]);
    let mut dims = x.dims.clone();
    *dims.last_mut().expect("an axis") = n;
    let mut data = Vec::new();
    for row in x.data.chunks_exact(k) {
        for column in 0..n {
            let product: f64 = row.iter().enumerate().map(|(i, v)| v * b.data[i * n + column]).sum();
            let sum = product + bias.map_or(0.0, |bias| bias.data[column]);
            data.push(if relu { sum.max(0.0) } else { sum });
        }
    }
    Tensor { dims, data }
}

/// Rows as columns.
pub fn transpose(x: &Tensor) -> Tensor {
    Tensor::from_fn(&[x.dims[1], x.dims[0]], |i| x.at(&[i[1], i[0]]))
}

/// The product of each pair of matrices in the last two axes, each stored the other way round if it says so.
pub fn batch_matmul(a: &Tensor, b: &Tensor, transpose_a: bool, transpose_b: bool) -> Tensor {
    let axes = a.dims.len() - 2;
    let swap = |i: usize, j: usize, transpose: bool| if transpose { [j, i] } else { [i, j] };
    let [m, k] = swap(a.dims[axes], a.dims[axes + 1], transpose_a);
    let [_, p] = swap(b.dims[axes], b.dims[axes + 1], transpose_b);
    Tensor::from_fn(&[&a.dims[..axes], &[m, p]].concat(), |i| {
        let (before, row, column) = (&i[..axes], i[axes], i[axes + 1]);
        let at = |t: &Tensor, place: [usize; 2]| t.at(&[before, &place].concat());
        (0..k).map(|j| at(a, swap(row, j, transpose_a)) * at(b, swap(j, column, transpose_b))).sum()
    })
}

/// x of `(A + Aᵀ)/2·x = b` for each matrix, by elimination with pivots.
pub fn solve_spd(a: &Tensor, b: &Tensor) -> Tensor {
    let (n, p, columns) = (b.dims[0], b.dims[1], b.dims[2]);
    let mut data = Vec::new();
    for m in 0..n {
        let symmetric = |i, j| (a.at(&[m, i, j]) + a.at(&[m, j, i])) / 2.0;
        let known = |i| (0..columns).map(move |c| b.at(&[m, i, c]));
        let mut rows: Vec<Vec<f64>> =
            (0..p).map(|i| (0..p).map(|j| symmetric(i, j)).chain(known(i)).collect()).collect();
        for k in 0..p {
            let pivot = (k..p).max_by(|&i, &j| rows[i][k].abs().total_cmp(&rows[j][k].abs())).expect("some row");
            rows.swap(k, pivot);
            let row: Vec<f64> = rows[k].iter().map(|v| v / rows[k][k]).collect();
            for other in (0..p).filter(|&i| i != k) {
                let factor = rows[other][k];
                rows[other].iter_mut().zip(&row).for_each(|(v, r)| *v -= factor * r);
            }
            rows[k] = row;
        }
        rows.iter().for_each(|row| data.extend_from_slice(&row[p..]));
    }
    Tensor { dims: b.dims.clone(), data }
}
