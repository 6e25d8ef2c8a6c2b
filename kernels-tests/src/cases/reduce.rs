//! Sums and means.

use crate::case::{Case, Operand};
use crate::reference::reduce as reference;

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let table: [(&[usize], &[usize]); 9] = [
        (&[1], &[0]),
        (&[7], &[0]),
        (&[130], &[0]),
        (&[2, 3, 5], &[1]),
        (&[2, 3, 5], &[0, 2]),
        (&[2, 3, 5], &[0, 1, 2]),
        (&[3, 1, 4], &[1]),
        (&[300, 3], &[0]),
        (&[2, 9, 17, 21], &[1, 2]),
    ];
    let mut cases = Vec::new();
    for (dims, axes) in table {
        let (operand, attributes) = (Operand::normal(dims), format!("axes {axes:?}"));
        let sum = move |x: &[crate::reference::Tensor]| reference::sum(&x[0], axes, 1.0);
        cases.push(Case::new("sum", &attributes, [operand.clone()], move |_, x| x[0].sum(axes), sum));
        let count: usize = axes.iter().map(|&a| dims[a]).product();
        let mean = move |x: &[crate::reference::Tensor]| reference::sum(&x[0], axes, 1.0 / count as f64);
        cases.push(Case::new("mean", &attributes, [operand], move |_, x| x[0].mean(axes), mean));
    }
    cases
}
