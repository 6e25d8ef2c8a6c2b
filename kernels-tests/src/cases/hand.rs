//! Rigs, and hand models from their parameters to vertices and joints.

use std::sync::Arc;

use knuckle::hand::freedoms::{HAND_FREEDOMS, Turn};
use knuckle::hand::joints::{RIG_JOINTS, RIG_OF_JOINT, RIG_PARENTS, TIPS, finger_of_rig_joint};
use knuckle::hand::mano::ManoData;
use knuckle::hand::{Array, RiggedHand, Side};
use knuckle::nn::hand::{HandModel, HandRig, HandVars, Mano, ManoOptions};
use knuckle::ops::{Rig, RigFrame, Skeleton};
use knuckle::rng::Rng;

use crate::case::{Case, Fill, Operand};
use crate::reference::{Tensor, hand as reference, mesh};

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = operators();
    for (side, n) in [(Side::Right, 1), (Side::Right, 2), (Side::Left, 1)] {
        cases.push(rigged_hand(side, n));
    }
    let components = |k: usize| ManoOptions { components: Some(k), ..ManoOptions::default() };
    let flat = ManoOptions { flat: true, tips: ManoOptions::OTHER_TIPS, ..ManoOptions::default() };
    cases.push(mano("angles from the mean pose", &ManoOptions::default(), Side::Right, 1));
    cases.push(mano("angles from the flat hand", &flat, Side::Right, 2));
    cases.push(mano("6 components", &components(6), Side::Right, 1));
    cases.push(mano("45 components of the flat hand", &ManoOptions { flat: true, ..components(45) }, Side::Right, 1));
    cases.push(mano("left file", &ManoOptions::default(), Side::Left, 1));
    cases
}

/// Trees with one root.
const TREES: [(&str, &[usize]); 4] = [
    ("alone", &[0]),
    ("chain", &[0, 0, 1, 2, 3, 4]),
    ("star", &[0, 0, 0, 0, 0]),
    ("hand", &[0, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19]),
];

/// A rig of random joints, and as the reference has it.
fn rig(parents: &[usize]) -> (Arc<Rig>, Arc<Vec<reference::Joint>>) {
    let mut rng = Rng::new(23, parents.len() as u64);
    let mut three = |size: f32| [0; 3].map(|_| f64::from(rng.range(-size, size)));
    let mut joint = |&parent: &usize| {
        let mut axes = || {
            let x = Tensor { dims: vec![1, 3], data: three(1.5).to_vec() };
            let m = mesh::axis_angle(&x).data;
            [0, 1, 2].map(|i| [0, 1, 2].map(|j| m[3 * i + j]))
        };
        let (axes, stretch) = (axes(), axes());
        reference::Joint { parent, origin: three(2.0), axes, stretch }
    };
    let joints: Vec<reference::Joint> = parents.iter().map(&mut joint).collect();
    let flat = |m: [[f64; 3]; 3]| std::array::from_fn(|k| m[k / 3][k % 3]);
    let frame = |j: &reference::Joint| RigFrame { origin: j.origin, axes: flat(j.axes), stretch: flat(j.stretch) };
    let frames: Vec<RigFrame> = joints.iter().map(frame).collect();
    let rig = Rig::new(Skeleton::new(parents).expect("a tree"), &frames).expect("a rig");
    (rig, Arc::new(joints))
}

fn operators() -> Vec<Case> {
    let uniform = |dims: &[usize], most: f32| Operand::filled(dims, Fill::Uniform(-most, most));
    let mut cases = Vec::new();
    for (name, parents) in TREES {
        for n in [1, 3] {
            let joints = [n, parents.len(), 3];
            // Within and beyond half a turn.
            for most in [1.0, 9.0] {
                let (rig, exact) = self::rig(parents);
                let parts =
                    [uniform(&joints, most), uniform(&joints, 0.5), uniform(&[n, 9], 1.0), uniform(&[n, 3], 2.0)];
                cases.push(Case::new(
                    "rig_pose",
                    format!("{name}, angles to {most}"),
                    parts,
                    move |_, x| x[0].rig_pose(x[1], x[2], x[3], &rig),
                    move |x| reference::rig_pose(&x[0], &x[1], &x[2], &x[3], &exact),
                ));
            }
            let (rig, exact) = self::rig(parents);
            cases.push(Case::new(
                "rig_shape",
                name,
                [uniform(&joints, 0.5)],
                move |_, x| x[0].rig_shape(&rig),
                move |x| reference::rig_shape(&x[0], &exact),
            ));
        }
    }
    for lead in [&[][..], &[1], &[5], &[2, 16], &[1, 67], &[2, 3, 4]] {
        let operands = [uniform(&[lead, &[9]].concat(), 2.0), uniform(&[lead, &[3]].concat(), 2.0)];
        cases.push(Case::new(
            "turn_about",
            "",
            operands,
            |_, x| x[0].turn_about(x[1]),
            |x| reference::turn_about(&x[0], &x[1]),
        ));
    }
    cases
}

/// The parameters of `n` hands.
fn parameters(n: usize, model: &dyn HandModel, pose: f32, shape: f32) -> [Operand; 4] {
    let uniform = |width: usize, most: f32| Operand::filled([n, width], Fill::Uniform(-most, most));
    [uniform(3, 1.5), uniform(3, 200.0), uniform(model.pose_size(), pose), uniform(model.shape_size(), shape)]
}

/// A model from its parameters to vertices and joints.
fn model(
    op: &'static str,
    attributes: String,
    operands: [Operand; 4],
    model: impl HandModel + 'static,
    exact: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static,
) -> Case {
    Case::new(
        op,
        attributes,
        operands,
        move |r, x| {
            let hand = HandVars { rotation: x[0], translation_mm: x[1], pose: x[2], shape: x[3] };
            let posed = model.record(&hand)?;
            r.concat(&[posed.vertices, posed.joints], 1)
        },
        exact,
    )
}

fn rigged_hand(side: Side, n: usize) -> Case {
    let hand = RiggedHand::right();
    let exact = exactly(&hand, side);
    let rig = HandRig::new(&hand, side).expect("a model");
    let operands = parameters(n, &rig, 0.8, 0.2);
    model("hand_rig", format!("{side:?}"), operands, rig, move |x| exact.hands(&x[0], &x[1], &x[2], &x[3]))
}

/// The shipped hand for the reference. Its quaternions are made unit ones, as the library makes matrices of them.
fn exactly(hand: &RiggedHand, side: Side) -> reference::Rig {
    let frames = hand.rest_frames();
    let axes = |joint: usize| {
        let q = frames[joint].axes;
        let data = [q.w, q.x, q.y, q.z].map(f64::from).to_vec();
        let m = mesh::quaternion(&Tensor { dims: vec![1, 4], data }).data;
        [0, 1, 2].map(|i| [0, 1, 2].map(|j| m[3 * i + j]))
    };
    let fingers: Vec<Option<usize>> = (0..RIG_JOINTS).map(finger_of_rig_joint).collect();
    let joint = |j: usize| reference::Joint {
        parent: RIG_PARENTS[j],
        origin: frames[j].origin.to_array().map(f64::from),
        axes: axes(j),
        stretch: axes(if fingers[j].is_some() { j } else { 0 }),
    };
    let weights = |list: &[(u8, f32); 4]| list.iter().map(|&(j, w)| (usize::from(j), f64::from(w))).collect();
    let rest = hand.rest_vertices().iter().map(|v| v.to_array().map(f64::from));
    let axis = |turn: Turn| match turn {
        Turn::Flexion => 0,
        Turn::Abduction => 1,
        Turn::Twist => 2,
    };
    let place = |(joint, &rig_joint): (usize, &usize)| match TIPS.iter().position(|tip| *tip == joint) {
        Some(finger) => Err(hand.tip_vertices()[finger] as usize),
        None => Ok(rig_joint),
    };
    reference::Rig {
        joints: (0..RIG_JOINTS).map(joint).collect(),
        vertices: rest.zip(hand.influences().iter().map(weights)).collect(),
        freedoms: HAND_FREEDOMS.iter().map(|f| (f.joint, axis(f.turn))).collect(),
        fingers,
        places: RIG_OF_JOINT.iter().enumerate().map(place).collect(),
        left: side == Side::Left,
    }
}

/// Made-up arrays of MANO's names and shapes.
pub fn made_up_mano(name: &str) -> Option<Array> {
    let shape: &[usize] = match name {
        "v_template" => &[778, 3],
        "shapedirs" => &[778, 3, 10],
        "posedirs" => &[778, 3, 135],
        "J_regressor" => &[16, 778],
        "weights" => &[778, 16],
        "hands_components" => &[45, 45],
        "hands_mean" => &[45],
        "kintree_table" => &[2, 16],
        "f" => &[1538, 3],
        _ => return None,
    };
    let count: usize = shape.iter().product();
    let mut rng = Rng::new(41, name.bytes().map(u64::from).sum());
    let mut uniform = |size: f32| f64::from(rng.range(-size, size));
    let values: Vec<f64> = match name {
        "v_template" => (0..count).map(|_| uniform(0.1)).collect(),
        "shapedirs" => (0..count).map(|_| uniform(0.005)).collect(),
        "posedirs" => (0..count).map(|_| uniform(0.003)).collect(),
        // Each joint is the mean of some vertices.
        "J_regressor" => (0..count).map(|k| if k % 778 % 16 == k / 778 { 1.0 / 49.0 } else { 0.0 }).collect(),
        // Each vertex follows two joints.
        "weights" => {
            let share = |v: usize, j: usize| match (j + 16 - v % 16) % 16 {
                0 => 0.625,
                5 => 0.375,
                _ => 0.0,
            };
            (0..count).map(|k| share(k / 16, k % 16)).collect()
        }
        "kintree_table" => {
            let parents =
                [4_294_967_295.0, 0.0, 1.0, 2.0, 0.0, 4.0, 5.0, 0.0, 7.0, 8.0, 0.0, 10.0, 11.0, 0.0, 13.0, 14.0];
            parents.into_iter().chain((0..16).map(f64::from)).collect()
        }
        "f" => (0..count).map(|k| (k * 7 % 778) as f64).collect(),
        _ => (0..count).map(|_| uniform(0.4)).collect(),
    };
    Some(Array { shape: shape.to_vec(), values })
}

fn mano(what: &str, options: &ManoOptions, side: Side, n: usize) -> Case {
    let data = ManoData::from_arrays(side, |name| Ok(made_up_mano(name))).expect("arrays of the right shapes");
    let exact = exact_mano(made_up_mano, options, side);
    let mano = Mano::new(&data, options).expect("a model");
    let operands = parameters(n, &mano, 0.5, 2.0);
    model("mano", what.to_string(), operands, mano, move |x| exact.hands(&x[0], &x[1], &x[2], &x[3]))
}

/// A MANO for the reference, from arrays by name.
pub fn exact_mano(lookup: impl Fn(&str) -> Option<Array>, options: &ManoOptions, side: Side) -> reference::Mano {
    let values = |name: &str| lookup(name).expect("one of MANO's arrays").values;
    let mut shape_dirs = values("shapedirs");
    if side == Side::Left {
        // x of the left file's goes the wrong way.
        (0..shape_dirs.len()).filter(|k| k % 30 < 10).for_each(|k| shape_dirs[k] = -shape_dirs[k]);
    }
    let parents = values("kintree_table").into_iter().take(16).enumerate();
    reference::Mano {
        template: values("v_template"),
        shape_dirs,
        pose_dirs: values("posedirs"),
        regressor: values("J_regressor"),
        weights: values("weights"),
        parents: parents.map(|(j, p)| if j == 0 { 0 } else { p as usize }).collect(),
        mean: if options.flat { vec![0.0; 45] } else { values("hands_mean") },
        components: values("hands_components")[..45 * options.components.unwrap_or(0)].to_vec(),
        tips: options.tips.map(|tip| tip as usize),
    }
}
