use kernels_tests::harness::TRUSTED;
use kernels_tests::{cases, harness};
use knuckle::ops::{GridPadding, GridSample, Resize};
use knuckle::rng::Rng;
use knuckle::{Recorder, Result};

#[test]
fn agrees_with_the_reference_in_both_directions() {
    harness::prove(&cases::sample::cases());
}

/// The examples in PyTorch's documentation of `torch.nn.Upsample` (2.x), by a factor of two.
#[test]
fn resizes_as_pytorch_documents() -> Result<()> {
    type Row = (Resize, &'static [f32], &'static [f32]);
    const SMALL: [f32; 4] = [1.0, 2.0, 3.0, 4.0];
    const LARGE: [f32; 9] = [1.0, 2.0, 0.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0];
    #[rustfmt::skip]
    let documented: [Row; 5] = [
        (Resize::Nearest, &SMALL, &[
            1.0, 1.0, 2.0, 2.0,
            1.0, 1.0, 2.0, 2.0,
            3.0, 3.0, 4.0, 4.0,
            3.0, 3.0, 4.0, 4.0,
        ]),
        (Resize::Bilinear { align_corners: false }, &SMALL, &[
            1.0, 1.25, 1.75, 2.0,
            1.5, 1.75, 2.25, 2.5,
            2.5, 2.75, 3.25, 3.5,
            3.0, 3.25, 3.75, 4.0,
        ]),
        (Resize::Bilinear { align_corners: true }, &SMALL, &[
            1.0, 1.3333, 1.6667, 2.0,
            1.6667, 2.0, 2.3333, 2.6667,
            2.3333, 2.6667, 3.0, 3.3333,
            3.0, 3.3333, 3.6667, 4.0,
        ]),
        (Resize::Bilinear { align_corners: false }, &LARGE, &[
            1.0, 1.25, 1.75, 1.5, 0.5, 0.0,
            1.5, 1.75, 2.25, 1.875, 0.625, 0.0,
            2.5, 2.75, 3.25, 2.625, 0.875, 0.0,
            2.25, 2.4375, 2.8125, 2.25, 0.75, 0.0,
            0.75, 0.8125, 0.9375, 0.75, 0.25, 0.0,
            0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
        ]),
        (Resize::Bilinear { align_corners: true }, &LARGE, &[
            1.0, 1.4, 1.8, 1.6, 0.8, 0.0,
            1.8, 2.2, 2.6, 2.24, 1.12, 0.0,
            2.6, 3.0, 3.4, 2.88, 1.44, 0.0,
            2.4, 2.72, 3.04, 2.56, 1.28, 0.0,
            1.2, 1.36, 1.52, 1.28, 0.64, 0.0,
            0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
        ]),
    ];
    for (resize, image, expected) in documented {
        let size = image.len().isqrt();
        let r = Recorder::new();
        let y = r.input("x", [1, size, size, 1]).resize(2 * size, 2 * size, resize)?;
        let results = TRUSTED.compile(&r, [y])?.run([("x", image)])?;
        let close = results.f32(0).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(close, "{resize:?}: {:?}", results.f32(0));
    }
    Ok(())
}

fn samplings() -> impl Iterator<Item = GridSample> {
    let paddings = [GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection];
    let modes = paddings.into_iter().flat_map(|padding| [(padding, false), (padding, true)]);
    modes.flat_map(|(padding, nearest)| {
        [false, true].map(|align_corners| GridSample { nearest, padding, align_corners })
    })
}

/// The samples, and the gradients of their sum with respect to image and grid.
fn sampled(sample: GridSample, [h, w, c]: [usize; 3], image: &[f32], grid: &[f32]) -> Result<[Vec<f32>; 3]> {
    let r = Recorder::new();
    let (x, g) = (r.input("x", [1, h, w, c]), r.input("grid", [1, 1, grid.len() / 2, 2]));
    let y = x.grid_sample(g, sample)?;
    let gradients = y.sum_all()?.backward_to(&[x, g])?;
    let [gx, gg] = [x, g].map(|v| gradients.of(v).expect("a gradient"));
    let mut executable = TRUSTED.compile(&r, [y, gx, gg])?;
    let used: Vec<_> = [("x", image), ("grid", grid)]
        .into_iter()
        .filter(|(name, _)| executable.program().inputs.iter().any(|p| p.name == *name))
        .collect();
    let results = executable.run(used)?;
    Ok([0, 1, 2].map(|i| results.f32(i).to_vec()))
}

#[test]
fn coordinates_that_are_no_numbers_lie_outside() -> Result<()> {
    const BAD: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let grid: Vec<f32> = BAD.into_iter().flat_map(|bad| [bad, 0.1, 0.1, bad, bad, bad]).collect();
    for sample in samplings() {
        for c in [1, 4] {
            let [y, gx, gg] = sampled(sample, [3, 5, c], &vec![1.0; 15 * c], &grid)?;
            for values in [y, gx, gg] {
                assert!(values.iter().all(|&v| v == 0.0), "{sample:?}: {values:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn coordinates_far_out_read_what_is_there() -> Result<()> {
    let far = [3.4e38, 1e20, 1e7, 2e6];
    let grid: Vec<f32> = far.into_iter().flat_map(|v| [v, 0.1, -v, 0.1, 0.1, v, 0.1, -v, v, -v]).collect();
    for sample in samplings() {
        let [y, gx, gg] = sampled(sample, [3, 5, 1], &[1.0; 15], &grid)?;
        let expected = if sample.padding == GridPadding::Zeros { 0.0 } else { 1.0 };
        assert!(y.iter().all(|v| (v - expected).abs() < 1e-6), "{sample:?}: {y:?}");
        assert!(gx.iter().chain(&gg).all(|v| v.is_finite()), "{sample:?}");
        let weight: f32 = gx.iter().sum();
        assert!((weight - expected * grid.len() as f32 / 2.0).abs() < 1e-3, "{sample:?}: {weight}");
    }
    Ok(())
}

/// On a centre of a pixel, where a derivative jumps, the sample is the pixel.
#[test]
fn centres_and_edges_of_pixels() -> Result<()> {
    let image: Vec<f32> = (0..12).map(|v| v as f32).collect();
    for sample in samplings().filter(|s| s.align_corners) {
        let grid: Vec<f32> = (0..12).flat_map(|p| [(p % 4) as f32 / 1.5 - 1.0, (p / 4) as f32 - 1.0]).collect();
        let [y, ..] = sampled(sample, [3, 4, 1], &image, &grid)?;
        assert!(y.iter().zip(&image).all(|(a, b)| (a - b).abs() < 1e-5), "{sample:?}: {y:?}");
    }
    // Half-way between two pixels the even one is the nearest.
    let nearest = GridSample { nearest: true, padding: GridPadding::Border, align_corners: false };
    let [y, ..] = sampled(nearest, [1, 4, 1], &[10.0, 11.0, 12.0, 13.0], &[-0.5, 0.0, 0.0, 0.0, 0.5, 0.0])?;
    assert_eq!(y, [10.0, 12.0, 12.0]);
    // At the image's edge the outermost pixel alone, half of it with zeros around.
    for (padding, expected) in [(GridPadding::Zeros, 5.0), (GridPadding::Border, 10.0), (GridPadding::Reflection, 10.0)]
    {
        let sample = GridSample { padding, ..GridSample::default() };
        let [y, ..] = sampled(sample, [1, 4, 1], &[10.0, 11.0, 12.0, 13.0], &[-1.0, 0.0])?;
        assert_eq!(y, [expected], "{padding:?}");
    }
    Ok(())
}

/// A hundred thousand samples crowd in one pixel: sorted in several passes and added without losing the small ones.
#[test]
fn a_crowd_of_samples_is_added_in_full() -> Result<()> {
    let count = 100_000;
    let grid: Vec<f32> = (0..count).flat_map(|i| [0.0, if i % 10 == 9 { 2.0 } else { 0.0 }]).collect();
    let [_, gx, _] = sampled(GridSample::default(), [1, 1, 1], &[1.0], &grid)?;
    assert_eq!(gx, [0.9 * count as f32]);
    Ok(())
}

/// A hundred thousand samples all over three images: keys of two digits, and offsets found in three stages.
#[test]
fn many_samples_find_their_pixels() -> Result<()> {
    const N: usize = 3;
    let (h, w, rows, columns) = (20, 31, 180, 190);
    let mut rng = Rng::new(4, 0);
    let grid: Vec<f32> = (0..2 * N * rows * columns).map(|_| rng.range(-1.2, 1.2)).collect();
    let weights: Vec<f32> = (0..N * rows * columns).map(|_| rng.range(-1.0, 1.0)).collect();
    let mut expected = vec![0.0; N * h * w];
    for (i, &weight) in weights.iter().enumerate() {
        let at = |g: f32, n: usize| ((f64::from(g) + 1.0) * n as f64 - 1.0) / 2.0;
        let (across, down) = (at(grid[2 * i], w), at(grid[2 * i + 1], h));
        for row in 0..h {
            let near = 1.0 - (down - row as f64).abs();
            for column in (0..w).filter(|_| near > 0.0) {
                let share = near * (1.0 - (across - column as f64).abs()).max(0.0);
                expected[(i / (rows * columns) * h + row) * w + column] += f64::from(weight) * share;
            }
        }
    }
    let r = Recorder::new();
    let x = r.input("x", [N, h, w, 1]);
    let y = x.grid_sample(r.input("grid", [N, rows, columns, 2]), GridSample::default())?;
    let loss = y.mul(r.input("weights", [N, rows, columns, 1]))?.sum_all()?;
    let gradient = loss.backward_to(&[x])?.of(x).expect("a gradient");
    let mut executable = TRUSTED.compile(&r, [gradient])?;
    let results = executable.run([("grid", &grid[..]), ("weights", &weights[..])])?;
    for (i, (&got, want)) in results.f32(0).iter().zip(expected).enumerate() {
        assert!((f64::from(got) - want).abs() < 2e-4, "pixel {i}: {got}, expected {want}");
    }
    Ok(())
}
