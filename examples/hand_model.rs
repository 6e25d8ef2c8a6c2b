//! Poses a hand on the GPU: `cargo run --release --example hand_model` writes `hand.obj`, a left hand that points, and tells
//! which angles would bring its fingertip nearer to the thumb's.

use glam::Vec3;
use knuckle::hand::Side;
use knuckle::hand::freedoms::HAND_FREEDOMS;
use knuckle::hand::joints::{RIG_JOINT_NAMES, TIPS};
use knuckle::nn::hand::{HandModel, HandRig, HandVars};
use knuckle::{Gpu, Recorder, Result, output::save_obj};

fn main() -> Result<()> {
    let model = HandRig::shipped(Side::Left)?;
    let r = Recorder::new();
    let hand = HandVars::inputs(&r, "hand", 1, &model);
    let posed = model.record(&hand)?;
    let [thumb, index] = [TIPS[0], TIPS[1]].map(|tip| posed.joints.slice(1, tip, 1));
    let apart = thumb?.sub(index?)?.square()?.sum_all()?;
    let by_angle = apart.backward_to(&[hand.pose])?.of(hand.pose).expect("it was asked for");
    let mut program = Gpu::new()?.compile(&r, [posed.vertices, apart, by_angle])?;

    // Middle, ring and little finger curled, the thumb easy; fingers 8 % longer than the rig's.
    let curled = |joint: usize| if joint > 10 { 1.2 } else { 0.2 };
    let pose = HAND_FREEDOMS.map(|f| if f.limits_deg.1 > 40.0 { curled(f.joint) } else { 0.0 });
    let mut shape = vec![0.0; model.shape_size()];
    shape[4..9].fill(1.08f32.ln());
    let found = program.run([
        ("hand/rotation", &[0.0, 0.4, 0.0][..]),
        ("hand/translation_mm", &[0.0, 0.0, 500.0]),
        ("hand/pose", &pose),
        ("hand/shape", &shape),
    ])?;
    let vertices: Vec<Vec3> = found.f32(0).chunks(3).map(Vec3::from_slice).collect();
    save_obj("hand.obj", &vertices, model.faces())?;
    println!("thumb and index fingertip are {:.0} mm apart; nearer by", found.scalar(1).sqrt());
    for (freedom, slope) in HAND_FREEDOMS.iter().zip(found.f32(2)).filter(|(_, slope)| slope.abs() > 500.0) {
        println!(
            "{} {:?} {}",
            RIG_JOINT_NAMES[freedom.joint],
            freedom.turn,
            if *slope > 0.0 { "less" } else { "more" }
        );
    }
    Ok(())
}
