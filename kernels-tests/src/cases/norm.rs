//! Batch normalisation.

use crate::case::{Case, Fill, Operand};
use crate::reference::norm as reference;

const EPS: f32 = 1e-5;

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // At least four rows: two normalise to ±1 whatever they are, and a gradient of nothing but rounding is left.
    let table: [&[usize]; 7] = [&[4, 1], &[7, 3], &[2, 3, 5, 8], &[1, 4, 4, 21], &[3, 5, 4], &[300, 4], &[5, 1, 1, 12]];
    for dims in table {
        let channels = dims[dims.len() - 1];
        let vector = || Operand::normal([channels]);
        for relu in [false, true] {
            let attributes = if relu { "relu" } else { "" };
            cases.push(Case::new(
                "batch_norm_train",
                attributes,
                [Operand::normal(dims), vector(), vector()],
                move |_, x| Ok(x[0].batch_norm_train(x[1], x[2], EPS, relu)?.y),
                move |x| reference::batch_norm(&x[0], &x[1], &x[2], None, EPS.into(), relu),
            ));
            let variance = Operand::filled([channels], Fill::Uniform(0.2, 3.0));
            let infer = Case::new(
                "batch_norm_infer",
                attributes,
                [Operand::normal(dims), vector(), vector(), vector(), variance],
                move |_, x| x[0].batch_norm_infer(x[1], x[2], [x[3], x[4]], EPS, relu),
                move |x| reference::batch_norm(&x[0], &x[1], &x[2], Some([&x[3], &x[4]]), EPS.into(), relu),
            );
            cases.push(infer);
        }
        for (what, statistic) in [("mean", 0), ("variance", 1)] {
            let case = Case::new(
                "batch_norm_statistics",
                what,
                [Operand::normal(dims)],
                move |r, x| {
                    let ones = r.constant([channels], &vec![1.0; channels])?;
                    let batch = x[0].batch_norm_train(ones, ones, EPS, false)?;
                    Ok([batch.mean, batch.variance][statistic])
                },
                move |x| {
                    let (mean, variance) = reference::statistics(&x[0]);
                    if statistic == 0 { mean } else { variance }
                },
            );
            // Running statistics are not learnt, so a fused kernel needs no gradient for them.
            cases.push(case.forward_only());
        }
    }
    cases
}
