use kernels_tests::harness::TRUSTED;
use kernels_tests::{cases, harness};
use knuckle::graph::TensorData;
use knuckle::rng::Rng;
use knuckle::{Recorder, Result};

#[test]
fn agrees_with_the_reference_in_both_directions() {
    harness::prove(&cases::reduce::cases());
}

/// A software adapter leaves loops after 65,535 turns without a word: no thread may look through such axes alone.
#[test]
fn softmax_along_long_axes_is_as_exact_as_along_short_ones() {
    let axes: [(&[usize], usize); 5] =
        [(&[20_000], 0), (&[2, 20_000], 1), (&[50_000], 0), (&[100_003], 0), (&[100_003, 2], 0)];
    harness::prove(
        &axes.map(|(dims, axis)| cases::reduce::softmax(dims, axis)).into_iter().flatten().collect::<Vec<_>>(),
    );
}

/// As with softmax: looking for the nearest of many points, gradients of many at one, many rows added up in one.
#[test]
fn many_points_and_rows_are_looked_at_to_the_end() -> Result<()> {
    const N: usize = 150_001;
    let r = Recorder::new();
    let (few, line) = (r.input("few", [1, 3, 3]), r.input("line", [1, N, 3]));
    let (same, centre) = (r.input("same", [1, N, 3]), r.input("centre", [1, 1, 3]));
    let pulled = same.nearest_squared_distances(centre)?.sum_all()?.backward_to(&[centre])?;
    let ones = r.input("ones", [1, N, 1]);
    let to = r.constant_data(TensorData::u32([1, N, 1], &[1; N]).expect("N values"));
    let outputs = [few.nearest_points(line)?, pulled.of(centre).expect("asked for"), ones.scatter_add(1, to, 3)?];
    let mut program = TRUSTED.compile(&r, outputs)?;
    let places = [3usize, 70_000, N - 1];
    let few: Vec<f32> = places.iter().flat_map(|&x| [x as f32 - 0.25, 0.0, 0.0]).collect();
    let line: Vec<f32> = (0..N).flat_map(|x| [x as f32, 0.0, 0.0]).collect();
    let same = [-1.0f32, 0.0, 2.0].repeat(N);
    let inputs = [("few", &few[..]), ("line", &line), ("same", &same), ("centre", &[0.0; 3]), ("ones", &[1.0; N])];
    let results = program.run(inputs)?;
    assert_eq!(results.u32(0), places.map(|x| x as u32));
    assert_eq!(results.f32(1), [2.0 * N as f32, 0.0, -4.0 * N as f32]);
    assert_eq!(results.f32(2), [0.0, N as f32, 0.0]);
    Ok(())
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
