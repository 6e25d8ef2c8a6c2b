use kernels_tests::harness::TRUSTED;
use kernels_tests::{cases, harness};
use knuckle::ops::{HistogramKernel, PeakRefinement, SoftHistogram};
use knuckle::{Recorder, Result};

#[test]
fn agrees_with_the_reference_in_both_directions() {
    harness::prove(&cases::heatmap::cases());
}

/// A joint drawn as a Gaussian is found again: by the parabola through logarithms where it was, by a quarter of a pixel
/// nearer than by the pixel alone.
#[test]
fn joints_drawn_are_found_again() -> Result<()> {
    let joints: Vec<f32> = (0..20).flat_map(|i| [3.0 + 0.37 * i as f32, 11.0 - 0.21 * i as f32]).collect();
    let found = |refinement| -> Result<Vec<f32>> {
        let r = Recorder::new();
        let maps = r.gaussian_heatmaps(r.input("uv", [1, 20, 2]), 14, 16, 1.5)?;
        let mut executable = TRUSTED.compile(&r, [maps.arg_max2d(refinement)?])?;
        Ok(executable.run([("uv", &joints[..])])?.f32(0).to_vec())
    };
    let worst = |refinement| -> Result<f32> {
        let peaks = found(refinement)?;
        let offsets = peaks.chunks(3).zip(joints.chunks(2)).flat_map(|(p, j)| [p[0] - j[0], p[1] - j[1]]);
        Ok(offsets.fold(0.0, |worst: f32, d| worst.max(d.abs())))
    };
    assert!(worst(PeakRefinement::LogParabola)? < 1e-3);
    assert!(worst(PeakRefinement::Parabola)? < 0.06);
    assert!(worst(PeakRefinement::QuarterPixel)? <= 0.26);
    let pixel = worst(PeakRefinement::None)?;
    assert!(pixel > 0.4 && pixel <= 0.5, "{pixel}");
    assert!(found(PeakRefinement::None)?.chunks(3).all(|p| p[2] > 0.8 && p[2] <= 1.0));
    Ok(())
}

/// A low temperature gives the highest pixel, a high one the middle, and numbers however large overflow nothing.
#[test]
fn temperature_goes_from_the_highest_pixel_to_the_middle() -> Result<()> {
    let mean = |temperature: f32, height: f32| -> Result<Vec<f32>> {
        let r = Recorder::new();
        let x = r.input("x", [1, 8, 6, 1]);
        let y = x.soft_argmax2d(temperature)?;
        let gradient = y.sum_all()?.backward_to(&[x])?.of(x).expect("a gradient");
        let mut map = [0.0; 48];
        map[2 * 6 + 4] = height;
        let mut executable = TRUSTED.compile(&r, [y, gradient])?;
        let results = executable.run([("x", &map[..])])?;
        assert!(results.f32(1).iter().all(|v| v.is_finite()));
        Ok(results.f32(0).to_vec())
    };
    assert_eq!(mean(0.01, 1.0)?, [4.5, 2.5]);
    assert_eq!(mean(1.0, 1e30)?, [4.5, 2.5]);
    let middle = mean(1e6, 1.0)?;
    assert!((middle[0] - 3.0).abs() < 1e-4 && (middle[1] - 4.0).abs() < 1e-4, "{middle:?}");
    Ok(())
}

/// Pixels that count nowhere make a histogram of zeros, not of NaN, and pixels without a number spoil nothing else.
#[test]
fn a_histogram_of_nothing_is_zero() -> Result<()> {
    let r = Recorder::new();
    let x = r.input("x", [1, 3, 3, 2]);
    let kernels = [HistogramKernel::Triangular, HistogramKernel::Gaussian { sigma: 0.25 }];
    let both = kernels.map(|kernel| x.soft_histogram(SoftHistogram { bins: 4, low: 0.0, high: 1.0, kernel }));
    let [triangular, gaussian] = both;
    let y = triangular?.add(gaussian?)?.scale(0.5)?;
    let gradient = y.square()?.sum_all()?.backward_to(&[x])?.of(x).expect("a gradient");
    let mut executable = TRUSTED.compile(&r, [y, gradient])?;
    for far in [7.0, -1e20, 3e38] {
        let pixels: Vec<f32> = (0..9).flat_map(|i| [far, i as f32 / 8.0]).collect();
        let results = executable.run([("x", &pixels[..])])?;
        let sums = [0, 1].map(|c| results.f32(0).chunks(2).map(|bin| bin[c]).sum::<f32>());
        assert!(sums[0] == 0.0 && (sums[1] - 1.0).abs() < 1e-6, "{sums:?}");
        assert!(results.f32(1).iter().all(|v| v.is_finite()));
    }
    Ok(())
}
