//! MANO in a graph.

use std::sync::Arc;

use super::{HandModel, HandVars, PoseHabit, PosedVars, posed};
use crate::error::{Error, Result};
use crate::hand::ManoData;
use crate::hand::joints::JOINTS;
use crate::hand::mano::{MANO_FEATURES, MANO_JOINTS, MANO_POSE, MANO_SHAPES, MANO_VERTICES};
use crate::ops::{Skeleton, SkinWeights};

const MILLIMETRES_PER_METRE: f64 = 1000.0;

/// Each of the 21 joints: one of MANO's, or the tip of a finger, thumb first.
const OF_JOINT: [Source; JOINTS] = {
    use Source::{Joint, Tip};
    [
        Joint(0),
        Joint(13),
        Joint(14),
        Joint(15),
        Tip(0),
        Joint(1),
        Joint(2),
        Joint(3),
        Tip(1),
        Joint(4),
        Joint(5),
        Joint(6),
        Tip(2),
        Joint(10),
        Joint(11),
        Joint(12),
        Tip(3),
        Joint(7),
        Joint(8),
        Joint(9),
        Tip(4),
    ]
};

#[derive(Clone, Copy)]
enum Source {
    Joint(usize),
    Tip(usize),
}

/// How MANO is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManoOptions {
    /// Whether a pose of 0 is the flat hand; otherwise it is the mean pose of the file (`hands_mean`).
    pub flat: bool,
    /// The pose as coefficients of the first so many principal components (1 to 45) instead of 45 angles.
    pub components: Option<usize>,
    /// The vertices that are the fingertips, thumb first.
    pub tips: [u32; 5],
}

impl ManoOptions {
    /// Fingertips as most code that uses MANO has them.
    pub const TIPS: [u32; 5] = [745, 317, 444, 556, 673];
    /// Fingertips of the other convention in use.
    pub const OTHER_TIPS: [u32; 5] = [744, 320, 443, 554, 671];
}

impl Default for ManoOptions {
    /// 45 angles relative to the mean pose.
    fn default() -> Self {
        ManoOptions { flat: false, components: None, tips: Self::TIPS }
    }
}

/// MANO (Romero, Tzionas and Black 2017) in a graph, from a user's file: 778 vertices, 10 shape parameters, and 45 pose parameters:
/// axis times angle (radians) of each of the file's joints 1–15, in the rest frame, or coefficients of principal components.
///
/// Shape 0 is the template, pose 0 the mean pose or the flat hand as [`ManoOptions`] say. The rest frame has the file's axes and
/// its origin at the wrist, joint 0, whatever the shape: where other code translates the template's origin by `t`, the wrist
/// here is at `t` plus the wrist's place in the template.
#[derive(Debug, Clone)]
pub struct Mano {
    skeleton: Arc<Skeleton>,
    weights: Arc<SkinWeights>,
    faces: Vec<[u32; 3]>,
    options: ManoOptions,
    /// K×45, and what is added.
    components: Vec<f32>,
    mean: Vec<f32>,
    /// (10 + 135)×((778 + 21)·3) mm: vertices and joints at rest from shape and rotations, and their values for shape 0 and
    /// rotations of 0.
    blend: Vec<f32>,
    rest: Vec<f32>,
    /// 10×(16·3) mm: the joints from the shape, and for shape 0.
    joint_dirs: Vec<f32>,
    joints: Vec<f32>,
}

impl Mano {
    /// The model of a file's arrays; of a left hand's, a left hand. For the other hand see [`ManoData::mirrored`].
    pub fn new(data: &ManoData, options: &ManoOptions) -> Result<Self> {
        if let Some(got) = options.components.filter(|k| !(1..=MANO_POSE).contains(k)) {
            return Err(Error::invalid("MANO: components", format!("1 to {MANO_POSE}"), got));
        }
        if let Some(got) = options.tips.into_iter().find(|&tip| tip as usize >= MANO_VERTICES) {
            return Err(Error::invalid("MANO: tips", format!("vertices below {MANO_VERTICES}"), got));
        }
        let template = Rows::of(data, &data.template, 1, options);
        let shapes = Rows::of(data, &data.shape_dirs, MANO_SHAPES, options);
        // The joints hang on the shape alone; a pose bends the tips' flesh as it does their vertices'.
        let poses = Rows::without_joints(&data.pose_dirs, MANO_FEATURES, options);
        // Rotations come as they are, their blend shapes follow what they differ from the identity.
        let is_diagonal = |feature: usize| [0, 4, 8].contains(&(feature % 9));
        let identity: Vec<f64> = poses
            .values
            .chunks(MANO_FEATURES)
            .map(|dirs| (0..MANO_FEATURES).filter(|k| is_diagonal(*k)).map(|k| dirs[k]).sum())
            .collect();
        let rest =
            template.values.iter().zip(&identity).map(|(t, i)| (MILLIMETRES_PER_METRE * (t - i)) as f32).collect();
        let mut blend = shapes.transposed();
        blend.extend(poses.transposed());

        let mut lists: Vec<Vec<(usize, f32)>> = (0..MANO_VERTICES)
            .map(|v| {
                let row = &data.weights[v * MANO_JOINTS..(v + 1) * MANO_JOINTS];
                row.iter().enumerate().map(|(joint, weight)| (joint, *weight as f32)).collect()
            })
            .collect();
        for source in OF_JOINT {
            lists.push(match source {
                Source::Joint(joint) => vec![(joint, 1.0)],
                Source::Tip(finger) => lists[options.tips[finger] as usize].clone(),
            });
        }
        let components = options.components.unwrap_or(0);
        Ok(Mano {
            skeleton: Skeleton::new(&data.parents)?,
            weights: SkinWeights::new(MANO_JOINTS, &lists)?,
            faces: data.faces.clone(),
            options: *options,
            components: data.components[..components * MANO_POSE].iter().map(|v| *v as f32).collect(),
            mean: data.mean.iter().map(|v| if options.flat { 0.0 } else { *v as f32 }).collect(),
            blend,
            rest,
            joint_dirs: Rows::joints(data, &data.shape_dirs, MANO_SHAPES).transposed(),
            joints: Rows::joints(data, &data.template, 1).transposed(),
        })
    }
}

/// Points, each with `width` numbers for each coordinate.
struct Rows {
    width: usize,
    values: Vec<f64>,
}

impl Rows {
    /// The regressed joints, relative to the wrist.
    fn joints(data: &ManoData, vertices: &[f64], width: usize) -> Self {
        let row = 3 * width;
        let mut values = vec![0.0; MANO_JOINTS * row];
        for (joint, regressor) in data.regressor.chunks(MANO_VERTICES).enumerate() {
            for (vertex, share) in vertices.chunks(row).zip(regressor) {
                values[joint * row..][..row].iter_mut().zip(vertex).for_each(|(sum, v)| *sum += share * v);
            }
        }
        let wrist = values[..row].to_vec();
        values.chunks_mut(row).for_each(|joint| joint.iter_mut().zip(&wrist).for_each(|(v, w)| *v -= w));
        Rows { width, values }
    }

    /// The vertices relative to the wrist, then the 21 joints.
    fn of(data: &ManoData, vertices: &[f64], width: usize, options: &ManoOptions) -> Self {
        let row = 3 * width;
        let mut wrist = vec![0.0; row];
        for (vertex, share) in vertices.chunks(row).zip(&data.regressor) {
            wrist.iter_mut().zip(vertex).for_each(|(sum, v)| *sum += share * v);
        }
        let relative: Vec<f64> = vertices.chunks(row).flat_map(|v| v.iter().zip(&wrist).map(|(v, w)| v - w)).collect();
        Self::with(&relative, &Self::joints(data, vertices, width).values, width, options)
    }

    /// The vertices, then the tips among 21 joints that are 0.
    fn without_joints(vertices: &[f64], width: usize, options: &ManoOptions) -> Self {
        Self::with(vertices, &vec![0.0; MANO_JOINTS * 3 * width], width, options)
    }

    fn with(vertices: &[f64], joints: &[f64], width: usize, options: &ManoOptions) -> Self {
        let row = 3 * width;
        let mut values = vertices.to_vec();
        for source in OF_JOINT {
            values.extend_from_slice(match source {
                Source::Joint(joint) => &joints[joint * row..][..row],
                Source::Tip(finger) => &vertices[options.tips[finger] as usize * row..][..row],
            });
        }
        Rows { width, values }
    }

    /// A row of all coordinates (mm) for each of the numbers.
    fn transposed(&self) -> Vec<f32> {
        let coordinates = self.values.len() / self.width;
        let at = |k: usize, i: usize| (MILLIMETRES_PER_METRE * self.values[i * self.width + k]) as f32;
        (0..self.width).flat_map(|k| (0..coordinates).map(move |i| at(k, i))).collect()
    }
}

/// No joint of a hand bends farther either way, radians.
const FARTHEST: f32 = 2.0;
/// How much a joint's angle varies about each axis, or a component about its mean: nominal too.
const POSE_SPREAD: f32 = 0.5;

impl HandModel for Mano {
    fn pose_size(&self) -> usize {
        self.options.components.unwrap_or(MANO_POSE)
    }

    fn shape_size(&self) -> usize {
        MANO_SHAPES
    }

    fn vertices(&self) -> usize {
        MANO_VERTICES
    }

    fn faces(&self) -> &[[u32; 3]] {
        &self.faces
    }

    /// ± 2 radians for each angle, since the file says nothing of limits; for a component what angles within those could ask for.
    fn pose_limits(&self) -> Vec<(f32, f32)> {
        if self.options.components.is_none() {
            return vec![(-FARTHEST, FARTHEST); MANO_POSE];
        }
        let reach = |row: &[f32]| {
            let square: f32 = row.iter().map(|v| v * v).sum();
            FARTHEST * row.iter().map(|v| v.abs()).sum::<f32>() / square.max(f32::MIN_POSITIVE)
        };
        self.components.chunks(MANO_POSE).map(reach).map(|most| (-most, most)).collect()
    }

    /// Normal, as the principal components were scaled.
    fn pose_habits(&self) -> Vec<PoseHabit> {
        (0..self.pose_size()).map(|k| PoseHabit { terms: vec![(k, 1.0)], mean: 0.0, spread: POSE_SPREAD }).collect()
    }

    fn shape_prior(&self) -> Vec<(f32, f32)> {
        vec![(0.0, 1.0); MANO_SHAPES]
    }

    #[track_caller]
    fn record<'r>(&self, hand: &HandVars<'r>) -> Result<PosedVars<'r>> {
        let r = hand.rotation.recorder();
        let n = hand.samples(self)?;
        r.layer("hand", || {
            let mean = || r.constant([MANO_POSE], &self.mean);
            let pose = match self.options.components {
                Some(k) => hand.pose.linear(r.constant([k, MANO_POSE], &self.components)?, mean()?, false)?,
                None if self.options.flat => hand.pose,
                None => hand.pose.add(mean()?)?,
            };
            let turns = r.concat(&[hand.rotation, pose], 1)?.reshape([n, MANO_JOINTS, 3])?.axis_angle_to_matrix()?;
            let features = turns.slice(1, 1, MANO_JOINTS - 1)?.reshape([n, MANO_FEATURES])?;
            let width = self.rest.len();
            let blend = r.constant([MANO_SHAPES + MANO_FEATURES, width], &self.blend)?;
            let rest = r.concat(&[hand.shape, features], 1)?.linear(blend, r.constant([width], &self.rest)?, false)?;
            let joint_dirs = r.constant([MANO_SHAPES, 3 * MANO_JOINTS], &self.joint_dirs)?;
            let joints = hand.shape.linear(joint_dirs, r.constant([3 * MANO_JOINTS], &self.joints)?, false)?;
            let maps = turns.turn_about(joints.reshape([n, MANO_JOINTS, 3])?)?.forward_kinematics(&self.skeleton)?;
            let rows = rest.reshape([n, width / 3, 3])?.skin(maps, &self.weights)?;
            posed(rows.add(hand.translation_mm.reshape([n, 1, 3])?)?, MANO_VERTICES)
        })
    }
}
