use kernels_tests::harness::TRUSTED;
use kernels_tests::reference::{Tensor, norm as reference};
use kernels_tests::{cases, harness};
use knuckle::graph::TensorData;
use knuckle::rng::Rng;
use knuckle::testing::{Tolerance, close};
use knuckle::{Init, Recorder, Result, States, TensorType, nn};

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

/// More rows than a loop of a software adapter has turns, of channels so many that their threads alone keep it busy.
#[test]
fn sums_over_rows_take_no_longer_loops_than_adapters_have() -> Result<()> {
    let (rows, channels) = (70_000, 257);
    let mut rng = Rng::new(3, 9);
    let mut column = || -> Vec<f32> { (0..rows).map(|_| rng.normal()).collect() };
    let (a, b) = (column(), column());
    let r = Recorder::new();
    let [wide, weights] = ["a", "b"].map(|name| r.input(name, [rows, 1]));
    let affine = r.input("affine", [2, channels]);
    let batch = wide.broadcast([rows, channels])?.batch_norm_train(affine, 1e-5, false)?;
    let layer = wide.broadcast([rows, channels])?.layer_norm(affine, 1e-5)?;
    let gradients = [batch.y, layer].map(|y| y.mul(weights)?.sum_all()?.backward_to(&[affine]));
    let [along_rows, of_layer] = gradients.map(|gradients| gradients.map(|g| g.of(affine).expect("asked for")));
    let mut program = TRUSTED.compile(&r, [batch.statistics, along_rows?, of_layer?])?;
    let ones = vec![1.0; 2 * channels];
    let got = program.run([("a", &a[..]), ("b", &b), ("affine", &ones)])?;
    let data = a.iter().map(|&v| f64::from(v)).collect();
    let statistics = reference::statistics(&Tensor { dims: vec![rows, 1], data }).data;
    let normal = |v: f32| (f64::from(v) - statistics[0]) / (statistics[1] + 1e-5).sqrt();
    let along: f64 = a.iter().zip(&b).map(|(&a, &b)| f64::from(b) * normal(a)).sum();
    let level: f64 = b.iter().map(|&b| f64::from(b)).sum();
    let each = |pair: [f64; 2]| pair.into_iter().flat_map(|v| vec![v; channels]).collect::<Vec<f64>>();
    // Of sums of many terms either sign, an error as large as their magnitudes make it.
    let tolerance = Tolerance { of_value: 64.0, of_largest: 64.0, absolute: 0.01 };
    let expected = [each([statistics[0], statistics[1]]), each([along, level]), each([0.0, level])];
    for (i, expected) in expected.iter().enumerate() {
        close(got.f32(i), expected, tolerance).unwrap_or_else(|e| panic!("{i}: {e}"));
    }
    Ok(())
}

/// A weight, its state's first value, and both as the reference has them.
fn weight(dims: [usize; 4]) -> (Vec<f32>, Vec<f32>, Tensor, Vec<f64>) {
    let mut rng = Rng::new(21, 4);
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| rng.normal()).collect();
    let start: Vec<f32> = (0..dims[3]).map(|_| rng.normal()).collect();
    let exact = Tensor { dims: dims.to_vec(), data: values.iter().map(|&v| v.into()).collect() };
    let exact_start = start.iter().map(|&v| v.into()).collect();
    (values, start, exact, exact_start)
}

/// One power iteration a run is enough, for the vector is kept; and what training has found, inference uses.
#[test]
fn spectral_norm_settles_on_the_largest_singular_value() -> Result<()> {
    let dims = [3, 3, 4, 6];
    let (values, _, exact, start) = weight(dims);
    let (sigma, _, _) = reference::singular(&exact, &start, 5_000);
    let states = States::new(&TRUSTED);
    let r = Recorder::training();
    let normed = nn::spectral_norm(r.input("weight", dims), "layer", 1)?;
    let mut train = TRUSTED.compile_with(&r, [normed], &states)?;
    let largest = |normed: &[f32]| f64::from(values[0]) / f64::from(normed[0]);
    let mut errors = Vec::new();
    for _ in 0..60 {
        errors.push((largest(train.run([("weight", &values)])?.f32(0)) - sigma).abs() / sigma);
    }
    assert!(errors[0] > 1e-3 && errors[59] < 1e-6, "{errors:?}");
    let r = Recorder::new();
    let normed = nn::spectral_norm(r.input("weight", dims), "layer", 1)?;
    let mut infer = TRUSTED.compile_with(&r, [normed], &states)?;
    let error = (largest(infer.run([("weight", &values)])?.f32(0)) - sigma).abs() / sigma;
    assert!(error < 1e-6, "inferring: off by {error}");
    Ok(())
}

/// With the vectors constant, σ's gradient is their outer product: of `Σ g·W/σ` that leaves `(g − ⟨g, W/σ⟩·v·uᵀ) / σ`,
/// settled or not.
#[test]
fn the_gradient_of_spectral_norm_holds_its_vectors_constant() -> Result<()> {
    let dims = [1, 2, 3, 5];
    let (values, start, exact, exact_start) = weight(dims);
    for iterations in [1, 3] {
        let r = Recorder::training();
        let init = Init::Data(TensorData::f32([1, 5], &start).expect("a row"));
        r.buffer("layer/u", TensorType::f32([1, 5]), init);
        let w = r.param_with("w", dims, Init::Data(TensorData::f32(dims, &values).expect("as many values")));
        let g: Vec<f32> = (0..30).map(|i| ((i * 17) % 11) as f32 / 5.0 - 1.0).collect();
        let gradients = nn::spectral_norm(w, "layer", iterations)?.mul(r.constant(dims, &g)?)?.sum_all()?.backward()?;
        let gradient = gradients.of(w).expect("a gradient");
        let results = TRUSTED.compile(&r, [gradient])?.run::<&[f32]>([])?;
        let (sigma, v, u) = reference::singular(&exact, &exact_start, iterations);
        let product: f64 = exact.data.iter().zip(&g).map(|(w, &g)| w / sigma * f64::from(g)).sum();
        let expected: Vec<f64> = (0..30).map(|i| (f64::from(g[i]) - product * v[i / 5] * u[i % 5]) / sigma).collect();
        close(results.f32(0), &expected, Tolerance { of_value: 16.0, of_largest: 16.0, absolute: 0.0 })
            .unwrap_or_else(|e| panic!("{iterations} iterations: {e}"));
    }
    Ok(())
}
