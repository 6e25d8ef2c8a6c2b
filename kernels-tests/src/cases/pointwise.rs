//! Functions of one and of two variables.

use knuckle::ops::{Binary, Comparison, Unary};

use crate::case::{Case, Fill, Operand};
use crate::reference::{Tensor, pointwise as reference};

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = unary();
    cases.extend(binary());
    cases.extend(comparisons());
    cases.extend(selections());
    cases
}

fn unary() -> Vec<Case> {
    type Row = (&'static str, Unary, Fill, fn(f64) -> f64);
    let table: [Row; 21] = [
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
        ("huber", Unary::Huber { delta: 0.75 }, Fill::Normal, |x| reference::huber(x, 0.75)),
        ("elu", Unary::Elu { alpha: 1.25 }, Fill::NonZero, |x| if x > 0.0 { x } else { 1.25 * x.exp_m1() }),
        ("softplus", Unary::Softplus, Fill::Uniform(-6.0, 6.0), |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        ("gelu", Unary::Gelu, Fill::Uniform(-4.0, 4.0), reference::gelu),
        ("hard_swish", Unary::HardSwish, Fill::Uniform(-5.0, 5.0), |x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0),
        ("power", Unary::Power { exponent: 1.5 }, Fill::Uniform(0.1, 4.0), |x| x.powf(1.5)),
        ("clamp", Unary::Clamp { low: -0.5, high: 0.75 }, Fill::Normal, |x| x.clamp(-0.5, 0.75)),
        ("reciprocal", Unary::Reciprocal, Fill::NonZero, |x| 1.0 / x),
        ("sin", Unary::Sin, Fill::Uniform(-3.0, 3.0), f64::sin),
        ("cos", Unary::Cos, Fill::Uniform(-3.0, 3.0), f64::cos),
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
    let table: [Row; 8] = [
        ("add", Binary::Add, |a, b| a + b),
        ("sub", Binary::Sub, |a, b| a - b),
        ("mul", Binary::Mul, |a, b| a * b),
        ("div", Binary::Div, |a, b| a / b),
        ("max", Binary::Max, f64::max),
        ("min", Binary::Min, f64::min),
        ("power_of", Binary::Power, f64::powf),
        ("prelu", Binary::Prelu, |a, b| if a > 0.0 { a } else { b * a }),
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
            let [first, second] = match op {
                "div" => [Fill::Normal, Fill::NonZero],
                "power_of" => [Fill::Uniform(0.2, 3.0), Fill::Normal],
                "prelu" => [Fill::NonZero, Fill::Normal],
                _ => [Fill::Normal; 2],
            };
            cases.push(Case::new(
                op,
                "",
                [Operand::filled(a, first), Operand::filled(b, second)],
                move |r, x| r.apply(binary, x),
                move |x| reference::binary(&x[0], &x[1], f),
            ));
        }
    }
    cases
}

/// Operands are drawn from a few values, so that many pairs are equal.
fn comparisons() -> Vec<Case> {
    type Row = (&'static str, Comparison, fn(f64, f64) -> bool);
    let table: [Row; 6] = [
        ("equal", Comparison::Equal, |a, b| a == b),
        ("not_equal", Comparison::NotEqual, |a, b| a != b),
        ("less", Comparison::Less, |a, b| a < b),
        ("less_equal", Comparison::LessEqual, |a, b| a <= b),
        ("greater", Comparison::Greater, |a, b| a > b),
        ("greater_equal", Comparison::GreaterEqual, |a, b| a >= b),
    ];
    let shapes: [(&[usize], &[usize]); 4] =
        [(&[1], &[1]), (&[2, 3, 5], &[2, 3, 5]), (&[7, 4], &[4]), (&[2, 1, 3], &[4, 1])];
    let mut cases = Vec::new();
    for (op, comparison, holds) in table {
        for (a, b) in shapes {
            let operands = [Operand::filled(a, Fill::Whole(3)), Operand::filled(b, Fill::Whole(3))];
            let reference = move |x: &[Tensor]| reference::binary(&x[0], &x[1], |a, b| f64::from(holds(a, b)));
            let case = Case::new(op, "", operands, move |_, x| x[0].compare(comparison, x[1]), reference);
            cases.push(case.forward_only());
        }
    }
    cases
}

fn selections() -> Vec<Case> {
    let shapes: [&[usize]; 4] = [&[1], &[7], &[2, 3, 5], &[1, 4, 4, 21]];
    let case = |dims: &[usize]| {
        let operands = [Operand::normal(dims), Operand::normal(dims)];
        // Which elements are taken depends on their place alone, so that the gradient has no jumps.
        let pattern = |n: usize| (0..n).map(|i| if i * i % 3 == 1 { 0.5 } else { 0.0 }).collect::<Vec<f32>>();
        Case::new(
            "select",
            "",
            operands,
            move |r, x| r.constant(x[0].shape(), &pattern(x[0].shape().numel()))?.select(x[0], x[1]),
            move |x| reference::select(&pattern(x[0].data.len()), &x[0], &x[1]),
        )
    };
    shapes.into_iter().map(case).collect()
}
