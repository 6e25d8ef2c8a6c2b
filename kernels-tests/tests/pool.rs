use kernels_tests::harness::TRUSTED;
use kernels_tests::{cases, harness};
use knuckle::{Recorder, Result};

#[test]
fn agrees_with_the_reference_in_both_directions() {
    harness::prove(&cases::pool::cases());
}

/// The gradient with respect to an image of equal pixels, of the sum of its pooled pixels.
fn gradient_of_ties(size: usize, channels: usize, kernel: usize, stride: usize, padding: usize) -> Result<Vec<f32>> {
    let r = Recorder::new();
    let x = r.input("x", [1, size, size, channels]);
    let gradients = x.max_pool2d(kernel, stride, padding)?.sum_all()?.backward_to(&[x])?;
    let mut executable = TRUSTED.compile(&r, [gradients.of(x).expect("a gradient")])?;
    Ok(executable.run([("x", &vec![0.5; size * size * channels])])?.f32(0).to_vec())
}

/// Finite differences cannot see this: where maxima are equal, the first of each window takes all of the gradient.
#[test]
fn the_first_of_equal_maxima_takes_the_gradient() -> Result<()> {
    for channels in [1, 3, 4] {
        let spread = |pixels: &[f32]| -> Vec<f32> { pixels.iter().flat_map(|&v| vec![v; channels]).collect() };
        let tiles = gradient_of_ties(3, channels, 2, 2, 0)?;
        assert_eq!(tiles, spread(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), "{channels} channels");
        let overlapping = gradient_of_ties(3, channels, 2, 1, 0)?;
        assert_eq!(overlapping, spread(&[1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]), "{channels} channels");
        // The windows begin at -1 and 1 either way, so the first elements inside are 0 and 1.
        let padded = gradient_of_ties(3, channels, 2, 2, 1)?;
        assert_eq!(padded, spread(&[1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]), "{channels} channels");
    }
    Ok(())
}
