//! Matrix products and linear layers.

use crate::case::{Case, Operand};
use crate::reference::matmul as reference;

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let table: [(&[usize], usize); 10] = [
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
    ];
    for (row, (dims, n)) in table.into_iter().enumerate() {
        let k = dims[dims.len() - 1];
        let operands = [Operand::normal(dims), Operand::normal([k, n])];
        cases.push(Case::new(
            "matmul",
            "",
            operands.clone(),
            |_, x| x[0].matmul(x[1]),
            |x| reference::linear(&x[0], &x[1], None, false),
        ));
        let ([x, weight], relu) = (operands, row % 2 == 0);
        cases.push(Case::new(
            "linear",
            if relu { "relu" } else { "" },
            [x, weight, Operand::normal([n])],
            move |_, x| x[0].linear(x[1], x[2], relu),
            move |x| reference::linear(&x[0], &x[1], Some(&x[2]), relu),
        ));
    }
    // Gradients have gradients: of Σ (x·b)² they are 2·x·b·bᵀ and 2·xᵀ·x·b.
    for (operand, name) in ["x", "b"].into_iter().enumerate() {
        cases.push(Case::new(
            "matmul",
            format!("gradient of the sum of squares by {name}"),
            [Operand::normal([5, 4]), Operand::normal([4, 6])],
            move |_, x| {
                let y = x[0].matmul(x[1])?;
                let gradients = y.mul(y)?.sum_all()?.backward_to(x)?;
                Ok(gradients.of(x[operand]).expect("a gradient"))
            },
            move |x| {
                let doubled = reference::linear(&x[0], &x[1], None, false).map(|v| 2.0 * v);
                if operand == 0 {
                    reference::linear(&doubled, &reference::transpose(&x[1]), None, false)
                } else {
                    reference::linear(&reference::transpose(&x[0]), &doubled, None, false)
                }
            },
        ));
    }
    cases
}
