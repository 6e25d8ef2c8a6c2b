//! Operators on node features.

use std::sync::Arc;

use knuckle::ops::SpmmMatrix;
use knuckle::rng::Rng;
use knuckle::sparse::Csr;

use crate::case::{Case, Operand};
use crate::reference::graph as reference;

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // Batch, rows, nodes, channels, entries a row at most.
    for (n, rows, nodes, c, degree) in [(1, 1, 1, 1, 1), (2, 6, 9, 8, 3), (1, 9, 6, 3, 4), (3, 21, 21, 5, 7)] {
        cases.extend(spmm(n, c, sparse(rows, nodes, degree)));
    }
    cases.extend(spmm(2, 4, symmetric(11)));
    let gathers: [(usize, usize, usize, &[u32]); 4] = [
        (1, 1, 1, &[0]),
        (2, 5, 8, &[4, 0, 0, 3]),
        (1, 3, 21, &[2, 2, 2, 2, 2, 1]),
        (3, 4, 4, &[0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]),
    ];
    for (n, nodes, c, indices) in gathers {
        cases.push(Case::new(
            "gather_rows",
            format!("{indices:?}"),
            [Operand::normal([n, nodes, c])],
            move |_, x| x[0].gather_rows(indices),
            move |x| reference::gather_rows(&x[0], indices),
        ));
    }
    for (dims, children) in [([1, 1, 1], 1), ([2, 8, 4], 4), ([1, 6, 5], 2), ([3, 12, 21], 3), ([2, 4, 16], 4)] {
        let attributes = format!("{children} children");
        let x = || [Operand::normal(dims)];
        cases.push(Case::new(
            "graph_pool_max",
            &attributes,
            x(),
            move |_, x| x[0].graph_pool_max(children),
            move |x| reference::pool_max(&x[0], children),
        ));
        cases.push(Case::new(
            "graph_pool_mean",
            &attributes,
            x(),
            move |_, x| x[0].graph_pool_mean(children),
            move |x| reference::pool_mean(&x[0], children),
        ));
        cases.push(Case::new(
            "graph_upsample",
            &attributes,
            x(),
            move |_, x| x[0].graph_upsample(children),
            move |x| reference::upsample(&x[0], children),
        ));
    }
    cases
}

/// A product with `matrix`, plain and with a second operand.
fn spmm(n: usize, c: usize, matrix: Csr) -> [Case; 2] {
    let entries: Vec<(usize, usize, f64)> =
        (0..matrix.rows).flat_map(|row| matrix.row(row).map(move |(col, v)| (row, col, f64::from(v)))).collect();
    let (rows, nodes) = (matrix.rows, matrix.cols);
    let attributes = format!("{rows} × {nodes}, {} entries", entries.len());
    let matrix = SpmmMatrix::new(matrix).expect("a consistent matrix");
    let (shared, again) = (Arc::clone(&matrix), entries.clone());
    let x = || Operand::normal([n, nodes, c]);
    [
        Case::new(
            "spmm",
            &attributes,
            [x()],
            move |_, x| x[0].spmm(&shared),
            move |x| reference::spmm(&again, rows, &x[0], 1.0, None, 0.0),
        ),
        Case::new(
            "spmm",
            format!("{attributes}, 2 A x - 0.75 z"),
            [x(), Operand::normal([n, rows, c])],
            move |_, x| x[0].spmm_add(&matrix, 2.0, x[1], -0.75),
            move |x| reference::spmm(&entries, rows, &x[0], 2.0, Some(&x[1]), -0.75),
        ),
    ]
}

/// Rows of up to `degree` entries, some empty where there is more than one.
fn sparse(rows: usize, nodes: usize, degree: usize) -> Csr {
    let mut rng = Rng::new(5, (rows * 1000 + nodes) as u64);
    let mut triplets = Vec::new();
    for row in 0..rows {
        let count = if rows == 1 { degree } else { rng.below(degree + 1) };
        triplets.extend((0..count).map(|_| (row, rng.below(nodes), rng.range(-1.0, 1.0))));
    }
    Csr::from_triplets(rows, nodes, &triplets).expect("entries inside")
}

/// A ring: every node and its two neighbours.
fn symmetric(nodes: usize) -> Csr {
    let triplets: Vec<_> = (0..nodes)
        .flat_map(|i| {
            let next = (i + 1) % nodes;
            let weight = 0.1 * (i + 1) as f32;
            [(i, i, 0.5), (i, next, weight), (next, i, weight)]
        })
        .collect();
    Csr::from_triplets(nodes, nodes, &triplets).expect("entries inside")
}
