//! Fitting the hand model to a picture through the renderer.

use std::sync::Arc;

use glam::{Quat, Vec3};
use knuckle::data::{SceneRenderer, SceneSampler};
use knuckle::hand::joints::{JOINTS, MIDDLE_MCP, MIDDLE_PIP, WRIST};
use knuckle::hand::{RiggedHand, Side};
use knuckle::models::{FitOptions, FittedHand, HandFitter, HandParameters, Observation};
use knuckle::nn::hand::HandRig;
use knuckle::{Gpu, Result};

const SIZE_PX: usize = 64;

/// A rendered hand, what is seen of it, and its parameters turned by 25 degrees, a little closed and 10 % too large.
fn scene(gpu: &Gpu, index: u64) -> Result<(Observation, HandParameters, Vec<Vec3>, Vec3)> {
    let sampler = SceneSampler::new(&RiggedHand::right(), SIZE_PX, 7);
    let truth = sampler.sample(index);
    let sample = SceneRenderer::new(gpu, sampler).render(index, 1)?.remove(0);
    let seen = Observation {
        camera: sample.camera,
        size_px: SIZE_PX,
        joints_px: sample.joints_px,
        confidence: [1.0; JOINTS],
        mask: Some(sample.mask),
        depth_mm: Some(sample.depth_mm),
        scale_mm: Some(sample.joints_mm[MIDDLE_MCP].distance(sample.joints_mm[MIDDLE_PIP])),
    };
    let mut shape = truth.shape.logs().to_vec();
    shape[0] += 0.1;
    let start = HandParameters {
        rotation: (Quat::from_rotation_y(0.43) * truth.pose.rotation).to_scaled_axis(),
        translation_mm: truth.pose.translation_mm * 1.1,
        pose: truth.pose.angles().iter().map(|angle| angle + 0.2).collect(),
        shape,
    };
    Ok((seen, start, sample.vertices_mm, sample.joints_mm[WRIST]))
}

fn fitter(gpu: &Gpu, hypotheses: usize, steps: usize) -> Result<HandFitter> {
    let model = Arc::new(HandRig::shipped(Side::Right)?);
    HandFitter::new(gpu, model, FitOptions { hypotheses, steps, size_px: 32, ..FitOptions::default() })
}

/// The mean distance of vertices from the truth, relative to the wrist.
fn error(hand: &FittedHand, vertices: &[Vec3], wrist: Vec3) -> f32 {
    let pairs = hand.vertices_mm.iter().zip(vertices);
    let sum: f32 = pairs.map(|(a, b)| (*a - hand.joints_mm[WRIST] - *b + wrist).length()).sum();
    sum / vertices.len() as f32
}

#[test]
fn finds_a_hand_again_and_the_same_each_time() -> Result<()> {
    let gpu = Gpu::new()?;
    let mut fitter = fitter(&gpu, 2, 50)?;
    let mut first: Option<Vec<FittedHand>> = None;
    for index in [3, 5, 3] {
        let (seen, start, vertices, wrist) = scene(&gpu, index)?;
        let other = HandParameters { rotation: start.rotation + 0.2, ..start.clone() };
        let mut before = None;
        let fitted = fitter.fit_watched(&seen, &[start, other], |step, look| {
            if step == 0 {
                before = Some(look()?.swap_remove(0));
            }
            Ok(())
        })?;
        let before = error(&before.expect("step 0"), &vertices, wrist);
        let after = error(&fitted[0], &vertices, wrist);
        assert!(after < 0.3 * before && after < 7.0, "hand {index}: {before} mm, then {after}");
        let losses = fitted.iter().map(|hand| hand.losses[50]).collect::<Vec<_>>();
        assert!(losses[0] <= losses[1] && fitted.iter().all(|hand| hand.losses.len() == 51));
        assert!(fitted[0].losses[50] < 0.2 * fitted[0].losses[0]);
        match &first {
            None => first = Some(fitted),
            // Another hand was fitted in between, and nothing of it is left.
            Some(first) if index == 3 => assert_eq!(first[0].vertices_mm, fitted[0].vertices_mm),
            Some(_) => {}
        }
    }
    Ok(())
}

#[test]
fn a_fit_is_never_worse_than_its_start() -> Result<()> {
    let gpu = Gpu::new()?;
    let model = Arc::new(HandRig::shipped(Side::Right)?);
    // Steps far too long.
    let options = FitOptions { steps: 3, rate: 50.0, size_px: 32, ..FitOptions::default() };
    let mut fitter = HandFitter::new(&gpu, model, options)?;
    let (seen, start, ..) = scene(&gpu, 3)?;
    let fitted = fitter.fit(&seen, std::slice::from_ref(&start))?;
    assert_eq!(fitted[0].losses[3], fitted[0].losses[0]);
    assert!(fitted[0].parameters.rotation.distance(start.rotation) < 1e-5);
    assert!(fitted[0].parameters.translation_mm.distance(start.translation_mm) < 0.01);
    Ok(())
}

#[test]
fn what_cannot_be_fitted_is_refused() -> Result<()> {
    let gpu = Gpu::new()?;
    let model = || HandRig::shipped(Side::Right).map(Arc::new);
    let refused = |result: Result<Vec<FittedHand>>, words: &str| {
        let message = result.expect_err(words).to_string();
        assert!(message.contains(words), "{message}: {words}");
    };
    for (options, words) in [
        (FitOptions { hypotheses: 0, ..FitOptions::default() }, "hypotheses"),
        (FitOptions { hypotheses: 65, ..FitOptions::default() }, "hypotheses"),
        (FitOptions { size_px: 0, ..FitOptions::default() }, "size_px"),
        (FitOptions { size_px: 5000, ..FitOptions::default() }, "size_px"),
        (FitOptions { rate: f32::NAN, ..FitOptions::default() }, "rate"),
        (FitOptions { sigma_px: -1.0, ..FitOptions::default() }, "sigma_px"),
    ] {
        let message = HandFitter::new(&gpu, model()?, options).expect_err(words).to_string();
        assert!(message.contains(words), "{message}");
    }
    let mut fitter = fitter(&gpu, 1, 1)?;
    let (seen, start, ..) = scene(&gpu, 3)?;
    refused(fitter.fit(&seen, &[]), "starts");
    refused(fitter.fit(&seen, &[HandParameters { pose: vec![0.0; 4], ..start.clone() }]), "pose");
    refused(fitter.fit(&seen, &[HandParameters { rotation: Vec3::NAN, ..start.clone() }]), "NaN");
    let behind = HandParameters { translation_mm: -start.translation_mm, ..start.clone() };
    refused(fitter.fit(&seen, &[behind]), "depth");
    let starts = [start];
    let wrong = [
        (Observation { size_px: 0, ..seen.clone() }, "picture"),
        (Observation { mask: Some(vec![0.0; 5]), ..seen.clone() }, "mask"),
        (Observation { mask: Some(vec![f32::NAN; SIZE_PX * SIZE_PX]), ..seen.clone() }, "mask"),
        (Observation { depth_mm: Some(vec![-1.0; SIZE_PX * SIZE_PX]), ..seen.clone() }, "depth"),
        (Observation { scale_mm: Some(0.0), ..seen.clone() }, "scale_mm"),
        (Observation { confidence: [-1.0; JOINTS], ..seen.clone() }, "confidences"),
        (Observation { joints_px: [glam::Vec2::NAN; JOINTS], ..seen.clone() }, "joints"),
        (Observation { confidence: [0.0; JOINTS], mask: None, ..seen.clone() }, "neither"),
    ];
    for (seen, words) in wrong {
        refused(fitter.fit(&seen, &starts), words);
    }
    // Joints alone, or a mask alone, are enough; a joint that is not known may be anywhere.
    let mut some = seen.clone();
    some.confidence[4] = 0.0;
    some.joints_px[4] = glam::Vec2::NAN;
    let enough = [
        some,
        Observation { mask: None, depth_mm: None, scale_mm: None, ..seen.clone() },
        Observation { confidence: [0.0; JOINTS], ..seen },
    ];
    for seen in enough {
        let fitted = fitter.fit(&seen, &starts)?;
        assert!(fitted[0].vertices_mm.iter().all(|v| v.is_finite()));
    }
    Ok(())
}
