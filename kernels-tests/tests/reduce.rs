use kernels_tests::harness::TRUSTED;
use kernels_tests::{cases, harness};
use knuckle::rng::Rng;
use knuckle::{Recorder, Result};

#[test]
fn agrees_with_the_reference_in_both_directions() {
    harness::prove(&cases::reduce::cases());
}

/// Ten million elements, around 0 and around 1000: as exact as a few, since no chain of additions is long.
#[test]
fn ten_million_elements_are_reduced_without_loss() -> Result<()> {
    const ROWS: usize = 4_000;
    const COLUMNS: usize = 2_500;
    const N: usize = ROWS * COLUMNS;
    let r = Recorder::new();
    let x = r.input("x", [ROWS, COLUMNS]);
    let flat = x.reshape([N])?;
    let axes = [0, 1];
    let outputs = [
        x.sum_all()?,
        x.mean_all()?,
        x.norm(&axes)?,
        x.max_over(&axes)?,
        x.min_over(&axes)?,
        flat.arg_max(0)?,
        flat.arg_min(0)?,
        x.mean(&[0])?,
    ];
    let mut program = TRUSTED.compile(&r, outputs)?;
    let mut rng = Rng::new(10, 7);
    let mut values: Vec<f32> = (0..N).map(|_| rng.range(-1.0, 1.0)).collect();
    // One element stands out at either end, far from the ends of the tensor.
    (values[7_654_321], values[1_234_567]) = (1.5, -1.5);
    for offset in [0.0f32, 1000.0] {
        let x: Vec<f32> = values.iter().map(|v| v + offset).collect();
        let results = program.run([("x", &x)])?;
        let exact = || x.iter().map(|&v| f64::from(v));
        let (sum, magnitude) = (exact().sum::<f64>(), exact().map(f64::abs).sum::<f64>());
        let norm = exact().map(|v| v * v).sum::<f64>().sqrt();
        // Five roundings of the largest partial sum would be as much.
        let expected = [sum, sum / N as f64, norm, f64::from(x[7_654_321]), f64::from(x[1_234_567])];
        let allowed = [3e-7 * magnitude, 3e-7 * magnitude / N as f64, 3e-7 * norm, 0.0, 0.0];
        for (i, (want, allowed)) in expected.into_iter().zip(allowed).enumerate() {
            let error = (f64::from(results.f32(i)[0]) - want).abs();
            assert!(error <= allowed, "output {i} around {offset}: off by {error:e} of {allowed:e} from {want}");
        }
        assert_eq!([results.u32(5)[0], results.u32(6)[0]], [7_654_321, 1_234_567], "around {offset}");
        let mut columns = vec![(0.0, 0.0); COLUMNS];
        for (i, v) in exact().enumerate() {
            let (sum, magnitude) = &mut columns[i % COLUMNS];
            (*sum, *magnitude) = (*sum + v, *magnitude + v.abs());
        }
        for (c, (sum, magnitude)) in columns.into_iter().enumerate() {
            let error = (f64::from(results.f32(7)[c]) - sum / ROWS as f64).abs();
            let allowed = 3e-7 * magnitude / ROWS as f64;
            assert!(error <= allowed, "column {c} around {offset}: off by {error:e} of {allowed:e}");
        }
    }
    Ok(())
}
