//! Checkpoints of states on a device: saved, loaded, and a training that goes on as if never interrupted.

use std::path::PathBuf;

use knuckle::graph::TensorData;
use knuckle::train::checkpoint::{self, Metadata, Precision, Progress};
use knuckle::{Error, Executable, Gpu, Init, Recorder, Result, States, TensorType};

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("knuckle-checkpoint-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Gradient descent with momentum on `Σ (w·x − 1)²`, by hand so that two kinds of state are involved.
fn training(gpu: &Gpu, states: &States) -> Result<Executable> {
    let r = Recorder::training();
    let x = r.input("x", [4]);
    let w = r.param_with("w", [4], Init::Normal(1.0));
    let momentum = r.buffer("momentum", TensorType::f32([4]), Init::Constant(0.0));
    let loss = w.mul(x)?.sub(r.scalar(1.0))?.square()?.sum_all()?;
    let gradient = loss.backward_to(&[w])?.of(w).unwrap();
    let next = momentum.scale(0.9)?.add(gradient)?;
    momentum.assign(next)?;
    w.assign(w.sub(next.scale(0.01)?)?)?;
    gpu.compile_with(&r, [loss], states)
}

fn steps(exe: &mut Executable, range: std::ops::Range<u32>) -> Result<()> {
    for i in range {
        exe.run([("x", &[1.0, 0.3 * i as f32, -0.7, 0.1])])?;
    }
    Ok(())
}

#[test]
fn a_resumed_training_gives_the_same_bits() -> Result<()> {
    let gpu = Gpu::new()?;
    let path = folder("resume").join("last.safetensors");
    let progress = Progress { step: 5, seed: 3, config: r#"{"rate":0.01}"#.into() };

    let whole = States::seeded(&gpu, 3);
    let mut exe = training(&gpu, &whole)?;
    steps(&mut exe, 0..5)?;
    checkpoint::save(&path, &whole, &progress)?;
    steps(&mut exe, 5..9)?;

    // Another seed: every bit must come from the file.
    let resumed = States::seeded(&gpu, 4);
    let mut exe = training(&gpu, &resumed)?;
    assert_ne!(resumed.read(&["w"])?, whole.read(&["w"])?);
    assert_eq!(checkpoint::load(&path, &resumed)?, progress);
    assert_eq!(checkpoint::progress(&path)?, progress);
    steps(&mut exe, 5..9)?;
    assert_eq!(resumed.read(&["w", "momentum"])?, whole.read(&["w", "momentum"])?);
    Ok(())
}

#[test]
fn a_checkpoint_that_does_not_fit_changes_nothing() -> Result<()> {
    let gpu = Gpu::new()?;
    let folder = folder("misfit");
    let states = States::seeded(&gpu, 3);
    let mut exe = training(&gpu, &states)?;
    steps(&mut exe, 0..1)?;
    let before = states.read(&["w", "momentum"])?;

    let other = States::new(&gpu);
    other.write("momentum", &TensorData::f32([4], &[9.0; 4]).unwrap())?;
    other.write("w", &TensorData::f32([2, 2], &[9.0; 4]).unwrap())?;
    let path = folder.join("other.safetensors");
    checkpoint::save(&path, &other, &Progress { step: 1, seed: 1, config: "{}".into() })?;
    let error = checkpoint::load(&path, &states).unwrap_err();
    assert!(matches!(&error, Error::Weights { message, .. } if message.contains("`w`")), "{error}");
    assert_eq!(states.read(&["w", "momentum"])?, before);
    assert!(matches!(checkpoint::load(&folder.join("none"), &states), Err(Error::File { .. })));
    Ok(())
}

#[test]
fn weights_hold_what_is_named_and_cannot_resume() -> Result<()> {
    let gpu = Gpu::new()?;
    let path = folder("weights").join("w.safetensors");
    let states = States::seeded(&gpu, 3);
    training(&gpu, &states)?;
    let names = ["w".to_string()];
    checkpoint::save_weights(&path, &states, &names, Precision::F16, Metadata::from([("steps".into(), "0".into())]))?;
    let bytes = std::fs::read(&path).unwrap();
    let read = checkpoint::read_tensors("w", &bytes, &[("w".into(), TensorType::f32([4]))])?;
    for (a, b) in read[0].1.to_f32().iter().zip(states.read(&["w"])?[0].to_f32()) {
        assert!((a - b).abs() <= b.abs() / 2048.0);
    }
    let error = checkpoint::load(&path, &states).unwrap_err().to_string();
    assert!(error.contains("cannot resume"), "{error}");
    Ok(())
}
