//! Functions of one and of two variables, and heat-maps.

use knuckle::ops::{Binary, Unary};

use crate::case::{Case, Fill, Operand};
use crate::reference::pointwise as reference;

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = unary();
    cases.extend(binary());
    for (n, joints, h, w, sigma) in [(2, 21, 9, 13, 1.5), (1, 1, 1, 1, 0.7), (3, 2, 5, 4, 2.0)] {
        let uv = Operand::filled([n, joints, 2], Fill::Uniform(-1.0, w as f32 + 1.0));
        cases.push(
            Case::new(
                "gaussian_heatmaps",
                format!("{h}×{w}, sigma {sigma}"),
                [uv],
                move |r, x| r.gaussian_heatmaps(x[0], h, w, sigma),
                move |x| reference::gaussian_heatmaps(&x[0], h, w, f64::from(sigma)),
            )
            .forward_only(),
        );
    }
    cases
}

fn unary() -> Vec<Case> {
    type Row = (&'static str, Unary, Fill, fn(f64) -> f64);
    let table: [Row; 11] = [
        ("affine", Unary::Affine { scale: -1.5, offset: 0.25 }, Fill::Normal, |x| -1.5 * x + 0.25),
        ("relu", Unary::Relu, Fill::NonZero, |x| x.max(0.0)),
        ("leaky_relu", Unary::LeakyRelu { slope: 0.125 }, Fill::NonZero, |x| if x > 0.0 { x } else { 0.125 * x }),
        ("sigmoid", Unary::Sigmoid, Fill::Uniform(-4.0, 4.0), |x| 1.0 / (1.0 + (-x).exp())),
        ("tanh", Unary::Tanh, Fill::Uniform(-4.0, 4.0), f64::tanh),
        ("exp", Unary::Exp, Fill::Uniform(-4.0, 4.0), f64::exp),
        ("log", Unary::Log, Fill::Uniform(0.1, 8.0), f64::ln),
        ("sqrt", Unary::Sqrt, Fill::Uniform(0.1, 8.0), f64::sqrt),
        ("abs", Unary::Abs, Fill::NonZero, f64::abs),
        ("square", Unary::Square, Fill::Normal, |x| x * x),
        ("smooth_l1", Unary::SmoothL1 { beta: 0.5 }, Fill::Normal, |x| reference::smooth_l1(x, 0.5)),
    ];
    let shapes: [&[usize]; 4] = [&[1], &[7], &[2, 3, 5], &[1, 4, 4, 21]];
    let mut cases = Vec::new();
    for (op, unary, fill, f) in table {
        for dims in shapes {
            let operand = Operand::filled(dims, fill);
            cases.push(Case::new(op, "", [operand], move |_, x| x[0].unary(unary), move |x| x[0].map(f)));
        }
    }
    cases
}

fn binary() -> Vec<Case> {
    type Row = (&'static str, Binary, fn(f64, f64) -> f64);
    let table: [Row; 6] = [
        ("add", Binary::Add, |a, b| a + b),
        ("sub", Binary::Sub, |a, b| a - b),
        ("mul", Binary::Mul, |a, b| a * b),
        ("div", Binary::Div, |a, b| a / b),
        ("max", Binary::Max, f64::max),
        ("min", Binary::Min, f64::min),
    ];
    let shapes: [(&[usize], &[usize]); 7] = [
        (&[1], &[1]),
        (&[2, 3, 5], &[2, 3, 5]),
        (&[3, 4], &[4]),
        (&[5], &[2, 3, 5]),
        (&[2, 1, 3], &[1, 4, 1]),
        (&[2, 3, 4], &[1]),
        (&[2, 1, 2, 1, 3, 2], &[3, 1, 5, 1, 2]),
    ];
    let mut cases = Vec::new();
    for (op, binary, f) in table {
        for (a, b) in shapes {
            let divisor = if op == "div" { Fill::NonZero } else { Fill::Normal };
            cases.push(Case::new(
                op,
                "",
                [Operand::normal(a), Operand::filled(b, divisor)],
                move |r, x| r.apply(binary, x),
                move |x| reference::binary(&x[0], &x[1], f),
            ));
        }
    }
    cases
}
