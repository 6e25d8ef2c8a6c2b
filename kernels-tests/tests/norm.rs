use kernels_tests::harness::TRUSTED;
use kernels_tests::reference::{Tensor, norm as reference};
use kernels_tests::{cases, harness};
use knuckle::rng::Rng;
use knuckle::testing::{Tolerance, close};
use knuckle::{Init, Recorder, Result, States, TensorType};

#[test]
fn agrees_with_the_reference_in_both_directions() {
    harness::prove(&cases::norm::cases());
}

/// Running statistics follow every batch's, but not one whose loss is not finite.
#[test]
fn running_statistics_follow_the_batches() -> Result<()> {
    const KEEP: f32 = 0.75;
    let (dims, channels) = ([2, 3, 2, 5], 5);
    let r = Recorder::training();
    let x = r.input("x", dims);
    let init = [vec![0.0; channels], vec![1.0; channels]].concat();
    let affine = r.constant([2, channels], &init)?;
    let running = r.buffer("running", TensorType::f32([2, channels]), Init::Constant(0.5));
    let batch = x.batch_norm_train(affine, 1e-5, false)?;
    running.follow(batch.statistics, KEEP)?;
    let loss = batch.y.sum_all()?;
    r.guard_updates(loss);
    let states = States::new(&TRUSTED);
    let mut train = TRUSTED.compile_with(&r, [loss], &states)?;
    let mut expected = vec![0.5; 2 * channels];
    let mut rng = Rng::new(8, 0);
    for step in 0..4 {
        let mut values: Vec<f32> = (0..60).map(|_| 3.0 * rng.normal() + 1.0).collect();
        if step == 2 {
            values[17] = f32::NAN;
        } else {
            let data = values.iter().map(|&v| v.into()).collect();
            let statistics = reference::statistics(&Tensor { dims: dims.to_vec(), data });
            for (running, now) in expected.iter_mut().zip(&statistics.data) {
                *running = f64::from(KEEP) * *running + (1.0 - f64::from(KEEP)) * now;
            }
        }
        train.run([("x", &values)])?;
        let got = states.read(&["running"])?[0].to_f32();
        close(&got, &expected, Tolerance { of_value: 8.0, of_largest: 8.0, absolute: 0.0 })
            .unwrap_or_else(|e| panic!("{step}: {e}"));
    }
    Ok(())
}
