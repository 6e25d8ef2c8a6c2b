//! Gradients of gradients: the first gradient is the result, so that the harness checks the second.

use std::sync::Arc;

use knuckle::ops::{Binary, SpmmMatrix, Unary};
use knuckle::sparse::Csr;
use knuckle::{Recorder, Result, Var};

use crate::case::{Case, Fill, Operand};
use crate::reference::adjoint::{adjoint, sum_to, times};
use crate::reference::{Tensor, graph, layout, pointwise, pool, reduce};

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = unary();
    cases.extend(binary());
    cases.extend(nonlinear_reductions());
    cases.extend(linear());
    cases
}

/// The gradient of `Σ gy · y` with respect to `x`.
fn gradient<'r>(y: Var<'r>, gy: Var<'r>, x: Var<'r>) -> Result<Var<'r>> {
    Ok(y.pullback(gy, &[x])?.of(x).expect("y depends on x"))
}

fn unary() -> Vec<Case> {
    type Row = (&'static str, Unary, Fill, fn(f64) -> f64);
    let table: [Row; 21] = [
        ("affine_grad", Unary::Affine { scale: -1.5, offset: 0.25 }, Fill::Normal, |_| -1.5),
        ("relu_grad", Unary::Relu, Fill::NonZero, |x| f64::from(x > 0.0)),
        ("leaky_relu_grad", Unary::LeakyRelu { slope: 0.125 }, Fill::NonZero, |x| if x > 0.0 { 1.0 } else { 0.125 }),
        ("sigmoid_grad", Unary::Sigmoid, Fill::Uniform(-3.0, 3.0), |x| sigmoid(x) * sigmoid(-x)),
        ("tanh_grad", Unary::Tanh, Fill::Uniform(-2.0, 2.0), |x| x.cosh().powi(-2)),
        ("exp_grad", Unary::Exp, Fill::Uniform(-4.0, 4.0), f64::exp),
        ("log_grad", Unary::Log, Fill::Uniform(0.3, 8.0), |x| 1.0 / x),
        ("sqrt_grad", Unary::Sqrt, Fill::Uniform(0.3, 8.0), |x| 0.5 / x.sqrt()),
        ("abs_grad", Unary::Abs, Fill::NonZero, f64::signum),
        ("square_grad", Unary::Square, Fill::Normal, |x| 2.0 * x),
        ("smooth_l1_grad", Unary::SmoothL1 { beta: 0.5 }, Fill::Normal, |x| (x / 0.5).clamp(-1.0, 1.0)),
        ("huber_grad", Unary::Huber { delta: 0.75 }, Fill::Normal, |x| x.clamp(-0.75, 0.75)),
        ("elu_grad", Unary::Elu { alpha: 1.25 }, Fill::NonZero, |x| if x > 0.0 { 1.0 } else { 1.25 * x.exp() }),
        ("softplus_grad", Unary::Softplus, Fill::Uniform(-6.0, 6.0), sigmoid),
        ("gelu_grad", Unary::Gelu, Fill::Uniform(-3.0, 3.0), gelu_slope),
        ("hard_swish_grad", Unary::HardSwish, Fill::Uniform(-5.0, 5.0), hard_swish_slope),
        ("power_grad", Unary::Power { exponent: 1.5 }, Fill::Uniform(0.3, 4.0), |x| 1.5 * x.sqrt()),
        ("clamp_grad", Unary::Clamp { low: -0.5, high: 0.75 }, Fill::Normal, |x| f64::from((-0.5..0.75).contains(&x))),
        ("reciprocal_grad", Unary::Reciprocal, Fill::NonZero, |x| -1.0 / (x * x)),
        ("sin_grad", Unary::Sin, Fill::Uniform(-3.0, 3.0), f64::cos),
        ("cos_grad", Unary::Cos, Fill::Uniform(-3.0, 3.0), |x| -x.sin()),
    ];
    let shapes: [&[usize]; 3] = [&[1], &[7], &[2, 3, 4]];
    let mut cases = Vec::new();
    for (op, unary, fill, slope) in table {
        for dims in shapes {
            let operands = [Operand::filled(dims, fill), Operand::normal(dims)];
            // Times a function of x, for a first gradient that does not change with x must depend on it all the same.
            cases.push(Case::new(
                op,
                "",
                operands,
                move |_, x| gradient(x[0].unary(unary)?, x[1], x[0])?.mul(x[0].offset(1.5)?),
                move |x| times(&times(&x[1], &x[0].map(slope)), &x[0].map(|x| x + 1.5)),
            ));
        }
    }
    // The ReLU that a product has built in.
    cases.push(Case::new(
        "relu_grad",
        "in a linear layer",
        [Operand::normal([5, 4]), Operand::normal([4, 6]), Operand::normal([6]), Operand::normal([5, 6])],
        |_, x| gradient(x[0].linear(x[1], x[2], true)?, x[3], x[0])?.add(x[2].sum_all()?)?.add(x[0]),
        |x| {
            let gy = |i: usize, j: usize| {
                let sum: f64 = (0..4).map(|k| x[0].at(&[i, k]) * x[1].at(&[k, j])).sum();
                if sum + x[2].data[j] > 0.0 { x[3].at(&[i, j]) } else { 0.0 }
            };
            let bias: f64 = x[2].data.iter().sum();
            Tensor::from_fn(&[5, 4], |at| {
                (0..6).map(|j| gy(at[0], j) * x[1].at(&[at[1], j])).sum::<f64>() + bias + x[0].at(at)
            })
        },
    ));
    // Where the cotangent is x itself, two operands of the gradient are one node.
    for (op, unary, slope) in [
        ("sigmoid_grad", Unary::Sigmoid, (|x| sigmoid(x) * sigmoid(-x)) as fn(f64) -> f64),
        ("softplus_grad", Unary::Softplus, sigmoid),
        ("leaky_relu_grad", Unary::LeakyRelu { slope: 0.25 }, |x| if x > 0.0 { 1.0 } else { 0.25 }),
    ] {
        cases.push(Case::new(
            op,
            "along x",
            [Operand::filled([2, 5], Fill::NonZero)],
            move |_, x| gradient(x[0].unary(unary)?, x[0], x[0]),
            move |x| x[0].map(|v| v * slope(v)),
        ));
    }
    // A third derivative, through the formulas of the second.
    for (name, unary, third) in [
        ("sigmoid", Unary::Sigmoid, sigmoid_third as fn(f64) -> f64),
        ("softplus", Unary::Softplus, |x| sigmoid(x) * sigmoid(-x) * (1.0 - 2.0 * sigmoid(x))),
        ("exp", Unary::Exp, f64::exp),
        ("gelu", Unary::Gelu, |x| density(x) * x * (x * x - 4.0)),
        ("power", Unary::Power { exponent: 3.5 }, |x| 13.125 * x.sqrt()),
        ("reciprocal", Unary::Reciprocal, |x| -6.0 * x.powi(-4)),
        ("sin", Unary::Sin, |x| -x.cos()),
    ] {
        let fill = if name == "power" || name == "reciprocal" { Fill::Uniform(0.5, 2.0) } else { Fill::Normal };
        cases.push(Case::new(
            "third_derivative",
            name,
            [Operand::filled([9], fill)],
            move |r, x| {
                let mut y = x[0].unary(unary)?;
                for _ in 0..3 {
                    y = gradient(y, r.constant([9], &[1.0; 9])?, x[0])?;
                }
                Ok(y)
            },
            move |x| x[0].map(third),
        ));
    }
    cases
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn sigmoid_third(x: f64) -> f64 {
    let s = sigmoid(x) * sigmoid(-x);
    s * (1.0 - 6.0 * s)
}

fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

fn gelu_slope(x: f64) -> f64 {
    // x·Φ(x) over x is Φ(x).
    let distribution = if x == 0.0 { 0.5 } else { pointwise::gelu(x) / x };
    distribution + x * density(x)
}

fn hard_swish_slope(x: f64) -> f64 {
    match x {
        x if x <= -3.0 => 0.0,
        x if x >= 3.0 => 1.0,
        x => (2.0 * x + 3.0) / 6.0,
    }
}

fn binary() -> Vec<Case> {
    type Partial = fn(f64, f64) -> f64;
    type Row = (&'static str, Binary, Partial, Partial);
    let table: [Row; 8] = [
        ("add_grad", Binary::Add, |_, _| 1.0, |_, _| 1.0),
        ("sub_grad", Binary::Sub, |_, _| 1.0, |_, _| -1.0),
        ("mul_grad", Binary::Mul, |_, b| b, |a, _| a),
        ("div_grad", Binary::Div, |_, b| 1.0 / b, |a, b| -a / (b * b)),
        ("max_grad", Binary::Max, |a, b| f64::from(a > b), |a, b| f64::from(b > a)),
        ("min_grad", Binary::Min, |a, b| f64::from(a < b), |a, b| f64::from(b < a)),
        ("power_of_grad", Binary::Power, |a, b| b * a.powf(b - 1.0), |a, b| a.powf(b) * a.ln()),
        ("prelu_grad", Binary::Prelu, |a, b| if a > 0.0 { 1.0 } else { b }, |a, _| a.min(0.0)),
    ];
    let shapes: [(&[usize], &[usize]); 4] =
        [(&[2, 3, 4], &[2, 3, 4]), (&[3, 5], &[5]), (&[2, 1, 3], &[1, 4, 1]), (&[1], &[6])];
    let mut cases = Vec::new();
    for (op, binary, by_a, by_b) in table {
        for (a, b) in shapes {
            let [first, second] = match op {
                "div_grad" => [Fill::Normal, Fill::NonZero],
                "power_of_grad" => [Fill::Uniform(0.3, 3.0), Fill::Normal],
                "prelu_grad" => [Fill::NonZero, Fill::Normal],
                _ => [Fill::Normal; 2],
            };
            let both = pointwise::binary(&zeros(a), &zeros(b), |_, _| 0.0).dims;
            let operands = [Operand::filled(a, first), Operand::filled(b, second), Operand::normal(both)];
            for (i, partial) in [by_a, by_b].into_iter().enumerate() {
                // Times the one, plus the other, for a gradient may depend on neither.
                cases.push(Case::new(
                    op,
                    format!("by {}", ["a", "b"][i]),
                    operands.clone(),
                    move |r, x| {
                        let y = r.apply(binary, &x[..2])?;
                        gradient(y, x[2], x[i])?.mul(x[i])?.add(x[1 - i].sum_all()?)
                    },
                    move |x| {
                        let partial = pointwise::binary(&x[0], &x[1], partial);
                        let rest: f64 = x[1 - i].data.iter().sum();
                        times(&sum_to(&times(&x[2], &partial), &x[i].dims), &x[i]).map(|v| v + rest)
                    },
                ));
            }
        }
    }
    cases
}

fn zeros(dims: &[usize]) -> Tensor {
    Tensor::from_fn(dims, |_| 0.0)
}

/// A reduction's result and operand, each a function of the axes.
fn nonlinear_reductions() -> Vec<Case> {
    let mut cases = Vec::new();
    let table: [(&[usize], &[usize]); 5] =
        [(&[7], &[0]), (&[3, 5], &[1]), (&[2, 3, 4], &[0, 2]), (&[140], &[0]), (&[4, 1], &[1])];
    for (dims, axes) in table {
        let mut kept = dims.to_vec();
        axes.iter().for_each(|&axis| kept[axis] = 1);
        let attributes = format!("axes {axes:?}");
        cases.push(Case::new(
            "norm_grad",
            &attributes,
            [Operand::filled(dims, Fill::NonZero), Operand::normal(kept.clone())],
            move |_, x| gradient(x[0].norm(axes)?, x[1], x[0]),
            move |x| {
                let norm = reduce::norm(&x[0], axes);
                times(&pointwise::binary(&x[0], &norm, |x, norm| x / norm), &x[1])
            },
        ));
        for largest in [true, false] {
            cases.push(Case::new(
                "extreme_grad",
                format!("{}, {attributes}", if largest { "max_over" } else { "min_over" }),
                [Operand::normal(dims), Operand::normal(kept.clone())],
                move |_, x| {
                    let y = if largest { x[0].max_over(axes)? } else { x[0].min_over(axes)? };
                    gradient(y, x[1], x[0])?.mul(x[0])
                },
                move |x| {
                    let y = reduce::extreme(&x[0], axes, |a, b| if largest { a > b } else { a < b });
                    let chosen = pointwise::binary(&x[0], &y, |x, y| f64::from(x == y));
                    times(&times(&chosen, &x[1]), &x[0])
                },
            ));
        }
    }
    for (dims, axis) in [(&[5][..], 0), (&[3, 7], 1), (&[4, 3], 0), (&[2, 3, 2], 1)] {
        let operands = [Operand::filled(dims, Fill::Uniform(-3.0, 3.0)), Operand::normal(dims)];
        cases.push(Case::new(
            "softmax_grad",
            format!("axis {axis}"),
            operands.clone(),
            move |_, x| gradient(x[0].softmax(axis)?, x[1], x[0]),
            move |x| {
                let y = reduce::softmax(&x[0], axis);
                let mean = reduce::sum(&times(&y, &x[1]), &[axis], 1.0);
                times(&y, &pointwise::binary(&x[1], &mean, |gy, mean| gy - mean))
            },
        ));
        cases.push(Case::new(
            "log_softmax_grad",
            format!("axis {axis}"),
            operands,
            move |_, x| gradient(x[0].log_softmax(axis)?, x[1], x[0]),
            move |x| {
                let sum = reduce::sum(&x[1], &[axis], 1.0);
                let part = times(&reduce::softmax(&x[0], axis), &sum);
                pointwise::binary(&x[1], &part, |gy, part| gy - part)
            },
        ));
    }
    cases
}

type Record = Box<dyn for<'r> Fn(&'r Recorder, Var<'r>) -> Result<Var<'r>> + Send + Sync>;
type Linear = Box<dyn Fn(&Tensor) -> Tensor + Send + Sync>;

/// Operators that are linear: their first gradient is their adjoint, the second the operator again.
fn linear() -> Vec<Case> {
    let record = |f: Record| f;
    let linear = |f: Linear| f;
    let triplets = [(0, 1, 0.5), (0, 4, -1.0), (2, 0, 2.0), (2, 3, 0.25), (3, 4, 1.5)];
    let matrix = SpmmMatrix::new(Csr::from_triplets(4, 5, &triplets).expect("inside")).expect("consistent");
    let shared = Arc::clone(&matrix);
    let table: Vec<(&str, &[usize], Record, Linear)> = vec![
        ("sum", &[2, 3, 4], record(Box::new(|_, x| x.sum(&[1]))), linear(Box::new(|x| reduce::sum(x, &[1], 1.0)))),
        (
            "sum of far axes",
            &[2, 3, 4],
            record(Box::new(|_, x| x.sum(&[0, 2]))),
            linear(Box::new(|x| reduce::sum(x, &[0, 2], 1.0))),
        ),
        ("mean", &[3, 4], record(Box::new(|_, x| x.mean(&[0]))), linear(Box::new(|x| reduce::sum(x, &[0], 1.0 / 3.0)))),
        (
            "long mean",
            &[150],
            record(Box::new(|_, x| x.mean(&[0]))),
            linear(Box::new(|x| reduce::sum(x, &[0], 1.0 / 150.0))),
        ),
        (
            "broadcast",
            &[3, 1],
            record(Box::new(|_, x| x.broadcast([2, 3, 4]))),
            linear(Box::new(|x| layout::broadcast(x, &[2, 3, 4]))),
        ),
        (
            "reshape",
            &[3, 4],
            record(Box::new(|_, x| x.reshape([2, 6]))),
            linear(Box::new(|x| layout::reshape(x, &[2, 6]))),
        ),
        (
            "permute",
            &[2, 3, 4],
            record(Box::new(|_, x| x.permute(&[2, 0, 1]))),
            linear(Box::new(|x| layout::permute(x, &[2, 0, 1]))),
        ),
        ("slice", &[3, 8], record(Box::new(|_, x| x.slice(1, 2, 4))), linear(Box::new(|x| layout::slice(x, 1, 2, 4)))),
        (
            "concat with itself",
            &[2, 3],
            record(Box::new(|r, x| r.concat(&[x, x.scale(2.0)?, x], 1))),
            linear(Box::new(|x| layout::concat(&[x.clone(), x.map(|v| 2.0 * v), x.clone()], 1))),
        ),
        (
            "gather_rows",
            &[2, 4, 3],
            record(Box::new(|_, x| x.gather_rows(&[3, 0, 0, 1]))),
            linear(Box::new(|x| graph::gather_rows(x, &[3, 0, 0, 1]))),
        ),
        (
            "graph_pool_mean",
            &[1, 6, 3],
            record(Box::new(|_, x| x.graph_pool_mean(2))),
            linear(Box::new(|x| graph::pool_mean(x, 2))),
        ),
        (
            "graph_upsample",
            &[2, 3, 4],
            record(Box::new(|_, x| x.graph_upsample(2))),
            linear(Box::new(|x| graph::upsample(x, 2))),
        ),
        (
            "upsample_nearest",
            &[1, 2, 3, 2],
            record(Box::new(|_, x| x.upsample_nearest(2))),
            linear(Box::new(|x| pool::upsample_nearest(x, 2))),
        ),
        (
            "spmm",
            &[2, 5, 3],
            record(Box::new(move |_, x| x.spmm(&shared))),
            linear(Box::new(move |x| {
                let entries: Vec<_> = triplets.iter().map(|&(i, j, v)| (i, j, f64::from(v))).collect();
                graph::spmm(&entries, 4, x, 1.0, None, 0.0)
            })),
        ),
    ];
    let case = |(name, dims, record, linear): (&str, &'static [usize], Record, Linear)| {
        let result = linear(&zeros(dims)).dims;
        Case::new(
            "adjoint",
            name,
            [Operand::normal(dims), Operand::normal(result)],
            move |r, x| gradient(record(r, x[0])?, x[1], x[0])?.mul(x[0]),
            move |x| times(&adjoint(&linear, &x[0].dims, &x[1]), &x[0]),
        )
    };
    table.into_iter().map(case).collect()
}
