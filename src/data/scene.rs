//! Scenes drawn at random: a hand in a pose and shape, its arm, a camera, and looks. Sample `i` of a seed is always the same.

use glam::{Quat, Vec2, Vec3};
use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::look::{LOOK_WIDTH, Look};
use super::mesh::{CAPSULES, SceneMesh};
use super::pose::PoseSampler;
use crate::hand::joints::JOINTS;
use crate::hand::{Camera, Pose, PosedHand, RiggedHand, Shape};
use crate::models::Truth;
use crate::rng::Rng;

/// From which sides hands are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Views {
    /// Weighted towards how people show hands to cameras: palm or back turned to it, fingers up.
    #[default]
    Mixed,
    /// Any rotation, all equally likely.
    Free,
}

/// How hands lie in their images.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Framing {
    /// Filling 50 to 92 % of it, in its middle or towards an edge: as hands lie in photos.
    #[default]
    Loose,
    /// As one frames a hand who knows about where it is: three of four fill this part of the image, within a fifth, and are in its middle,
    /// within 7 % of its side, where they may be cut a little. The others are loose.
    Around(f32),
}

impl Framing {
    /// How scene `index` is framed: the part of the image to fill, unless it is loose.
    fn of(self, index: u64) -> Option<f32> {
        match self {
            Framing::Around(fill) if !index.is_multiple_of(4) => Some(fill),
            _ => None,
        }
    }
}

/// A scene before it is rendered, and the truth about it. Millimetres in camera axes; pixels of the crop.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The 21 joints.
    pub joints_mm: [Vec3; JOINTS],
    /// The 21 joints in the image.
    pub joints_px: [Vec2; JOINTS],
    /// The camera of the crop.
    pub camera: Camera,
    /// Vertices of the hand, then of its arm.
    pub vertices_mm: Vec<Vec3>,
    /// How many of the vertices are the hand's.
    pub hand_vertices: usize,
    /// The hand's pose.
    pub pose: Pose,
    /// The hand's shape.
    pub shape: Shape,
    /// How it looks.
    pub look: Look,
    capsules: Vec<f32>,
}

impl Scene {
    /// What is known of the hand, as training compares with it.
    pub fn truth(&self) -> Truth<'_> {
        Truth { vertices: self.hand_mm(), joints: &self.joints_mm, camera: self.camera }
    }

    /// The vertices of the hand without its arm, in the order of the rig.
    pub fn hand_mm(&self) -> &[Vec3] {
        &self.vertices_mm[..self.hand_vertices]
    }
}

/// Draws scenes.
#[derive(Clone, Debug)]
pub struct SceneSampler {
    hand: RiggedHand,
    mesh: SceneMesh,
    poses: PoseSampler,
    size_px: usize,
    seed: u64,
    views: Views,
    framing: Framing,
}

impl SceneSampler {
    /// Scenes of `hand` in square images of `size_px` pixels.
    pub fn new(hand: &RiggedHand, size_px: usize, seed: u64) -> Self {
        let mesh = SceneMesh::new(hand);
        let poses = PoseSampler::new(hand);
        SceneSampler { mesh, hand: hand.clone(), poses, size_px, seed, views: Views::Mixed, framing: Framing::Loose }
    }

    /// The same scenes seen from other sides.
    pub fn with_views(mut self, views: Views) -> Self {
        self.views = views;
        self
    }

    /// The same scenes framed otherwise.
    pub fn with_framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Side of the images, pixels.
    pub fn size_px(&self) -> usize {
        self.size_px
    }

    /// The rigged hand.
    pub fn hand(&self) -> &RiggedHand {
        &self.hand
    }

    /// The mesh of hand and arm.
    pub fn mesh(&self) -> &SceneMesh {
        &self.mesh
    }

    /// Scene `index` of the seed.
    pub fn sample(&self, index: u64) -> Scene {
        let rng = &mut Rng::new(self.seed, index);
        let (mut pose, shape) = self.poses.sample(rng);
        pose.rotation = match self.views {
            Views::Free => free_rotation(rng),
            Views::Mixed => mixed_rotation(rng),
        };
        let arm = draw_arm(rng);
        let mut posed = self.hand.pose(&pose, &shape);
        let (centre, camera) = self.frame(rng, &posed, self.framing.of(index));
        pose.translation_mm = centre;
        for v in posed.vertices.iter_mut().chain(&mut posed.joints) {
            *v += centre;
        }
        posed.frames.iter_mut().for_each(|f| f.origin += centre);
        let vertices_mm = self.mesh.vertices_of(&posed, &shape, &arm);
        let arm_end = vertices_mm[vertices_mm.len() - 1];
        let capsules = self.mesh.capsules_of(&posed, &shape, arm_end);
        let look = Look::sample(rng, arm.sleeve_ring, self.size_px);
        let joints_px = posed.joints.map(|j| camera.project(j));
        Scene {
            joints_mm: posed.joints,
            joints_px,
            camera,
            vertices_mm,
            hand_vertices: self.mesh.hand_vertices,
            pose,
            shape,
            look,
            capsules,
        }
    }

    /// Where to put a hand posed at the origin, and the camera of a crop that it fills by about `fill`, in its middle; by 50 to 92 % and
    /// anywhere in it without.
    fn frame(&self, rng: &mut Rng, posed: &PosedHand, fill: Option<f32>) -> (Vec3, Camera) {
        let size = self.size_px as f32;
        // Nearer than an arm's length mostly; log-uniform from 25 cm to 1.2 m.
        let distance = 250.0 * (rng.uniform() * 4.8f32.ln()).exp();
        // Hands are not always in the middle of the photo that the crop is cut from: seen up to some 20 degrees aside.
        let aside = Vec2::new(rng.normal(), rng.normal()) * 0.12;
        let middle = posed.vertices.iter().sum::<Vec3>() / posed.vertices.len() as f32;
        let near = posed.vertices.iter().map(|v| v.z - middle.z).fold(0.0, f32::min);
        let z = distance.max(100.0 - near);
        let centre = Vec3::new(aside.x * z, aside.y * z, z) - middle;
        let unit = |v: &Vec3| (*v + centre).truncate() / (v.z + centre.z);
        let low = posed.vertices.iter().map(unit).fold(Vec2::INFINITY, Vec2::min);
        let high = posed.vertices.iter().map(unit).fold(Vec2::NEG_INFINITY, Vec2::max);
        let part = match fill {
            None => rng.range(0.5, 0.92),
            Some(fill) => fill * rng.range(0.8, 1.2),
        };
        let f = part * size / (high - low).max_element();
        let (reach, room) = match fill {
            None => (0.9, (0.5 * (size - f * (high - low))).max(Vec2::ZERO).min(Vec2::splat(0.22 * size))),
            Some(_) => (1.0, Vec2::splat(0.07 * size)),
        };
        let offset = Vec2::new(rng.range(-reach, reach), rng.range(-reach, reach)) * room;
        let principal = 0.5 * size + offset - f * 0.5 * (low + high);
        (centre, Camera { fx: f, fy: f, cx: principal.x, cy: principal.y })
    }
}

/// What a rendering program uploads for a number of scenes, one after another.
#[derive(Clone, Debug, Default)]
pub struct SceneBatch {
    /// The scenes.
    pub scenes: Vec<Scene>,
    /// `[N, V, 3]`, mm.
    pub vertices: Vec<f32>,
    /// `[N, 4]`: fx, fy, cx, cy.
    pub camera: Vec<f32>,
    /// `[N, 20, 8]`: ends of each bone with the radius there.
    pub capsules: Vec<f32>,
    /// `[N, LOOK_WIDTH]`.
    pub look: Vec<f32>,
}

impl SceneBatch {
    /// Scenes `first_index` to `first_index + n`.
    pub fn sample(sampler: &SceneSampler, first_index: u64, n: usize) -> Self {
        let scenes = (0..n as u64).map(|i| sampler.sample(first_index + i)).collect();
        Self::of(scenes)
    }

    /// A batch of given scenes, all of one hand.
    pub fn of(scenes: Vec<Scene>) -> Self {
        let mut batch = SceneBatch {
            vertices: Vec::with_capacity(scenes.iter().map(|s| 3 * s.vertices_mm.len()).sum()),
            camera: Vec::with_capacity(4 * scenes.len()),
            capsules: Vec::with_capacity(8 * CAPSULES * scenes.len()),
            look: Vec::with_capacity(LOOK_WIDTH * scenes.len()),
            scenes: Vec::new(),
        };
        for scene in &scenes {
            batch.vertices.extend(scene.vertices_mm.iter().flat_map(|v| v.to_array()));
            batch.camera.extend([scene.camera.fx, scene.camera.fy, scene.camera.cx, scene.camera.cy]);
            batch.capsules.extend_from_slice(&scene.capsules);
            batch.look.extend_from_slice(bytemuck::cast_slice(std::slice::from_ref(&scene.look)));
        }
        batch.scenes = scenes;
        batch
    }
}

/// A uniform rotation: a normal quaternion, normalised.
fn free_rotation(rng: &mut Rng) -> Quat {
    let q = Quat::from_xyzw(rng.normal(), rng.normal(), rng.normal(), rng.normal());
    if q.length_squared() > 1e-6 { q.normalize() } else { Quat::IDENTITY }
}

/// From the rest pose (palm to the camera, fingers up): turned about its length, tilted, rolled.
fn mixed_rotation(rng: &mut Rng) -> Quat {
    use std::f32::consts::PI;
    let kind = rng.uniform();
    if kind < 0.4 {
        return free_rotation(rng);
    }
    let (turn, tilt, roll) = if kind < 0.8 {
        let back = if rng.chance(0.3) { PI } else { 0.0 };
        (back + 0.45 * rng.normal(), 0.40 * rng.normal(), 0.45 * rng.normal())
    } else {
        (rng.range(-PI, PI), 0.6 * rng.normal(), rng.range(-PI, PI))
    };
    Quat::from_rotation_z(roll) * Quat::from_rotation_x(tilt) * Quat::from_rotation_y(turn)
}

fn draw_arm(rng: &mut Rng) -> Arm {
    let sleeve_ring = if rng.chance(0.55) { 4 + rng.below(Arm::RINGS - 5) } else { Arm::RINGS + 2 };
    Arm {
        flexion: (0.45 * rng.normal()).clamp(-1.1, 1.1),
        deviation: (0.2 * rng.normal()).clamp(-0.5, 0.5),
        thickness: rng.range(0.85, 1.12),
        sleeve_ring,
        sleeve_mm: rng.range(2.5, 10.0),
    }
}
