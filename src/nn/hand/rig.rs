//! The rigged hand in a graph.

use std::sync::Arc;

use glam::{Mat3, Vec3};

use super::{HandModel, HandVars, PoseHabit, PosedVars, posed};
use crate::error::Result;
use crate::hand::freedoms::{FREEDOMS, Freedom, HAND_FREEDOMS, Turn};
use crate::hand::joints::{RIG_JOINTS, RIG_OF_JOINT, RIG_PARENTS, TIPS, finger_of_rig_joint, finger_rig_joints};
use crate::hand::shape::{SHAPE_FACTORS, SHAPE_PRIOR};
use crate::hand::{RiggedHand, Side};
use crate::ops::{Rig, RigFrame, Skeleton, SkinWeights};

/// A [`RiggedHand`] in a graph: 23 pose parameters, the angles of [`HAND_FREEDOMS`] in radians, and 14 shape parameters, the
/// logarithms of the factors of [`crate::hand::Shape`] in the order of [`crate::hand::Shape::from_logs`]. All 0 is the rig at
/// rest; logarithms because any number is then a shape, and as far from the rig to one side as its opposite to the other.
///
/// Vertices and joints are those of [`RiggedHand::pose`]. A left hand is what the right one of the same pose and shape is in a
/// mirror across x; its rotation and translation are its own, in the camera's axes.
#[derive(Debug, Clone)]
pub struct HandRig {
    rig: Arc<Rig>,
    weights: Arc<SkinWeights>,
    /// Vertices at rest, then the 21 joints.
    rest: Vec<f32>,
    faces: Vec<[u32; 3]>,
    vertices: usize,
    /// From pose parameters to flexion, abduction and twist of every joint.
    angles: Vec<f32>,
    /// From shape parameters to the logarithms of every joint's stretches.
    stretches: Vec<f32>,
}

impl HandRig {
    /// The model of a rigged hand, as it is or in the mirror.
    pub fn new(hand: &RiggedHand, side: Side) -> Result<Self> {
        let mirror = Vec3::new(side.sign(), 1.0, 1.0);
        let frames = hand.rest_frames();
        // Mirrored axes are left-handed; turning x round mends that, and makes positive flexion what it was.
        let axes = |joint: usize| {
            let columns = Mat3::from_quat(frames[joint].axes);
            let columns = [columns.x_axis * side.sign(), columns.y_axis, columns.z_axis].map(|axis| axis * mirror);
            std::array::from_fn(|k| f64::from(columns[k % 3][k / 3]))
        };
        let frame = |joint: usize| RigFrame {
            origin: (frames[joint].origin * mirror).to_array().map(f64::from),
            axes: axes(joint),
            // The palm stretches as one block.
            stretch: axes(if finger_of_rig_joint(joint).is_some() { joint } else { 0 }),
        };
        let frames: Vec<RigFrame> = (0..RIG_JOINTS).map(frame).collect();
        let rig = Rig::new(Skeleton::new(&RIG_PARENTS)?, &frames)?;

        let each = |list: &[(u8, f32); 4]| list.map(|(joint, weight)| (usize::from(joint), weight)).to_vec();
        let mut lists: Vec<Vec<(usize, f32)>> = hand.influences().iter().map(each).collect();
        let mut rest: Vec<f32> = hand.rest_vertices().iter().flat_map(|v| (*v * mirror).to_array()).collect();
        let vertices = lists.len();
        for (joint, rig_joint) in RIG_OF_JOINT.into_iter().enumerate() {
            match TIPS.iter().position(|tip| *tip == joint) {
                Some(finger) => {
                    let tip = hand.tip_vertices()[finger] as usize;
                    lists.push(lists[tip].clone());
                    rest.extend_from_within(3 * tip..3 * tip + 3);
                }
                None => {
                    lists.push(vec![(rig_joint, 1.0)]);
                    rest.extend(frames[rig_joint].origin.map(|v| v as f32));
                }
            }
        }
        Ok(HandRig {
            rig,
            weights: SkinWeights::new(RIG_JOINTS, &lists)?,
            rest,
            faces: hand.faces().iter().map(|face| side.face(*face)).collect(),
            vertices,
            angles: angles(side),
            stretches: stretches(),
        })
    }

    /// The shipped hand.
    pub fn shipped(side: Side) -> Result<Self> {
        Self::new(&RiggedHand::right(), side)
    }
}

/// 23×(25·3): which parameter each angle of each joint is. In a mirror turns about y and z go the other way.
fn angles(side: Side) -> Vec<f32> {
    let mut map = vec![0.0; FREEDOMS * 3 * RIG_JOINTS];
    for (k, freedom) in HAND_FREEDOMS.iter().enumerate() {
        let (axis, sign) = match freedom.turn {
            Turn::Flexion => (0, 1.0),
            Turn::Abduction => (1, side.sign()),
            Turn::Twist => (2, side.sign()),
        };
        map[3 * (RIG_JOINTS * k + freedom.joint) + axis] = sign;
    }
    map
}

/// Loose spreads about a half-open hand, and two that are tight: fingers are hardly twisted or spread, and the last joint bends
/// two thirds as far as the middle one, for both hang on one tendon (Rijpkema and Girard, "Computer animation of
/// knowledge-based human grasping", 1991).
fn pose_habits() -> Vec<PoseHabit> {
    let degrees = |terms: Vec<(usize, f32)>, mean: f32, spread: f32| PoseHabit {
        terms,
        mean: mean.to_radians(),
        spread: spread.to_radians(),
    };
    let ends = |joint: usize| (1..5).any(|finger| finger_rig_joints(finger)[2] == joint);
    let habit = |(k, freedom): (usize, &Freedom)| {
        let (low, high) = freedom.limits_deg;
        match (freedom.turn, finger_of_rig_joint(freedom.joint)) {
            (Turn::Flexion, _) if ends(freedom.joint) => degrees(vec![(k, 1.0), (k - 1, -2.0 / 3.0)], 0.0, 8.0),
            // Fingers, then metacarpals.
            (Turn::Flexion, Some(1..5)) => degrees(vec![(k, 1.0)], 35.0, 40.0),
            (Turn::Flexion, None) => degrees(vec![(k, 1.0)], 0.5 * (low + high), 0.5 * (high - low)),
            (Turn::Abduction, Some(1..5)) => degrees(vec![(k, 1.0)], 0.0, 8.0),
            _ => degrees(vec![(k, 1.0)], 0.5 * (low + high), 0.3 * (high - low)),
        }
    };
    HAND_FREEDOMS.iter().enumerate().map(habit).collect()
}

/// 14×(25·3): which parameters' sum each joint is stretched by, along each axis.
fn stretches() -> Vec<f32> {
    let mut map = vec![0.0; SHAPE_FACTORS * 3 * RIG_JOINTS];
    for joint in 0..RIG_JOINTS {
        for axis in 0..3 {
            let own = match (finger_of_rig_joint(joint), axis) {
                (None, _) => 1 + axis,
                (Some(finger), 1) => 4 + finger,
                (Some(finger), _) => 9 + finger,
            };
            for parameter in [0, own] {
                map[3 * (RIG_JOINTS * parameter + joint) + axis] = 1.0;
            }
        }
    }
    map
}

impl HandModel for HandRig {
    fn pose_size(&self) -> usize {
        FREEDOMS
    }

    fn shape_size(&self) -> usize {
        SHAPE_FACTORS
    }

    fn vertices(&self) -> usize {
        self.vertices
    }

    fn faces(&self) -> &[[u32; 3]] {
        &self.faces
    }

    fn pose_limits(&self) -> Vec<(f32, f32)> {
        HAND_FREEDOMS.iter().map(|freedom| freedom.limits()).collect()
    }

    fn pose_habits(&self) -> Vec<PoseHabit> {
        pose_habits()
    }

    fn shape_prior(&self) -> Vec<(f32, f32)> {
        SHAPE_PRIOR.to_vec()
    }

    #[track_caller]
    fn record<'r>(&self, hand: &HandVars<'r>) -> Result<PosedVars<'r>> {
        let r = hand.rotation.recorder();
        let n = hand.samples(self)?;
        r.layer("hand", || {
            let joints = |parameters: crate::Var<'r>, map: &[f32]| {
                let map = r.constant([parameters.shape().channels(), 3 * RIG_JOINTS], map)?;
                parameters.matmul(map)?.reshape([n, RIG_JOINTS, 3])
            };
            let angles = joints(hand.pose, &self.angles)?;
            let stretches = joints(hand.shape, &self.stretches)?;
            let rotation = hand.rotation.axis_angle_to_matrix()?;
            let maps = angles.rig_pose(stretches, rotation, hand.translation_mm, &self.rig)?;
            let frames = maps.forward_kinematics(self.rig.skeleton())?;
            let rest = r.constant([self.rest.len() / 3, 3], &self.rest)?;
            let rows = rest.skin(frames.compose(stretches.rig_shape(&self.rig)?)?, &self.weights)?;
            posed(rows, self.vertices)
        })
    }
}
