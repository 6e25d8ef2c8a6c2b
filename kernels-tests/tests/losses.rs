//! Losses: the table, and a critic that is taught with a penalty on its gradient.

use kernels_tests::harness::TRUSTED;
use kernels_tests::{cases, harness};
use knuckle::nn::losses::{Reduction, gradient_penalty, wasserstein_critic_loss};
use knuckle::ops::Adam;
use knuckle::rng::Rng;
use knuckle::{Init, Recorder, Result, States, Var, nn};

#[test]
fn agrees_with_the_reference_in_both_directions() {
    harness::prove(&cases::losses::cases());
}

/// Two layers with a normalisation and a leaky ReLU between them.
fn critic(x: Var<'_>) -> Result<Var<'_>> {
    let hidden = nn::layer_norm(nn::linear(x, "critic/first", 16, false)?, "critic/norm")?.leaky_relu(0.2)?;
    nn::linear(hidden, "critic/second", 1, false)
}

/// Real and fake samples lie around two points at a distance of 3; a critic of slope 1 scores them 3 apart.
#[test]
fn a_critic_learns_the_distance_between_two_clouds() -> Result<()> {
    const BATCH: usize = 32;
    let r = Recorder::training();
    let (real, fake) = (r.input("real", [BATCH, 2]), r.input("fake", [BATCH, 2]));
    let distance = wasserstein_critic_loss(critic(real)?, critic(fake)?, Reduction::Mean)?;
    let penalty = gradient_penalty(real, fake, r.input("mix", [BATCH]), Reduction::Mean, critic)?;
    let loss = distance.add(penalty.scale(10.0)?)?;
    let gradients = r.clip_by_norm(&loss.backward()?, 10.0)?.gradients;
    r.step(&Adam { beta1: 0.0, ..Adam::default() }, &gradients, r.scalar(5e-3))?;
    let mut step = TRUSTED.compile_with(&r, [distance, penalty], &States::new(&TRUSTED))?;
    let mut rng = Rng::new(3, 14);
    let mut last = [0.0f32; 2];
    for _ in 0..400 {
        let mut cloud = |x: f32| (0..2 * BATCH).map(|i| [x, 0.0][i % 2] + 0.3 * rng.normal()).collect::<Vec<f32>>();
        let (real, fake) = (cloud(2.0), cloud(-1.0));
        let mix: Vec<f32> = (0..BATCH).map(|_| rng.range(0.0, 1.0)).collect();
        let results = step.run([("real", &real[..]), ("fake", &fake[..]), ("mix", &mix[..])])?;
        for (i, mean) in last.iter_mut().enumerate() {
            *mean = 0.9 * *mean + 0.1 * results.scalar(i);
        }
    }
    let [distance, penalty] = last;
    assert!((-3.6..-2.4).contains(&distance) && penalty < 0.05, "scores {distance} apart, penalty {penalty}");
    Ok(())
}

#[test]
fn nothing_but_the_critic_learns_from_the_penalty() -> Result<()> {
    let r = Recorder::training();
    let fake = r.input("noise", [4, 3]).mul(r.param_with("generator", [3], Init::Constant(0.5)))?;
    let penalty = gradient_penalty(r.input("real", [4, 3]), fake, r.input("mix", [4]), Reduction::Mean, |x| {
        x.matmul(r.param("critic", [3, 1]))
    })?;
    let gradients = penalty.backward()?;
    assert!(gradients.of(r.param("generator", [3])).is_none());
    assert!(gradients.of(r.param("critic", [3, 1])).is_some());
    Ok(())
}
