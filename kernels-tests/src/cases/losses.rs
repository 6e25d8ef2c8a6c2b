//! Losses, each with every reduction.

use knuckle::nn::losses::{self as losses, Reduction};
use knuckle::{Recorder, Result, Var};

use crate::case::{Case, Fill, Operand};
use crate::reference::Tensor;
use crate::reference::losses as reference;
use crate::reference::pointwise::{binary, huber, smooth_l1};

type Reduce = fn(&Tensor) -> Tensor;

const REDUCTIONS: [(Reduction, Reduce); 4] = [
    (Reduction::Mean, reference::mean),
    (Reduction::Sum, reference::sum),
    (Reduction::BatchMean, reference::batch_mean),
    (Reduction::PerSample, reference::per_sample),
];

/// A loss with each reduction in turn, from how it is recorded and what its elements are.
fn reduced<B, E>(op: &'static str, attributes: &str, operands: &[Operand], build: B, elements: E) -> Vec<Case>
where
    B: for<'r> Fn(&'r Recorder, &[Var<'r>], Reduction) -> Result<Var<'r>> + Copy + Send + Sync + 'static,
    E: Fn(&[Tensor]) -> Tensor + Copy + Send + Sync + 'static,
{
    let case = |(reduction, reduce): (Reduction, Reduce)| {
        let attributes = format!("{attributes} {reduction:?}");
        Case::new(op, attributes.trim(), operands, move |r, x| build(r, x, reduction), move |x| reduce(&elements(x)))
    };
    REDUCTIONS.into_iter().map(case).collect()
}

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = elements();
    cases.extend(one_hot());
    cases.extend(classes());
    cases.extend(directions());
    cases.extend(critics());
    cases
}

fn elements() -> Vec<Case> {
    let mut cases = Vec::new();
    for dims in [&[1][..], &[5], &[3, 7], &[2, 3, 5, 4]] {
        let pair = [Operand::normal(dims), Operand::normal(dims)];
        cases.extend(reduced(
            "l1_loss",
            "",
            &pair,
            |_, x, reduction| losses::l1_loss(x[0], x[1], reduction),
            |x| binary(&x[0], &x[1], |a, b| (a - b).abs()),
        ));
        cases.extend(reduced(
            "mse_loss",
            "",
            &pair,
            |_, x, reduction| losses::mse_loss(x[0], x[1], reduction),
            |x| binary(&x[0], &x[1], |a, b| (a - b).powi(2)),
        ));
        cases.extend(reduced(
            "smooth_l1_loss",
            "",
            &pair,
            |_, x, reduction| losses::smooth_l1_loss(x[0], x[1], 0.5, reduction),
            |x| binary(&x[0], &x[1], |a, b| smooth_l1(a - b, 0.5)),
        ));
        cases.extend(reduced(
            "huber_loss",
            "",
            &pair,
            |_, x, reduction| losses::huber_loss(x[0], x[1], 0.75, reduction),
            |x| binary(&x[0], &x[1], |a, b| huber(a - b, 0.75)),
        ));
        // Logits as large as they come, where naive formulas overflow or lose the smaller logarithm.
        for (range, name) in [(3.0, "small"), (60.0, "large")] {
            let operands =
                [Operand::filled(dims, Fill::Uniform(-range, range)), Operand::filled(dims, Fill::Uniform(0.0, 1.0))];
            cases.extend(reduced(
                "binary_cross_entropy",
                name,
                &operands,
                |_, x, reduction| losses::binary_cross_entropy_with_logits(x[0], x[1], None, reduction),
                |x| binary(&x[0], &x[1], |x, t| reference::binary_cross_entropy(x, t, 1.0)),
            ));
        }
        let channels = dims[dims.len() - 1];
        let operands = [
            Operand::filled(dims, Fill::Uniform(-5.0, 5.0)),
            Operand::filled(dims, Fill::Uniform(0.0, 1.0)),
            Operand::filled([channels], Fill::Uniform(0.5, 3.0)),
        ];
        cases.extend(reduced(
            "binary_cross_entropy",
            "weighted",
            &operands,
            |_, x, reduction| losses::binary_cross_entropy_with_logits(x[0], x[1], Some(x[2]), reduction),
            |x| {
                let channels = x[2].data.len();
                let data = (0..x[0].data.len())
                    .map(|i| reference::binary_cross_entropy(x[0].data[i], x[1].data[i], x[2].data[i % channels]));
                Tensor { dims: x[0].dims.clone(), data: data.collect() }
            },
        ));
    }
    cases
}

fn one_hot() -> Vec<Case> {
    let mut cases = Vec::new();
    for (dims, classes) in [(&[1][..], 1), (&[5], 3), (&[2, 3], 4), (&[2, 3, 5], 21), (&[300], 2)] {
        let case = Case::new(
            "one_hot",
            format!("{classes} classes, f32"),
            // Some are no class.
            [Operand::filled(dims, Fill::Whole(classes as u32 + 1))],
            move |_, x| x[0].one_hot(classes),
            move |x| {
                let dims = [x[0].dims.as_slice(), &[classes]].concat();
                let data =
                    x[0].data.iter().flat_map(|&v| (0..classes).map(move |c| f64::from(u8::from(v == c as f64))));
                Tensor { dims, data: data.collect() }
            },
        );
        cases.push(case.forward_only());
        // Places of the largest elements are u32.
        let wide = [dims, &[classes]].concat();
        let case = Case::new(
            "one_hot",
            format!("{classes} classes, u32"),
            [Operand::normal(wide.clone())],
            move |_, x| x[0].arg_max(wide.len() - 1)?.reshape(&wide[..wide.len() - 1])?.one_hot(classes),
            move |x| {
                let hot = x[0].data.chunks_exact(classes).flat_map(|row| {
                    let largest = row.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v));
                    row.iter().map(move |v| f64::from(u8::from(*v == largest)))
                });
                Tensor { dims: x[0].dims.clone(), data: hot.collect() }
            },
        );
        cases.push(case.forward_only());
    }
    cases
}

/// The class of row i, the same for every run.
fn class(row: usize, classes: usize) -> usize {
    (row * row + row / 3) % classes
}

fn classes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (dims, range, smoothing) in [
        (&[1, 1][..], 3.0, 0.0f32),
        (&[4, 5], 3.0, 0.0),
        (&[4, 5], 3.0, 0.1),
        (&[3, 2, 21], 80.0, 0.0),
        (&[2, 3, 2, 4], 5.0, 0.25),
        (&[7, 2], 5.0, 1.0),
    ] {
        let logits = Operand::filled(dims, Fill::Uniform(-range, range));
        let rows = || dims[..dims.len() - 1].iter().product::<usize>();
        for (reduction, reduce) in REDUCTIONS {
            cases.push(Case::new(
                "cross_entropy",
                format!("range {range}, smoothing {smoothing}, {reduction:?}"),
                [logits.clone()],
                move |r, x| {
                    let numbers: Vec<f32> = (0..rows()).map(|i| class(i, dims[dims.len() - 1]) as f32).collect();
                    let numbers = r.constant(&dims[..dims.len() - 1], &numbers)?;
                    losses::cross_entropy(x[0], numbers, smoothing, reduction)
                },
                move |x| {
                    let numbers: Vec<f64> = (0..rows()).map(|i| class(i, dims[dims.len() - 1]) as f64).collect();
                    let numbers = Tensor { dims: vec![rows()], data: numbers };
                    let element = |logits: &[f64], class: &[f64]| {
                        let target = reference::smoothed(class[0] as usize, logits.len(), smoothing.into());
                        reference::cross_entropy(logits, &target)
                    };
                    reduce(&reference::rows(&x[0], &numbers, element))
                },
            ));
        }
    }
    for dims in [&[1, 1][..], &[4, 5], &[2, 3, 21], &[2, 3, 2, 4]] {
        let operands =
            [Operand::filled(dims, Fill::Uniform(-5.0, 5.0)), Operand::filled(dims, Fill::Uniform(0.0, 1.0))];
        cases.extend(reduced(
            "soft_cross_entropy",
            "",
            &operands,
            |_, x, reduction| losses::soft_cross_entropy(x[0], x[1], reduction),
            |x| reference::rows(&x[0], &x[1], reference::cross_entropy),
        ));
        let operands = [0, 1].map(|_| Operand::filled(dims, Fill::Uniform(-4.0, 4.0)));
        cases.extend(reduced(
            "kl_divergence",
            "",
            &operands,
            |_, x, reduction| {
                let axis = x[0].shape().rank() - 1;
                losses::kl_divergence(x[0].log_softmax(axis)?, x[1].log_softmax(axis)?, reduction)
            },
            |x| {
                reference::rows(&x[0], &x[1], |q, p| {
                    let (q, p) = (reference::log_softmax(q), reference::log_softmax(p));
                    p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum()
                })
            },
        ));
    }
    cases
}

fn directions() -> Vec<Case> {
    let mut cases = Vec::new();
    for dims in [&[1, 1][..], &[4, 3], &[2, 3, 5], &[3, 130]] {
        let pair = [Operand::filled(dims, Fill::NonZero), Operand::filled(dims, Fill::NonZero)];
        cases.push(Case::new(
            "cosine_similarity",
            "",
            pair.clone(),
            |_, x| losses::cosine_similarity(x[0], x[1], 1e-8),
            |x| reference::rows(&x[0], &x[1], reference::cosine),
        ));
        // One vector in two is said to be alike.
        for (reduction, reduce) in REDUCTIONS {
            let rows = dims[..dims.len() - 1].to_vec();
            cases.push(Case::new(
                "cosine_embedding_loss",
                format!("{reduction:?}"),
                pair.clone(),
                move |r, x| {
                    let n: usize = rows.iter().product();
                    let labels: Vec<f32> = (0..n).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
                    let labels = r.constant(rows.as_slice(), &labels)?;
                    losses::cosine_embedding_loss(x[0], x[1], labels, -0.75, reduction)
                },
                move |x| {
                    let mut cosines = reference::rows(&x[0], &x[1], reference::cosine);
                    for (i, v) in cosines.data.iter_mut().enumerate() {
                        *v = if i % 2 == 0 { 1.0 - *v } else { (*v + 0.75).max(0.0) };
                    }
                    reduce(&cosines)
                },
            ));
        }
    }
    const FINGERS: &[(usize, usize)] = &[(0, 1), (1, 2), (0, 3), (3, 4)];
    for (dims, bones) in [([1, 2, 1], &[(0, 1)][..]), ([2, 5, 3], FINGERS), ([3, 5, 2], FINGERS)] {
        for (reduction, reduce) in REDUCTIONS {
            let pair = [Operand::normal(dims), Operand::normal(dims)];
            let attributes = format!("{} bones, {reduction:?}", bones.len());
            cases.push(Case::new(
                "bone_length_loss",
                &attributes,
                pair.clone(),
                move |_, x| losses::bone_length_loss(x[0], x[1], bones, reduction),
                move |x| reduce(&reference::bones(&x[0], &x[1], bones, reference::length_difference)),
            ));
            if dims[2] > 1 {
                cases.push(Case::new(
                    "bone_direction_loss",
                    &attributes,
                    pair,
                    move |_, x| losses::bone_direction_loss(x[0], x[1], bones, reduction),
                    move |x| reduce(&reference::bones(&x[0], &x[1], bones, reference::direction_difference)),
                ));
            }
        }
    }
    cases
}

fn critics() -> Vec<Case> {
    let mut cases = Vec::new();
    let hinge = |real: f64, fake: f64| (1.0 - real).max(0.0) + (1.0 + fake).max(0.0);
    for dims in [&[1, 1][..], &[6, 1], &[2, 3, 3, 1]] {
        let pair = [Operand::normal(dims), Operand::normal(dims)];
        cases.extend(reduced(
            "hinge_loss",
            "critic",
            &pair,
            |_, x, reduction| losses::hinge_critic_loss(x[0], x[1], reduction),
            move |x| binary(&x[0], &x[1], hinge),
        ));
        cases.extend(reduced(
            "wasserstein_loss",
            "critic",
            &pair,
            |_, x, reduction| losses::wasserstein_critic_loss(x[0], x[1], reduction),
            |x| binary(&x[0], &x[1], |real, fake| fake - real),
        ));
        cases.extend(reduced(
            "hinge_loss",
            "generator",
            &pair[..1],
            |_, x, reduction| losses::hinge_generator_loss(x[0], reduction),
            |x| x[0].map(|v| -v),
        ));
        cases.extend(reduced(
            "wasserstein_loss",
            "generator",
            &pair[..1],
            |_, x, reduction| losses::wasserstein_generator_loss(x[0], reduction),
            |x| x[0].map(|v| -v),
        ));
    }
    for (batch, inputs, hidden) in [(1, 1, 1), (3, 2, 4), (5, 4, 3), (2, 9, 8)] {
        let weight = |rows: usize, columns: usize| Operand::normal([rows, columns]);
        for (reduction, reduce) in REDUCTIONS {
            cases.push(Case::new(
                "gradient_penalty",
                format!("{batch} samples, smooth critic, {reduction:?}"),
                [weight(inputs, hidden), Operand::normal([hidden]), weight(hidden, 1)],
                move |r, x| {
                    let [real, fake, mix] = points(r, batch, inputs)?;
                    losses::gradient_penalty(real, fake, mix, reduction, |at| {
                        at.linear(x[0], x[1], false)?.softplus()?.matmul(x[2])
                    })
                },
                move |x| reduce(&reference::gradient_penalty(&between(batch, inputs), &x[0], &x[1], &x[2])),
            ));
            cases.push(Case::new(
                "gradient_penalty",
                format!("{batch} samples, deep critic, {reduction:?}"),
                [weight(inputs, hidden), weight(hidden, 5), weight(5, 1)],
                move |r, x| {
                    let [real, fake, mix] = points(r, batch, inputs)?;
                    losses::gradient_penalty(real, fake, mix, reduction, |at| {
                        let hidden = at.matmul(x[0])?.leaky_relu(0.2)?;
                        hidden.matmul(x[1])?.leaky_relu(0.2)?.matmul(x[2])
                    })
                },
                move |x| reduce(&reference::deep_gradient_penalty(&between(batch, inputs), &x[0], &x[1], &x[2])),
            ));
        }
    }
    cases
}

/// Samples that a penalty lies between, the same for every run: no gradient goes back to them.
fn sample(kind: usize, i: usize) -> f32 {
    ((kind * 57 + i * 13) % 29) as f32 / 10.0 - 1.4
}

/// Real and fake samples, and how far from the fake towards the real one to go.
fn points(r: &Recorder, batch: usize, inputs: usize) -> Result<[Var<'_>; 3]> {
    let values = |kind: usize| (0..batch * inputs).map(|i| sample(kind, i)).collect::<Vec<f32>>();
    let mix: Vec<f32> = (0..batch).map(|i| (i as f32 + 0.5) / batch as f32).collect();
    Ok([r.constant([batch, inputs], &values(1))?, r.constant([batch, inputs], &values(2))?, r.constant([batch], &mix)?])
}

/// Where they meet.
fn between(batch: usize, inputs: usize) -> Tensor {
    Tensor::from_fn(&[batch, inputs], |i| {
        let [real, fake] = [1, 2].map(|kind| f64::from(sample(kind, i[0] * inputs + i[1])));
        fake + (real - fake) * (i[0] as f64 + 0.5) / batch as f64
    })
}
