//! Vertices as combinations of the 21 joints: what a mesh is, to within the thickness of the fingers, once its joints are known.

use glam::{Vec2, Vec3};

use super::joints::{JOINTS, RIG_JOINTS, RIG_OF_JOINT, TIPS, WRIST, finger_of_rig_joint};
use super::{Pose, RiggedHand, Shape};

/// Where the wrist and the bases of index and little finger are among the 21 joints: the palm, which moves as one, is spanned by them.
const PALM: [usize; 3] = [WRIST, 5, 17];

impl RiggedHand {
    /// Each vertex as a combination of the 21 joints, as (vertex, joint, weight); a vertex's weights sum to 1. A vertex lies at its
    /// foot on every bone that moves it, and on the palm's triangle for the palm, by its skin weights: so a hand that bends carries its
    /// vertices along, but without what they lie beside the bones.
    pub fn vertices_from_joints(&self) -> Vec<(usize, usize, f32)> {
        let joints = self.pose(&Pose::default(), &Shape::default()).joints;
        let bones: [_; RIG_JOINTS] = std::array::from_fn(bone);
        let mut triplets = Vec::new();
        for (vertex, (&place, influences)) in self.rest_vertices().iter().zip(self.influences()).enumerate() {
            let mut row = [0.0; JOINTS];
            for &(rig_joint, weight) in influences {
                match bones[rig_joint as usize] {
                    Some([from, to]) => {
                        let bone = joints[to] - joints[from];
                        let along = (place - joints[from]).dot(bone) / bone.length_squared();
                        row[from] += weight * (1.0 - along);
                        row[to] += weight * along;
                    }
                    None => {
                        for (joint, part) in PALM.into_iter().zip(foot(place, PALM.map(|j| joints[j]))) {
                            row[joint] += weight * part;
                        }
                    }
                }
            }
            triplets
                .extend(row.into_iter().enumerate().filter(|(_, w)| *w != 0.0).map(|(joint, w)| (vertex, joint, w)));
        }
        triplets
    }
}

/// The ends, among the 21 joints, of the bone that a rig joint moves; none for the palm.
fn bone(rig_joint: usize) -> Option<[usize; 2]> {
    let finger = finger_of_rig_joint(rig_joint)?;
    // The rig's own tips lie within the last bone.
    let from = (1..JOINTS).rev().find(|&j| RIG_OF_JOINT[j] == rig_joint && !TIPS.contains(&j));
    let from = from.unwrap_or(TIPS[finger] - 1);
    Some([from, from + 1])
}

/// The barycentric coordinates of a point's foot on the plane of a triangle.
fn foot(p: Vec3, [a, b, c]: [Vec3; 3]) -> [f32; 3] {
    let (u, v, w) = (b - a, c - a, p - a);
    let right = Vec2::new(w.dot(u), w.dot(v));
    let (uu, uv, vv) = (u.dot(u), u.dot(v), v.dot(v));
    let parts = Vec2::new(vv * right.x - uv * right.y, uu * right.y - uv * right.x) / (uu * vv - uv * uv);
    [1.0 - parts.x - parts.y, parts.x, parts.y]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SceneSampler;

    #[test]
    fn joints_carry_vertices_to_within_the_thickness_of_a_hand() {
        let hand = RiggedHand::right();
        let triplets = hand.vertices_from_joints();
        let mut sums = vec![0.0; hand.rest_vertices().len()];
        triplets.iter().for_each(|&(vertex, _, weight)| sums[vertex] += weight);
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-4), "weights sum to 1");

        let sampler = SceneSampler::new(&hand, 64, 7);
        let (mut error, mut from_mean) = (0.0, 0.0);
        for index in 0..50 {
            let scene = sampler.sample(index);
            let vertices = scene.hand_mm();
            let mut carried = vec![Vec3::ZERO; vertices.len()];
            triplets.iter().for_each(|&(vertex, joint, weight)| carried[vertex] += weight * scene.joints_mm[joint]);
            let mean = vertices.iter().sum::<Vec3>() / vertices.len() as f32;
            for (a, b) in carried.iter().zip(vertices) {
                error += a.distance(*b) / (50 * vertices.len()) as f32;
                from_mean += mean.distance(*b) / (50 * vertices.len()) as f32;
            }
        }
        assert!(error < 12.0 && from_mean > 40.0, "{error} mm beside bones, {from_mean} from the middle");
    }
}
