//! Weights files of the graph CNN: written, read back, and refused.

use std::path::PathBuf;

use knuckle::data::Photo;
use knuckle::graph::TensorData;
use knuckle::hand::joints::{BONES, TIPS};
use knuckle::hand::{Pose, RiggedHand, Shape};
use knuckle::models::{GraphCnn, GraphCnnConfig, InferOptions};
use knuckle::train::SyntheticEvaluator;
use knuckle::train::checkpoint::{Metadata, Precision, write_tensors};
use knuckle::train::evaluate::VALIDATION_SEED;
use knuckle::{Error, Gpu, Result, States};

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("knuckle-weights-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn what_is_saved_infers_the_same() -> Result<()> {
    let gpu = Gpu::new()?;
    let path = folder("same").join("w.safetensors");
    let mut model = GraphCnn::new(&gpu, GraphCnnConfig::small(), &States::seeded(&gpu, 5))?;
    // A state of a training, which inference does not use, stays out of the file.
    model.states().write("adam.power", &TensorData::f32([1], &[0.5]).unwrap())?;
    model.save(&path, Precision::F32, Metadata::from([("steps".into(), "0".into())]))?;
    let mut loaded = GraphCnn::load(&gpu, &path)?;
    assert_eq!(loaded.config(), model.config());
    assert!(!loaded.states().names().contains(&"adam.power".into()));

    let rgb = (0..96 * 96 * 3).map(|i| (i * 7 % 251) as u8).collect();
    let photo = Photo::from_rgb(96, 96, rgb)?;
    let [a, b] = [&mut model, &mut loaded].map(|m| m.infer(&photo, &InferOptions::default()));
    let (a, b) = (a?, b?);
    assert_eq!(a.vertices_mm, b.vertices_mm);
    assert_eq!((a.joints_mm, a.uv), (b.joints_mm, b.uv));
    assert!(a.joints_mm.iter().all(|j| j.is_finite()));
    Ok(())
}

#[test]
fn headers_that_make_no_network_are_refused() -> Result<()> {
    let gpu = Gpu::new()?;
    let path = folder("header").join("w.safetensors");
    let header = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut config = serde_json::to_value(GraphCnnConfig::small()).unwrap();
        edit(&mut config);
        Metadata::from([("graph_cnn".into(), config.to_string())])
    };
    let cases = [
        (Metadata::new(), "no weights file of this network"),
        (Metadata::from([("graph_cnn".into(), "{}".into())]), "missing field"),
        (header(&|c| c["depth"] = 1_000_000_000u64.into()), "depth"),
        (header(&|c| c["stacks"] = 0.into()), "stacks"),
        (header(&|c| c["input_px"] = 100.into()), "input_px"),
        (header(&|c| c["stem"] = 0.into()), "channels"),
        (header(&|_| ()), "`other`: not part of the model"),
    ];
    let other = vec![("other".to_string(), TensorData::f32([1], &[0.5]).unwrap())];
    for (header, words) in cases {
        write_tensors(&path, &other, header, Precision::F32)?;
        let error = GraphCnn::load(&gpu, &path).unwrap_err().to_string();
        assert!(error.contains(words), "{error} should say {words}");
    }
    assert!(matches!(GraphCnn::load(&gpu, path.with_extension("none")), Err(Error::File { .. })));
    Ok(())
}

#[test]
fn the_shipped_weights_are_better_than_the_mean_hand() -> Result<()> {
    let gpu = Gpu::new()?;
    let model = GraphCnn::shipped(&gpu)?;
    let mut evaluator = SyntheticEvaluator::new(&gpu, model.config(), model.states())?;
    let found = evaluator.evaluate(VALIDATION_SEED, 64)?.summary().mesh_error.expect("renders have meshes");
    let mean = evaluator.mean_mesh_error(1, VALIDATION_SEED, 64);
    // What they reach is in assets/weights/README.md; this only notices weights that fit no more.
    assert!(found < 0.5 * mean, "{found} mm, the mean mesh {mean} mm");
    let rigged =
        evaluator.rigged(true).evaluate(VALIDATION_SEED, 64)?.summary().mesh_error.expect("renders have meshes");
    assert!(rigged < 0.5 * mean && rigged != found, "{rigged} mm, the network's own mesh {found} mm");
    Ok(())
}

#[test]
fn a_rigged_hand_has_the_bones_and_the_skin_of_the_rig() -> Result<()> {
    let gpu = Gpu::new()?;
    let mut model = GraphCnn::shipped(&gpu)?;
    let rgb = (0..96 * 96 * 3).map(|i| (i * 7 % 251) as u8).collect();
    let photo = Photo::from_rgb(96, 96, rgb)?;
    let known = |left| InferOptions { scale_mm: Some(40.0), rigged: true, left, ..InferOptions::default() };
    let hand = RiggedHand::right();
    let rest = hand.pose(&Pose::default(), &Shape::default());
    let size = 40.0 / rest.joints[9].distance(rest.joints[10]);
    for left in [false, true] {
        let found = model.infer(&photo, &known(left))?;
        for (a, b) in BONES {
            let (length, expected) =
                (found.joints_mm[a].distance(found.joints_mm[b]), size * rest.joints[a].distance(rest.joints[b]));
            // The palm's arch moves the bases a little against the wrist; tips lie on the skin, which bends.
            let most = if a == 0 { 3.0 } else { 0.1 };
            assert!((length - expected).abs() < most || TIPS.contains(&b), "{a}–{b}: {length} mm, not {expected}");
        }
        assert!(found.joints_mm[0].length() < 1e-3, "the wrist is the origin");
        for (&tip, vertex) in TIPS.iter().zip(hand.tip_vertices()) {
            assert!(found.vertices_mm[*vertex as usize].distance(found.joints_mm[tip]) < 1e-3);
            assert!(found.vertices_uv[*vertex as usize].distance(found.uv[tip]) < 1e-2);
        }
    }
    Ok(())
}
