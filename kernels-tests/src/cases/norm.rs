//! Batch normalisation.

use crate::case::{Case, Operand};
use crate::reference::Tensor;
use crate::reference::norm as reference;

const EPS: f32 = 1e-5;

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // At least four rows: two normalise to ±1 whatever they are, and a gradient of nothing but rounding is left.
    let table: [&[usize]; 7] = [&[4, 1], &[7, 3], &[2, 3, 5, 8], &[1, 4, 4, 21], &[3, 5, 4], &[300, 4], &[5, 1, 1, 12]];
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
            "batch_norm_train",
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
    cases
}
