//! Operators on node features.

use std::sync::Arc;

use knuckle::ops::{SparsePattern, SpmmMatrix};
use knuckle::rng::Rng;
use knuckle::sparse::Csr;

use crate::case::{Case, Fill, Operand};
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
    let scatters: [(usize, usize, usize, &[u32]); 6] = [
        (1, 1, 1, &[0]),
        (2, 5, 8, &[4, 0, 0, 3]),
        (1, 3, 21, &[2, 2, 2, 2, 2, 1]),
        (3, 4, 4, &[0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]),
        (2, 40, 3, &[39, 0, 39, 17]),
        (1, 2, 12, &[1; 40]),
    ];
    for (n, nodes, c, indices) in scatters {
        cases.push(Case::new(
            "scatter_rows",
            format!("to {nodes}, {indices:?}"),
            [Operand::filled([n, indices.len(), c], Fill::Uniform(-2.0, 2.0))],
            move |_, x| x[0].scatter_rows(indices, nodes),
            move |x| reference::scatter_rows(&x[0], indices, nodes),
        ));
    }
    // Batch, rows, nodes, channels, entries a row at most.
    for (n, rows, nodes, c, degree) in [
        (1, 1, 1, 1, 1),
        (2, 6, 9, 8, 3),
        (1, 9, 6, 3, 4),
        (3, 21, 21, 5, 7),
        (2, 4, 30, 4, 12),
        (1, 30, 4, 1, 3),
        (2, 5, 5, 150, 2),
        (1, 3, 7, 256, 3),
        (5, 2, 2, 12, 1),
    ] {
        cases.extend(spmm_values(n, c, sparse(rows, nodes, degree)));
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
    cases.extend(trees());
    cases
}

/// Down a binary tree and up again, as deep as it goes.
fn trees() -> Vec<Case> {
    let mut cases = Vec::new();
    for (dims, depth) in [([1, 2, 1], 1), ([2, 8, 3], 3), ([1, 16, 4], 2), ([3, 12, 8], 2), ([1, 64, 5], 6)] {
        let attributes = format!("down and up {depth} levels of a binary tree");
        let x = || [Operand::normal(dims)];
        cases.push(Case::new(
            "graph_pool_max",
            &attributes,
            x(),
            move |_, x| {
                let low = (0..depth).try_fold(x[0], |x, _| x.graph_pool_max(2))?;
                (0..depth).try_fold(low, |x, _| x.graph_upsample(2))
            },
            move |x| {
                let low = (0..depth).fold(x[0].clone(), |x, _| reference::pool_max(&x, 2));
                (0..depth).fold(low, |x, _| reference::upsample(&x, 2))
            },
        ));
        cases.push(Case::new(
            "graph_pool_mean",
            &attributes,
            x(),
            move |_, x| {
                let low = (0..depth).try_fold(x[0], |x, _| x.graph_pool_mean(2))?;
                (0..depth).try_fold(low, |x, _| x.graph_upsample(2))
            },
            move |x| {
                let low = (0..depth).fold(x[0].clone(), |x, _| reference::pool_mean(&x, 2));
                (0..depth).fold(low, |x, _| reference::upsample(&x, 2))
            },
        ));
    }
    cases
}

/// Products with a matrix whose values are an operand, for all the batch and for each; and sampled products.
fn spmm_values(n: usize, c: usize, matrix: Csr) -> [Case; 4] {
    let (rows, nodes) = (matrix.rows, matrix.cols);
    let pattern = SparsePattern::new(matrix).expect("a consistent matrix");
    let places: Vec<(usize, usize)> = pattern.places().collect();
    let attributes = format!("{rows} × {nodes}, {} entries", places.len());
    let x = || Operand::normal([n, nodes, c]);
    let product = |kind: &str, values: Operand| {
        let (pattern, places) = (Arc::clone(&pattern), places.clone());
        Case::new(
            "spmm_values",
            format!("{attributes}, {kind}"),
            [values, x()],
            move |_, x| x[1].spmm_values(x[0], &pattern),
            move |x| reference::spmm_values(&places, rows, &x[0], &x[1]),
        )
    };
    let shared = product("shared", Operand::normal([places.len()]));
    let each = product("each", Operand::normal([n, places.len()]));
    let (again, second) = (places.clone(), Arc::clone(&pattern));
    let sampled = Case::new(
        "sampled_product",
        &attributes,
        [Operand::normal([n, rows, c]), x()],
        move |_, x| x[0].sampled_product(x[1], &second),
        move |x| reference::sampled_product(&again, &x[0], &x[1]),
    );
    // The gradient of the sum of squares with respect to the values: their gradient has one of its own.
    let twice = Case::new(
        "sampled_product",
        format!("{attributes}, gradient of the sum of squares of a product"),
        [Operand::normal([n, places.len()]), x()],
        move |_, x| {
            let y = x[1].spmm_values(x[0], &pattern)?;
            let gradients = y.mul(y)?.sum_all()?.backward_to(&[x[0]])?;
            gradients.of(x[0]).ok_or_else(|| knuckle::Error::invalid("gradient", "one", "none"))
        },
        move |x| {
            let y = reference::spmm_values(&places, rows, &x[0], &x[1]);
            reference::sampled_product(&places, &y, &x[1]).map(|v| 2.0 * v)
        },
    );
    [shared, each, sampled, twice]
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
