//! Matrix products and linear layers.

use crate::case::{Case, Operand};
use crate::reference::{Tensor, matmul as reference};

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let table: [(&[usize], usize); 12] = [
        (&[1, 1], 1),
        (&[1, 7], 5),
        (&[5, 1], 3),
        (&[8, 8], 8),
        (&[33, 17], 9),
        (&[2, 3, 5, 4], 8),
        (&[3, 21], 63),
        (&[16, 64], 1),
        (&[65, 36], 40),
        (&[4, 130], 12),
        // Rows so long, and multiplied so often, that software multiplies a copy of them: of the left side, and of the gradient's right one.
        (&[40, 512], 256),
        (&[256, 16], 512),
    ];
    for (row, (dims, n)) in table.into_iter().enumerate() {
        let k = dims[dims.len() - 1];
        let operands = [Operand::normal(dims), Operand::normal([k, n])];
        let case = Case::new(
            "matmul",
            "",
            operands.clone(),
            |_, x| x[0].matmul(x[1]),
            |x| reference::linear(&x[0], &x[1], None, false),
        );
        // Single elements, and vectors.
        cases.push(if [4, 8].contains(&row) { case.as_every_variant() } else { case });
        let ([x, weight], relu) = (operands, row % 2 == 0);
        cases.push(Case::new(
            "linear",
            if relu { "relu" } else { "" },
            [x, weight, Operand::normal([n])],
            move |_, x| x[0].linear(x[1], x[2], relu),
            move |x| reference::linear(&x[0], &x[1], Some(&x[2]), relu),
        ));
    }
    let pairs: [(&[usize], [usize; 3]); 10] = [
        // The axes before the matrices; m, k, p.
        (&[1], [1, 1, 1]),
        (&[3], [1, 5, 1]),
        (&[2], [5, 4, 8]),
        (&[4], [9, 3, 5]),
        (&[2, 3], [5, 7, 4]),
        (&[3], [16, 8, 16]),
        (&[2], [9, 17, 33]),
        (&[1], [5, 12, 9]),
        (&[2, 1, 2], [16, 1, 4]),
        (&[7], [4, 130, 4]),
    ];
    for (axes, [m, k, p]) in pairs {
        for (transpose_a, transpose_b) in [(false, false), (true, false), (false, true), (true, true)] {
            let matrix = |rows, columns, transposed| {
                Operand::normal([axes, &if transposed { [columns, rows] } else { [rows, columns] }].concat())
            };
            let case = Case::new(
                "batch_matmul",
                format!("{m}×{k}×{p}, transposed {transpose_a}, {transpose_b}"),
                [matrix(m, k, transpose_a), matrix(k, p, transpose_b)],
                move |_, x| x[0].batch_matmul(x[1], transpose_a, transpose_b),
                move |x| reference::batch_matmul(&x[0], &x[1], transpose_a, transpose_b),
            );
            let every = [m, k, p] == [16, 8, 16] && !transpose_a && !transpose_b;
            cases.push(if every { case.as_every_variant() } else { case });
        }
    }
    cases.push(Case::new(
        "batch_matmul",
        "plus another",
        [Operand::normal([3, 5, 4]), Operand::normal([3, 4, 6]), Operand::normal([3, 5, 6])],
        |_, x| x[0].batch_matmul(x[1], false, false)?.add(x[2]),
        |x| {
            let mut y = reference::batch_matmul(&x[0], &x[1], false, false);
            y.data.iter_mut().zip(&x[2].data).for_each(|(y, x)| *y += x);
            y
        },
    ));
    for (n, p, columns) in [(1, 1, 1), (3, 2, 1), (2, 5, 3), (1, 17, 33), (5, 40, 1), (2, 65, 2)] {
        // Well away from a singular one, and not quite symmetric.
        let spd = move |half: &Tensor, skew: &Tensor| {
            let mut a = reference::batch_matmul(half, half, false, true);
            let elements = a.data.iter_mut().zip(&skew.data).enumerate();
            elements.for_each(|(i, (a, skew))| {
                *a += 0.1 * skew + if i % (p * p) / p == i % p { 0.3 * p as f64 + 1.0 } else { 0.0 }
            });
            a
        };
        let unit: Vec<f32> = (0..p * p).map(|i| if i / p == i % p { 0.3 * p as f32 + 1.0 } else { 0.0 }).collect();
        cases.push(Case::new(
            "solve_spd",
            "",
            [Operand::normal([n, p, p]), Operand::normal([n, p, p]), Operand::normal([n, p, columns])],
            move |r, x| {
                let skew = x[1].scale(0.1)?.add(r.constant([1, p, p], &unit)?)?;
                x[0].batch_matmul(x[0], false, true)?.add(skew)?.solve_spd(x[2])
            },
            move |x| reference::solve_spd(&spd(&x[0], &x[1]), &x[2]),
        ));
    }
    cases
}
