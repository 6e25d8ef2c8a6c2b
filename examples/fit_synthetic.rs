//! How well hands are found again by fitting: rendered hands, their 2D joints and masks, and starts that are wrong by 20 to
//! 30 degrees and 15 %. Prints the mesh error, relative to the wrist, before and after.
//!
//! `cargo run --release --example fit_synthetic -- [HANDS] [HYPOTHESES]`

use std::sync::Arc;
use std::time::Instant;

use glam::{Quat, Vec3};
use knuckle::data::{Sample, Scene, SceneBatch, SceneRenderer, SceneSampler};
use knuckle::hand::freedoms::{HAND_FREEDOMS, Turn};
use knuckle::hand::joints::{JOINTS, MIDDLE_MCP, MIDDLE_PIP, WRIST};
use knuckle::hand::{RiggedHand, Side};
use knuckle::models::{FitOptions, FittedHand, HandFitter, HandParameters, Observation};
use knuckle::nn::hand::HandRig;
use knuckle::rng::Rng;
use knuckle::{Gpu, Result};

/// Side of the pictures, pixels.
const SIZE_PX: usize = 128;

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).filter_map(|a| a.parse().ok());
    let (hands, hypotheses) = (numbers.next().unwrap_or(100usize), numbers.next().unwrap_or(1usize));
    let gpu = Gpu::new()?;
    let options = FitOptions { hypotheses, ..FitOptions::default() };
    let model = Arc::new(HandRig::new(&RiggedHand::right(), Side::Right)?);
    let mut fitter = HandFitter::new(&gpu, model, options)?;
    let sampler = SceneSampler::new(&RiggedHand::right(), SIZE_PX, 7);
    let mut renderer = SceneRenderer::new(&gpu, sampler.clone());
    let (mut before, mut after, mut worse, mut ms) = (Vec::new(), Vec::new(), 0, Vec::new());
    for index in 0..hands as u64 {
        let scene = sampler.sample(index);
        let sample = renderer.render_batch(SceneBatch::of(vec![scene.clone()]))?.remove(0);
        let mut rng = Rng::new(index, 3);
        let starts: Vec<HandParameters> = (0..hypotheses).map(|_| wrong_start(&scene, &mut rng)).collect();
        let begin = Instant::now();
        let mut first = Vec::new();
        let fitted = fitter.fit_watched(&observation(&sample), &starts, |step, look| {
            if step == 0 {
                first = look()?;
            }
            Ok(())
        })?;
        ms.push(1e3 * begin.elapsed().as_secs_f64() / options.steps as f64);
        let start = first.iter().map(|hand| mesh_error(hand, &sample)).fold(f32::INFINITY, f32::min);
        let end = mesh_error(&fitted[0], &sample);
        worse += usize::from(end > start);
        before.push(start);
        after.push(end);
    }
    let median = |values: &mut Vec<f32>| {
        values.sort_by(f32::total_cmp);
        (values[values.len() / 2], values[values.len() * 9 / 10], values[values.len() - 1])
    };
    ms.sort_by(f64::total_cmp);
    println!("{hands} hands, {hypotheses} hypotheses, {} steps, {:.1} ms a step", options.steps, ms[ms.len() / 2]);
    for (what, values) in [("start", &mut before), ("fitted", &mut after)] {
        let (middle, ninth, most) = median(values);
        println!("{what:<8} median {middle:5.2} mm   90 % {ninth:5.2} mm   worst {most:5.2} mm");
    }
    println!("{worse} of {hands} are worse than their start");
    Ok(())
}

fn observation(sample: &Sample) -> Observation {
    Observation {
        camera: sample.camera,
        size_px: sample.size_px,
        joints_px: sample.joints_px,
        confidence: [1.0; JOINTS],
        mask: Some(sample.mask.clone()),
        depth_mm: None,
        scale_mm: Some(sample.joints_mm[MIDDLE_MCP].distance(sample.joints_mm[MIDDLE_PIP])),
    }
}

/// The truth turned by 20 to 30 degrees about any axis, every finger bent by as much at its base or middle joint, all of it
/// 15 % larger or smaller and nearer or farther.
fn wrong_start(scene: &Scene, rng: &mut Rng) -> HandParameters {
    let sign = |rng: &mut Rng| if rng.chance(0.5) { 1.0 } else { -1.0 };
    let angle = |rng: &mut Rng| rng.range(20.0, 30.0f32).to_radians();
    let axis = Vec3::new(rng.normal(), rng.normal(), rng.normal()).normalize_or(Vec3::X);
    let turned = Quat::from_axis_angle(axis, angle(rng)) * scene.pose.rotation;
    let mut pose = scene.pose.angles().to_vec();
    for (value, freedom) in pose.iter_mut().zip(&HAND_FREEDOMS) {
        let (low, high) = freedom.limits();
        if freedom.turn == Turn::Flexion && high - low > 0.5 {
            *value = (*value + sign(rng) * angle(rng)).clamp(low, high);
        }
    }
    let mut shape = scene.shape.logs().to_vec();
    shape[0] += sign(rng) * 1.15f32.ln();
    HandParameters {
        rotation: turned.to_scaled_axis(),
        translation_mm: scene.pose.translation_mm * (sign(rng) * 1.15f32.ln()).exp(),
        pose,
        shape,
    }
}

/// The mean distance of vertices from the truth, both relative to the wrist, mm.
fn mesh_error(hand: &FittedHand, sample: &Sample) -> f32 {
    let pairs = hand.vertices_mm.iter().zip(&sample.vertices_mm);
    let offset = hand.joints_mm[WRIST] - sample.joints_mm[WRIST];
    pairs.map(|(a, b)| (*a - *b - offset).length()).sum::<f32>() / sample.vertices_mm.len() as f32
}
