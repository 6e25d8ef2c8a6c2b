//! Normalisation of batches and of groups of elements, and the gradients of their gradients.

use knuckle::graph::TensorData;
use knuckle::{Init, Result, TensorType, Var, nn};

use crate::case::{Case, Fill, Operand};
use crate::reference::Tensor;
use crate::reference::norm as reference;
use crate::reference::norm::Over;

const EPS: f32 = 1e-5;

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // At least four rows: two normalise to ±1 whatever they are, and a gradient of nothing but rounding is left.
    // The last is long and wide enough for threads that take several channels of a row, and cuts its rows into blocks, the last a shorter one.
    let table: [&[usize]; 8] =
        [&[4, 1], &[7, 3], &[2, 3, 5, 8], &[1, 4, 4, 21], &[3, 5, 4], &[300, 4], &[5, 1, 1, 12], &[5, 211, 96]];
    for dims in table {
        let channels = dims[dims.len() - 1];
        let affine = || Operand::normal([2, channels]);
        // Given statistics are constants: no gradient reaches them.
        let given: Vec<f32> = (0..2 * channels).map(|i| 0.2 + 0.13 * i as f32).collect();
        for relu in [false, true] {
            let attributes = if relu { "relu" } else { "" };
            cases.push(Case::new(
                "batch_norm_train",
                attributes,
                [Operand::normal(dims), affine()],
                move |_, x| Ok(x[0].batch_norm_train(x[1], EPS, relu)?.y),
                move |x| reference::batch_norm(&x[0], &x[1], &reference::statistics(&x[0]), EPS.into(), relu),
            ));
            let (on_device, on_host) = (given.clone(), given.clone());
            cases.push(Case::new(
                "batch_norm_infer",
                attributes,
                [Operand::normal(dims), affine()],
                move |r, x| x[0].batch_norm_infer(x[1], r.constant([2, channels], &on_device)?, EPS, relu),
                move |x| {
                    let data = on_host.iter().map(|&v| v.into()).collect();
                    let statistics = Tensor { dims: vec![2, channels], data };
                    reference::batch_norm(&x[0], &x[1], &statistics, EPS.into(), relu)
                },
            ));
        }
        let case = Case::new(
            "batch_norm_statistics",
            "",
            [Operand::normal(dims)],
            move |r, x| {
                let affine = r.constant([2, channels], &vec![1.0; 2 * channels])?;
                Ok(x[0].batch_norm_train(affine, EPS, false)?.statistics)
            },
            |x| reference::statistics(&x[0]),
        );
        // Running statistics are not learnt, so they have no gradient.
        cases.push(case.forward_only());
    }
    // The gradients of the two paths meet in one kernel.
    for channels in [3, 8] {
        cases.push(Case::new(
            "batch_norm_train_joined",
            "plus its input",
            [Operand::normal([3, 7, channels]), Operand::normal([2, channels])],
            |_, x| x[0].batch_norm_train(x[1], EPS, true)?.y.add(x[0]),
            |x| {
                let mut y = reference::batch_norm(&x[0], &x[1], &reference::statistics(&x[0]), EPS.into(), true);
                y.data.iter_mut().zip(&x[0].data).for_each(|(y, x)| *y += x);
                y
            },
        ));
    }
    // A mean a thousand times the deviation must not cost the variance its digits.
    let far = Case::new(
        "batch_norm_statistics",
        "mean 1000",
        [Operand::normal([2000, 4])],
        |r, x| {
            let affine = r.constant([2, 4], &[1.0; 8])?;
            Ok(x[0].offset(1000.0)?.batch_norm_train(affine, EPS, false)?.statistics)
        },
        |x| {
            // The shifted values as f32 holds them.
            let data = x[0].data.iter().map(|v| f64::from(*v as f32 + 1000.0)).collect();
            reference::statistics(&Tensor { dims: x[0].dims.clone(), data })
        },
    );
    cases.push(far.forward_only());
    for dims in [&[6, 5][..], &[3, 4, 8]] {
        cases.push(Case::new(
            "batch_norm_train",
            "without affine",
            [Operand::normal(dims)],
            |_, x| Ok(x[0].batch_norm_train(None, EPS, false)?.y),
            |x| reference::group_norm(&x[0], None, Over::Batch, EPS.into()),
        ));
        let channels = dims[dims.len() - 1];
        cases.push(Case::new(
            "batch_norm_infer",
            "without affine",
            [Operand::normal(dims)],
            move |r, x| {
                let given: Vec<f32> = (0..2 * channels).map(|i| 0.3 + 0.2 * i as f32).collect();
                x[0].batch_norm_infer(None, r.constant([2, channels], &given)?, EPS, false)
            },
            move |x| {
                let given: Vec<f64> = (0..2 * channels).map(|i| f64::from(0.3 + 0.2 * i as f32)).collect();
                let neutral = [vec![1.0; channels], vec![0.0; channels]].concat();
                let pair = |data: Vec<f64>| Tensor { dims: vec![2, channels], data };
                reference::batch_norm(&x[0], &pair(neutral), &pair(given), EPS.into(), false)
            },
        ));
    }
    cases.extend(groups());
    cases.extend(spectral());
    cases.extend(second_derivatives());
    cases
}

/// Records a normalisation of `x`, without statistics of its own.
fn record<'r>(over: Over, x: Var<'r>, affine: Option<Var<'r>>) -> Result<Var<'r>> {
    let channels = x.shape().channels();
    match over {
        Over::Batch => Ok(x.batch_norm_train(affine, EPS, false)?.y),
        Over::Row => x.layer_norm(affine, EPS),
        Over::Groups(groups) if groups == channels => x.instance_norm(affine, EPS),
        Over::Groups(groups) => x.group_norm(groups, affine, EPS),
    }
}

fn groups() -> Vec<Case> {
    let layer = |dims: &'static [usize]| ("layer_norm", dims, Over::Row);
    let instance = |dims: &'static [usize]| ("instance_norm", dims, Over::Groups(dims[dims.len() - 1]));
    let group = |dims: &'static [usize], groups: usize| ("group_norm", dims, Over::Groups(groups));
    // Groups of three elements or more, or of one, whose gradient is 0 exactly.
    let table: [(&'static str, &'static [usize], Over); 36] = [
        layer(&[1]),
        layer(&[5]),
        layer(&[4, 1]),
        layer(&[1, 7]),
        layer(&[3, 4]),
        layer(&[2, 3, 12]),
        layer(&[2, 3, 5, 21]),
        layer(&[37, 8]),
        layer(&[300, 4]),
        layer(&[2, 130]),
        layer(&[1, 515]),
        layer(&[3, 1040]),
        layer(&[11, 64]),
        layer(&[3, 384]),
        instance(&[1, 1]),
        instance(&[3, 4]),
        instance(&[1, 3, 1]),
        instance(&[2, 5, 3]),
        instance(&[2, 7, 8]),
        instance(&[1, 4, 4, 21]),
        instance(&[3, 3, 5, 4]),
        instance(&[2, 1, 9, 12]),
        instance(&[1, 300, 4]),
        instance(&[2, 18, 15, 1]),
        instance(&[2, 19, 64]),
        group(&[1, 3], 1),
        group(&[2, 12], 3),
        group(&[2, 5, 6], 2),
        group(&[1, 4, 4, 21], 7),
        group(&[3, 2, 3, 16], 4),
        group(&[2, 3, 3, 32], 8),
        group(&[1, 9, 8], 1),
        group(&[2, 40, 8], 2),
        group(&[1, 300, 6], 2),
        group(&[2, 11, 96], 4),
        group(&[9, 128], 2),
    ];
    let mut cases = Vec::new();
    for (op, dims, over) in table {
        let channels = dims[dims.len() - 1];
        let attributes = if op == "group_norm" { format!("{over:?}") } else { String::new() };
        cases.push(Case::new(
            op,
            format!("{attributes} affine").trim(),
            [Operand::normal(dims), Operand::normal([2, channels])],
            move |_, x| record(over, x[0], Some(x[1])),
            move |x| reference::group_norm(&x[0], Some(&x[1]), over, EPS.into()),
        ));
        if dims.len() != 3 {
            cases.push(Case::new(
                op,
                attributes,
                [Operand::normal(dims)],
                move |_, x| record(over, x[0], None),
                move |x| reference::group_norm(&x[0], None, over, EPS.into()),
            ));
        }
    }
    // Layers with an affine parameter of their own.
    type Layer = for<'r> fn(Var<'r>) -> Result<Var<'r>>;
    let layers: [(&str, Layer, Over); 3] = [
        ("instance_norm", |x| nn::instance_norm(x, "layer"), Over::Groups(6)),
        ("layer_norm", |x| nn::layer_norm(x, "layer"), Over::Row),
        ("group_norm", |x| nn::group_norm(x, "layer", 2), Over::Groups(2)),
    ];
    for (op, layer, over) in layers {
        cases.push(Case::new(
            op,
            "layer",
            [Operand::normal([2, 5, 6]), Operand::normal([2, 6]).named("layer/affine")],
            move |_, x| layer(x[0]),
            move |x| reference::group_norm(&x[0], Some(&x[1]), over, EPS.into()),
        ));
    }
    // A mean a thousand times the deviation, and ten thousand times.
    for (far, op, dims, over) in [
        (1e3, "layer_norm", &[3, 7][..], Over::Row),
        (1e3, "layer_norm", &[2, 600], Over::Row),
        (1e4, "layer_norm", &[5, 16], Over::Row),
        (1e3, "instance_norm", &[2, 9, 4], Over::Groups(4)),
        (1e3, "instance_norm", &[1, 400, 3], Over::Groups(3)),
        (1e3, "group_norm", &[2, 5, 6], Over::Groups(2)),
        (1e4, "group_norm", &[1, 150, 8], Over::Groups(2)),
    ] {
        cases.push(Case::new(
            op,
            format!("{over:?}, mean {far}"),
            [Operand::filled(dims, Fill::Uniform(far - 1.7, far + 1.7)), Operand::normal([2, dims[dims.len() - 1]])],
            move |_, x| record(over, x[0], Some(x[1])),
            move |x| reference::group_norm(&x[0], Some(&x[1]), over, EPS.into()),
        ));
    }
    cases
}

fn spectral() -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [&[usize]; 8] = [&[1, 1], &[3, 1], &[1, 5], &[4, 4], &[7, 12], &[65, 9], &[3, 3, 4, 8], &[1, 1, 5, 3]];
    for dims in shapes {
        let columns = dims[dims.len() - 1];
        let start = move || (0..columns).map(|i| 0.3 + ((i * 7) % 5) as f32 * 0.4).collect::<Vec<_>>();
        let reference = move |x: &Tensor, iterations| {
            let start: Vec<f64> = start().iter().map(|&v| v.into()).collect();
            reference::spectral_norm(x, &start, iterations)
        };
        for (iterations, training) in [(1, true), (2, true), (5, true), (1, false)] {
            let case = Case::new(
                "spectral_norm",
                format!("{iterations} iterations, training {training}"),
                [Operand::normal(dims)],
                move |r, x| {
                    // The state is there before the layer asks for it.
                    let data = TensorData::f32([1, columns], &start()).expect("a row");
                    r.buffer("layer/u", TensorType::f32([1, columns]), Init::Data(data));
                    nn::spectral_norm(x[0], "layer", iterations)
                },
                move |x| reference(&x[0], if training { iterations } else { 0 }),
            );
            // The vectors are held constant: only where they have settled is that the derivative.
            let case = case.forward_only();
            cases.push(if training { case.training() } else { case });
        }
        let settled = Case::new(
            "spectral_norm",
            "settled",
            // Of positive entries the second singular value is much smaller.
            [Operand::filled(dims, Fill::Uniform(0.3, 1.0))],
            move |_, x| nn::spectral_norm(x[0], "layer", 20),
            move |x| reference(&x[0], 60),
        );
        cases.push(settled.training());
    }
    cases
}

/// First gradients as results, whose gradients are checked.
fn second_derivatives() -> Vec<Case> {
    let table: [(&[usize], Over); 11] = [
        (&[5, 3], Over::Batch),
        (&[2, 3, 4], Over::Batch),
        (&[3, 5], Over::Row),
        (&[2, 2, 8], Over::Row),
        (&[1, 30], Over::Row),
        (&[2, 4, 3], Over::Groups(3)),
        (&[1, 3, 2, 4], Over::Groups(4)),
        (&[2, 3, 6], Over::Groups(2)),
        (&[1, 2, 8], Over::Groups(2)),
        (&[2, 2, 2, 4], Over::Groups(1)),
        (&[2, 150, 1], Over::Groups(1)),
    ];
    let mut cases = Vec::new();
    for (dims, over) in table {
        let channels = dims[dims.len() - 1];
        let (x, gy, pair) = (Operand::normal(dims), Operand::normal(dims), Operand::normal([2, channels]));
        cases.push(Case::new(
            "norm_second_derivative",
            format!("by x, {over:?}"),
            [x.clone(), gy.clone()],
            move |_, x| Ok(record(over, x[0], None)?.pullback(x[1], &[x[0]])?.of(x[0]).expect("a gradient")),
            move |x| reference::group_norm_gradient(&x[1], &x[0], None, over, EPS.into()),
        ));
        cases.push(Case::new(
            "norm_second_derivative",
            format!("by x with affine, {over:?}"),
            [x.clone(), gy.clone(), pair],
            move |_, x| {
                // The shift has no part in the gradient: let it have one in the result.
                let gx = record(over, x[0], Some(x[2]))?.pullback(x[1], &[x[0]])?.of(x[0]).expect("a gradient");
                gx.add(x[2].slice(0, 1, 1)?.reshape([channels])?)
            },
            move |x| {
                let mut gx = reference::group_norm_gradient(&x[1], &x[0], Some(&x[2]), over, EPS.into());
                gx.data.iter_mut().enumerate().for_each(|(i, v)| *v += x[2].data[channels + i % channels]);
                gx
            },
        ));
        cases.push(Case::new(
            "norm_second_derivative",
            format!("by affine, {over:?}"),
            [x, gy],
            move |r, x| {
                let affine = r.constant([2, channels], &vec![0.5; 2 * channels])?;
                Ok(record(over, x[0], Some(affine))?.pullback(x[1], &[affine])?.of(affine).expect("a gradient"))
            },
            move |x| reference::affine_gradient(&x[1], &x[0], over, EPS.into()),
        ));
    }
    // Where the cotangent is x itself, two operands of the gradient are one node. (With one scale for each group that
    // gradient is 0.)
    for over in [Over::Row, Over::Groups(1), Over::Groups(2)] {
        let scales = [0.5, -1.0, 2.0, 1.5, 0.0, 0.0, 0.0, 0.0];
        cases.push(Case::new(
            "norm_second_derivative",
            format!("by x along x, {over:?}"),
            [Operand::normal([3, 3, 4])],
            move |r, x| {
                let y = record(over, x[0], Some(r.constant([2, 4], &scales)?))?;
                Ok(y.pullback(x[0], &[x[0]])?.of(x[0]).expect("a gradient"))
            },
            move |x| {
                let scales = Tensor { dims: vec![2, 4], data: scales.iter().map(|&v| v.into()).collect() };
                reference::group_norm_gradient(&x[0], &x[0], Some(&scales), over, EPS.into())
            },
        ));
    }
    // With the ReLU, and with given statistics.
    for relu in [false, true] {
        let given = [0.3, -0.2, 0.1, 0.5, 1.2, 0.8];
        cases.push(Case::new(
            "norm_second_derivative",
            format!("given statistics{}", if relu { ", relu" } else { "" }),
            [Operand::filled([4, 3], Fill::NonZero), Operand::normal([4, 3])],
            move |r, x| {
                let (affine, stats) = (r.constant([2, 3], &[1.0; 6])?, r.constant([2, 3], &given)?);
                let y = x[0].batch_norm_infer(affine, stats, EPS, relu)?;
                y.pullback(x[1], &[x[0]])?.of(x[0]).expect("a gradient").mul(x[0])
            },
            move |x| {
                let gx = (0..12).map(|i| {
                    let c = i % 3;
                    let inverse = 1.0 / (f64::from(given[3 + c]) + f64::from(EPS)).sqrt();
                    let y = (x[0].data[i] - f64::from(given[c])) * inverse + 1.0;
                    if relu && y <= 0.0 { 0.0 } else { x[1].data[i] * inverse * x[0].data[i] }
                });
                Tensor { dims: vec![4, 3], data: gx.collect() }
            },
        ));
    }
    cases
}
