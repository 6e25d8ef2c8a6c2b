//! Unit tests of one of knuckle's own shaders, file by file, as people test theirs: Gaussian heat-maps around joints.
//!
//! `cargo test --features testing --example testing_heatmaps` runs the tests,
//! `cargo run --release --features testing --example testing_heatmaps` times it.

use knuckle::Result;
use knuckle::testing::{Call, TestShader, gpu, uniform};

const SHADERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/shaders");

/// Heat-maps of `joints` (u and v of each, px) on a grid of `height` × `width`, ready to run.
fn heatmaps(joints: &[f32], [height, width]: [usize; 2], sigma: f32) -> Result<Call<'static>> {
    let shader = TestShader::from_file(format!("{SHADERS}/common/index.wgsl"))
        .and_file(format!("{SHADERS}/pointwise/gaussian_heatmaps.wgsl"))
        .define("WG", 64u32);
    let total = height * width * joints.len() / 2;
    let call = shader.on(gpu()?)?.input("uv", joints).output("y", total);
    let call = call.param("total", total as u32).param("h", height as u32).param("w", width as u32);
    let call = call.param("joints", joints.len() as u32 / 2).param("falloff", 0.5 / (sigma * sigma));
    Ok(call.threads([total, 1, 1]))
}

fn main() -> Result<()> {
    knuckle::gpu::prepare_environment();
    let timing = heatmaps(&uniform(1, 42, 0.0..64.0), [64, 64], 4.0)?.bench(11)?;
    println!("21 heat-maps of 64×64: {:.3} ms (median), {:.3} (95 %)", timing.median_ms(), timing.percentile_ms(95.0));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use knuckle::testing::Tolerance;

    #[test]
    fn heatmaps_are_gaussians_around_their_joints() -> Result<()> {
        let (joints, [height, width], sigma) = (uniform(3, 10, -2.0..12.0), [9, 13], 1.5f32);
        let got = heatmaps(&joints, [height, width], sigma)?.run()?;
        let gaussian = |i: usize| {
            let (joint, pixel) = (i % 5, i / 5);
            let du = f64::from(joints[2 * joint]) - (pixel % width) as f64 - 0.5;
            let dv = f64::from(joints[2 * joint + 1]) - (pixel / width) as f64 - 0.5;
            (-(du * du + dv * dv) / (2.0 * f64::from(sigma).powi(2))).exp()
        };
        let want: Vec<f64> = (0..height * width * 5).map(gaussian).collect();
        got.close("y", &want, Tolerance::absolute(1e-5))
    }

    #[test]
    fn the_pixel_under_the_joint_is_the_brightest() -> Result<()> {
        let map: Vec<f32> = heatmaps(&[3.5, 2.5], [5, 8], 2.0)?.run()?.get("y")?;
        let brightest = (0..map.len()).max_by(|&a, &b| map[a].total_cmp(&map[b]));
        assert_eq!(brightest, Some(2 * 8 + 3));
        assert_eq!(map[2 * 8 + 3], 1.0);
        Ok(())
    }
}
