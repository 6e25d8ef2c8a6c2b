//! Sums, means, norms, extremes and softmax.

use crate::case::{Case, Fill, Operand};
use crate::reference::{Tensor, reduce as reference};

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
        let sum = move |x: &[Tensor]| reference::sum(&x[0], axes, 1.0);
        cases.push(Case::new("sum", &attributes, [operand.clone()], move |_, x| x[0].sum(axes), sum));
        let count: usize = axes.iter().map(|&a| dims[a]).product();
        let mean = move |x: &[Tensor]| reference::sum(&x[0], axes, 1.0 / count as f64);
        cases.push(Case::new("mean", &attributes, [operand.clone()], move |_, x| x[0].mean(axes), mean));
        let norm = move |x: &[Tensor]| reference::norm(&x[0], axes);
        // Of a single element near 0 the norm has a kink.
        let away = Operand::filled(dims, Fill::NonZero);
        cases.push(Case::new("norm", &attributes, [away], move |_, x| x[0].norm(axes), norm));
        let max = move |x: &[Tensor]| reference::extreme(&x[0], axes, |a, b| a > b);
        cases.push(Case::new("max_over", &attributes, [operand.clone()], move |_, x| x[0].max_over(axes), max));
        let min = move |x: &[Tensor]| reference::extreme(&x[0], axes, |a, b| a < b);
        cases.push(Case::new("min_over", &attributes, [operand], move |_, x| x[0].min_over(axes), min));
        for &axis in axes {
            // With many equals, of which the first counts.
            let operand = Operand::filled(dims, Fill::Whole(9));
            let attributes = format!("axis {axis} of {axes:?}");
            let max = move |x: &[Tensor]| reference::arg_extreme(&x[0], axis, |a, b| a > b);
            let min = move |x: &[Tensor]| reference::arg_extreme(&x[0], axis, |a, b| a < b);
            let arg_max = Case::new("arg_max", &attributes, [operand.clone()], move |_, x| x[0].arg_max(axis), max);
            let arg_min = Case::new("arg_min", &attributes, [operand], move |_, x| x[0].arg_min(axis), min);
            cases.extend([arg_max.forward_only(), arg_min.forward_only()]);
        }
    }
    // An axis named twice counts once; of no axes the norm is that of each element.
    let twice = Operand::normal([3, 4]);
    cases.push(Case::new(
        "mean",
        "axes [1, 0, 1]",
        [twice],
        |_, x| x[0].mean(&[1, 0, 1]),
        |x| reference::sum(&x[0], &[0, 1], 1.0 / 12.0),
    ));
    let none = Operand::filled([3, 4], Fill::NonZero);
    cases.push(Case::new("norm", "axes []", [none], |_, x| x[0].norm(&[]), |x| x[0].map(f64::abs)));
    // The longest axis of one thread, and such as take several.
    let rows: [(&[usize], usize); 11] = [
        (&[1], 0),
        (&[7], 0),
        (&[3, 21], 1),
        (&[300, 3], 0),
        (&[2, 5, 4], 1),
        (&[2, 4, 4, 130], 3),
        (&[1024], 0),
        (&[1025], 0),
        (&[2, 1100], 1),
        (&[1030, 3], 0),
        (&[2, 2049, 3], 1),
    ];
    cases.extend(rows.into_iter().flat_map(|(dims, axis)| softmax(dims, axis)));
    cases
}

/// Softmax and its logarithm along an axis.
pub fn softmax(dims: &'static [usize], axis: usize) -> [Case; 2] {
    let operand = Operand::filled(dims, Fill::Uniform(-6.0, 6.0));
    let attributes = format!("axis {axis}");
    let value = move |x: &[Tensor]| reference::softmax(&x[0], axis);
    let log = move |x: &[Tensor]| reference::softmax(&x[0], axis).map(f64::ln);
    [
        Case::new("softmax", &attributes, [operand.clone()], move |_, x| x[0].softmax(axis), value),
        Case::new("log_softmax", &attributes, [operand], move |_, x| x[0].log_softmax(axis), log),
    ]
}
