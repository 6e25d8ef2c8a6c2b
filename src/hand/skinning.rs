//! Linear blend skinning on the CPU: a pose and a shape in, vertices and joints out.

use glam::{Mat3, Quat, Vec3};

use super::joints::{JOINTS, RIG_JOINTS, RIG_OF_JOINT, RIG_PARENTS, TIPS, finger_of_rig_joint};
use super::{JointFrame, RiggedHand, Shape};

/// Turns of the rig's joints and place of the whole hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Pose {
    /// Turn of each rig joint in its own rest axes (see [`JointFrame`]); the first turns the hand in its own frame.
    pub joints: [Quat; RIG_JOINTS],
    /// Turn of the hand from the rest frame to the camera, about the wrist.
    pub rotation: Quat,
    /// Where the wrist is, mm.
    pub translation_mm: Vec3,
}

impl Default for Pose {
    /// The rest pose at the origin.
    fn default() -> Self {
        Self { joints: [Quat::IDENTITY; RIG_JOINTS], rotation: Quat::IDENTITY, translation_mm: Vec3::ZERO }
    }
}

impl Pose {
    /// Turns a rig joint by angles in radians: flexion bends towards the palm, abduction leads away from the thumb, twist is
    /// about the bone. Applied twist first, abduction last, so that a spread finger flexes in its own plane.
    pub fn bend(&mut self, rig_joint: usize, flexion: f32, abduction: f32, twist: f32) {
        self.joints[rig_joint] =
            Quat::from_rotation_z(abduction) * Quat::from_rotation_x(flexion) * Quat::from_rotation_y(twist);
    }
}

/// A hand in some pose and shape, in the axes its pose led to (the camera's, usually). Millimetres.
#[derive(Clone, Debug, PartialEq)]
pub struct PosedHand {
    /// Vertices, in the order of [`RiggedHand::rest_vertices`].
    pub vertices: Vec<Vec3>,
    /// The 21 joints; the fingertips lie on the skin.
    pub joints: [Vec3; JOINTS],
    /// The rig's joints.
    pub frames: [JointFrame; RIG_JOINTS],
}

/// `x ↦ linear · x + offset`.
#[derive(Clone, Copy)]
struct Affine {
    linear: Mat3,
    offset: Vec3,
}

impl RiggedHand {
    /// The hand in a pose and shape: `v = Σ_j w_j (o_j + A_j S_j R_jᵀ (v_rest − r_j))`, with `o_j`, `A_j` the posed and `r_j`, `R_j` the
    /// rest frame of joint `j` and `S_j` its shape. Children hang where their parent's shape takes them, but do not inherit it.
    pub fn pose(&self, pose: &Pose, shape: &Shape) -> PosedHand {
        let rest = self.rest_frames();
        let scaling = self.scaling(shape);
        let mut frames = *rest;
        frames[0] = JointFrame { origin: pose.translation_mm, axes: pose.rotation * rest[0].axes * pose.joints[0] };
        for joint in 1..RIG_JOINTS {
            let parent = RIG_PARENTS[joint];
            let to_parent = rest[parent].axes.inverse();
            let offset = scaling[parent] * (to_parent * (rest[joint].origin - rest[parent].origin));
            frames[joint] = JointFrame {
                origin: frames[parent].origin + frames[parent].axes * offset,
                axes: (frames[parent].axes * (to_parent * rest[joint].axes) * pose.joints[joint]).normalize(),
            };
        }
        let transforms: [Affine; RIG_JOINTS] = std::array::from_fn(|j| {
            let linear = Mat3::from_quat(frames[j].axes) * scaling[j] * Mat3::from_quat(rest[j].axes.inverse());
            Affine { linear, offset: frames[j].origin - linear * rest[j].origin }
        });
        let skin = |(rest, influences): (&Vec3, &[(u8, f32); 4])| {
            let moved = |&(joint, weight): &(u8, f32)| {
                let t = &transforms[joint as usize];
                (t.linear * *rest + t.offset) * weight
            };
            influences.iter().map(moved).sum()
        };
        let vertices: Vec<Vec3> = self.rest_vertices().iter().zip(self.influences()).map(skin).collect();
        let mut joints = RIG_OF_JOINT.map(|j| frames[j].origin);
        for (tip, vertex) in TIPS.into_iter().zip(self.tip_vertices()) {
            joints[tip] = vertices[*vertex as usize];
        }
        PosedHand { vertices, joints, frames }
    }

    /// What a shape does to space around each joint, in the joint's own axes.
    pub(super) fn scaling(&self, shape: &Shape) -> [Mat3; RIG_JOINTS] {
        let wrist = self.rest_frames()[0].axes;
        let palm = Vec3::new(shape.palm_width, shape.palm_length, shape.palm_depth) * shape.scale;
        std::array::from_fn(|joint| match finger_of_rig_joint(joint) {
            Some(finger) => {
                let (thick, long) = (shape.finger_thickness[finger], shape.finger_length[finger]);
                Mat3::from_diagonal(Vec3::new(thick, long, thick) * shape.scale)
            }
            // The palm's axes are the wrist's; each metacarpal sees the same block from its own.
            None => {
                let to_wrist = Mat3::from_quat(wrist.inverse() * self.rest_frames()[joint].axes);
                to_wrist.transpose() * Mat3::from_diagonal(palm) * to_wrist
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::joints::{BONES, finger_rig_joints};

    #[test]
    fn rest_pose_is_the_rest_mesh() {
        let hand = RiggedHand::right();
        let posed = hand.pose(&Pose::default(), &Shape::default());
        for (a, b) in posed.vertices.iter().zip(hand.rest_vertices()) {
            assert!(a.distance(*b) < 1e-3, "{a} {b}");
        }
        assert!(posed.joints[0].length() < 1e-4);
    }

    #[test]
    fn flexing_brings_every_tip_towards_the_palm() {
        let hand = RiggedHand::right();
        let rest = hand.pose(&Pose::default(), &Shape::default());
        let palm = -Vec3::Z;
        for (finger, tip) in TIPS.into_iter().enumerate() {
            for joint in finger_rig_joints(finger) {
                let mut pose = Pose::default();
                pose.bend(joint, 0.3, 0.0, 0.0);
                let moved = hand.pose(&pose, &Shape::default()).joints[tip] - rest.joints[tip];
                // The thumb flexes across the palm, so towards the little finger as much as out of the palm.
                let towards = if finger == 0 { palm - Vec3::X } else { palm };
                assert!(moved.dot(towards) > 2.0, "finger {finger} joint {joint}: {moved}");
            }
            if finger > 0 {
                let mut pose = Pose::default();
                pose.bend(finger_rig_joints(finger)[0], 0.0, 0.3, 0.0);
                let moved = hand.pose(&pose, &Shape::default()).joints[tip] - rest.joints[tip];
                assert!(moved.x < -10.0, "abduction leads away from the thumb: {moved}");
            }
        }
    }

    #[test]
    fn bending_keeps_bone_lengths_and_rigid_motion_keeps_shape() {
        let hand = RiggedHand::right();
        let rest = hand.pose(&Pose::default(), &Shape::default());
        let mut pose = Pose {
            rotation: Quat::from_rotation_y(0.7),
            translation_mm: Vec3::new(1.0, 2.0, 300.0),
            ..Pose::default()
        };
        let moved = hand.pose(&pose, &Shape::default());
        for (a, b) in moved.vertices.iter().zip(&rest.vertices) {
            assert!(a.distance(pose.rotation * *b + pose.translation_mm) < 1e-3);
        }
        for finger in 0..5 {
            pose.bend(finger_rig_joints(finger)[1], 0.9, 0.1, 0.0);
        }
        let bent = hand.pose(&pose, &Shape::default());
        for (parent, child) in BONES.into_iter().filter(|b| !TIPS.contains(&b.1)) {
            let length = |hand: &PosedHand| hand.joints[parent].distance(hand.joints[child]);
            assert!((length(&bent) - length(&rest)).abs() < 1e-2);
        }
    }

    #[test]
    fn shape_factors_act_on_what_they_name() {
        let hand = RiggedHand::right();
        let rest = hand.pose(&Pose::default(), &Shape::default());
        let length = |hand: &PosedHand, a: usize, b: usize| hand.joints[a].distance(hand.joints[b]);

        let big = hand.pose(&Pose::default(), &Shape { scale: 1.2, ..Shape::default() });
        for (a, b) in big.vertices.iter().zip(&rest.vertices) {
            assert!(a.distance(*b * 1.2) < 1e-2);
        }

        let mut longer = Shape::default();
        longer.finger_length[1] = 1.1;
        let long = hand.pose(&Pose::default(), &longer);
        assert!((length(&long, 5, 6) / length(&rest, 5, 6) - 1.1).abs() < 1e-3);
        assert!((length(&long, 9, 10) / length(&rest, 9, 10) - 1.0).abs() < 1e-3);

        let mut thicker = Shape::default();
        thicker.finger_thickness[2] = 1.3;
        let thick = hand.pose(&Pose::default(), &thicker);
        let frame = hand.rest_frames()[13];
        let radius = |v: Vec3| (v - frame.origin).reject_from_normalized(frame.axes * Vec3::Y).length();
        let shaft =
            (0..rest.vertices.len()).filter(|&v| hand.influences()[v].iter().any(|&(j, w)| j == 13 && w > 0.999));
        let mut seen = 0;
        for v in shaft {
            assert!((radius(thick.vertices[v]) / radius(rest.vertices[v]) - 1.3).abs() < 1e-3);
            seen += 1;
        }
        assert!(seen > 0);
        assert!((length(&thick, 9, 10) - length(&rest, 9, 10)).abs() < 1e-3);

        let wide = hand.pose(&Pose::default(), &Shape { palm_width: 1.2, ..Shape::default() });
        let spread = |hand: &PosedHand| hand.joints[5].x - hand.joints[17].x;
        assert!((spread(&wide) / spread(&rest) - 1.2).abs() < 1e-3);
        assert!((wide.joints[9].y - rest.joints[9].y).abs() < 1e-2);
    }
}
