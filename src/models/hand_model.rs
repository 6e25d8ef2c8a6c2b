//! Photo in, hand out: the trained graph CNN with its programs compiled, and the step from image coordinates and relative
//! depth to millimetres.

use std::collections::BTreeMap;
use std::path::Path;

use glam::{Vec2, Vec3};

use super::graph_cnn::{FILLS, GraphCnnConfig, Network};
use super::mesh_graph::MeshGraph;
use crate::data::Photo;
use crate::error::{Error, Result};
use crate::gpu::{Executable, Gpu, States};
use crate::graph::Recorder;
use crate::hand::camera::Crop;
use crate::hand::joints::{BONES, JOINTS, MIDDLE_MCP, MIDDLE_PIP, WRIST};
use crate::hand::{Camera, Pose, PosedHand, RiggedHand, Shape};
use crate::shape::TensorType;
use crate::train::checkpoint::{self, Metadata, Precision};

/// The field of view assumed of a photo whose camera is not known, radians across the photo's shorter side: that of a
/// telephone's or webcam's main camera.
const DEFAULT_FIELD_OF_VIEW: f32 = 0.9;

/// The part of a further look's square that the first look's hand fills, where nobody says otherwise. Of a photo the network is less sure
/// than of the renders it learned from, and the mean of what a hand may be is smaller than a hand: on the photos that the figures are of
/// its extent is some 0.75 of the true one, so that the real hand fills as much of this square as rendered ones did in training.
const FILL_OF_PHOTOS: f32 = 0.55;

/// The input of a program that looks again.
const FILL: &str = "fill";

const SHIPPED_WEIGHTS: &[u8] = include_bytes!("../../assets/weights/small.safetensors");

/// The header entry of a weights file that holds its [`GraphCnnConfig`].
const CONFIG_KEY: &str = "graph_cnn";

/// What is known of a photo besides its pixels.
#[derive(Debug, Clone, Copy, Default)]
pub struct InferOptions {
    /// The true length of the middle finger's MCP–PIP bone, mm; otherwise that of the shipped hand.
    pub scale_mm: Option<f32>,
    /// The hand is a left one.
    pub left: bool,
    /// The camera of the whole photo, px; otherwise a usual field of view is assumed.
    pub camera: Option<Camera>,
    /// The true depth of the wrist, mm; otherwise it is found from the scale.
    pub root_depth_mm: Option<f32>,
    /// The mesh is the rigged hand's, posed by inverse kinematics on the joints found, instead of the network's own: the direct linear
    /// blend skinning that Ge et al. 2019, §5.2, compare with. It bends as hands do and has the thickness of one where a network that is
    /// in doubt draws thin fingers; joints move to where its bones, of their true length, come nearest.
    pub rigged: bool,
    /// Where the network looks again ([`GraphCnnConfig::second_look`]), the part of the square then that the hand as first seen is to fill,
    /// 0.3 to 1; otherwise 0.55, which suits photos. For renders it is the configuration's. A network that looks once refuses it.
    pub fill: Option<f32>,
}

impl InferOptions {
    /// The camera of a photo, px: the one given, or one that looks through its middle with a usual field of view.
    pub fn camera_of(&self, photo: &Photo) -> Result<Camera> {
        let assumed = || {
            let focal = photo.width().min(photo.height()) as f32 / 2.0 / (DEFAULT_FIELD_OF_VIEW / 2.0).tan();
            Camera::new(focal, focal, photo.width() as f32 / 2.0, photo.height() as f32 / 2.0)
        };
        Ok(self.camera.map_or_else(assumed, Ok)?)
    }
}

/// A hand found in a photo.
#[derive(Debug, Clone)]
pub struct HandMesh {
    /// The 21 joints relative to the wrist, camera axes, mm.
    pub joints_mm: [Vec3; JOINTS],
    /// The joints in the photo, px.
    pub uv: [Vec2; JOINTS],
    /// The mesh's vertices relative to the wrist, camera axes, mm.
    pub vertices_mm: Vec<Vec3>,
    /// The vertices in the photo, px.
    pub vertices_uv: Vec<Vec2>,
    /// The mesh's faces, anticlockwise from outside.
    pub faces: Vec<[u32; 3]>,
    /// Where the wrist is in front of the camera, mm.
    pub root_mm: Vec3,
}

/// The graph CNN with its weights on a device.
pub struct GraphCnn {
    config: GraphCnnConfig,
    mesh: MeshGraph,
    hand: RiggedHand,
    states: States,
    image_program: Executable,
    pose_program: Executable,
    /// Bone lengths of the shipped hand over its middle MCP–PIP bone.
    bone_ratios: [f32; JOINTS - 1],
    default_scale_mm: f32,
}

impl std::fmt::Debug for GraphCnn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GraphCnn({}, {:?})", self.config.name, self.image_program)
    }
}

impl GraphCnn {
    /// Compiles the network for single photos on named state that holds (or will hold) its weights.
    pub fn new(gpu: &Gpu, config: GraphCnnConfig, states: &States) -> Result<Self> {
        config.check()?;
        let hand = RiggedHand::right();
        let mesh = MeshGraph::new(&hand)?;
        let network = Network { config: &config, mesh: &mesh };
        let r = Recorder::new();
        let photo = r.input("photo", [1, config.photo_px(), config.photo_px(), 3]);
        let uvd = network.find(photo, r.input(FILL, [1]))?;
        let image_program = gpu.compile_with(&r, [uvd], states)?;
        let r = Recorder::new();
        let joints = network.joints(r.input("xyz", [2, mesh.vertices, 3]))?;
        let pose_program = gpu.compile_with(&r, [joints], states)?;
        let rest = hand.pose(&Pose::default(), &Shape::default()).joints;
        let default_scale_mm = rest[MIDDLE_MCP].distance(rest[MIDDLE_PIP]);
        let bone_ratios = BONES.map(|(a, b)| rest[a].distance(rest[b]) / default_scale_mm);
        let states = states.clone();
        Ok(GraphCnn { config, mesh, hand, states, image_program, pose_program, bone_ratios, default_scale_mm })
    }

    /// Reads a weights file: its header names the network's sizes, its tensors must be exactly the network's. See
    /// [`checkpoint::read_tensors`] for what is refused.
    pub fn load(gpu: &Gpu, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::file(path, e))?;
        Self::decode(gpu, &bytes, &path.display().to_string())
    }

    /// The `small` network with the weights that ship with the crate. See `assets/weights/README.md`.
    pub fn shipped(gpu: &Gpu) -> Result<Self> {
        Self::decode(gpu, SHIPPED_WEIGHTS, "(shipped with the crate)")
    }

    /// [`GraphCnn::load`] from the bytes of a weights file.
    pub fn from_bytes(gpu: &Gpu, bytes: &[u8]) -> Result<Self> {
        Self::decode(gpu, bytes, "(in memory)")
    }

    fn decode(gpu: &Gpu, bytes: &[u8], file: &str) -> Result<Self> {
        let fail = |message: String| Error::Weights { file: file.to_string(), message };
        let header = checkpoint::read_metadata(file, bytes)?;
        let config = header.get(CONFIG_KEY).ok_or_else(|| {
            fail(format!("expected `{CONFIG_KEY}` in the header, got none: no weights file of this network"))
        })?;
        let config: GraphCnnConfig =
            serde_json::from_str(config).map_err(|e| fail(format!("`{CONFIG_KEY}` in the header: {e}")))?;
        let model = Self::new(gpu, config, &States::new(gpu))?;
        for (name, data) in checkpoint::read_tensors(file, bytes, &model.weights())? {
            model.states.write(&name, &data)?;
        }
        Ok(model)
    }

    /// Writes the weights for [`GraphCnn::load`]; `notes` go to the header.
    pub fn save(&self, path: impl AsRef<Path>, precision: Precision, notes: Metadata) -> Result<()> {
        let mut header = notes;
        let config = serde_json::to_string(&self.config).expect("a configuration is plain data");
        header.insert(CONFIG_KEY.into(), config);
        let names: Vec<String> = self.weights().into_iter().map(|(name, _)| name).collect();
        checkpoint::save_weights(path.as_ref(), &self.states, &names, precision, header)
    }

    /// Names and types of the tensors that inference uses.
    fn weights(&self) -> Vec<(String, TensorType)> {
        let programs = [&self.image_program, &self.pose_program];
        let defs = programs.into_iter().flat_map(|p| &p.program().states);
        let all: BTreeMap<_, _> = defs.map(|def| (def.name.clone(), def.ty.clone())).collect();
        all.into_iter().collect()
    }

    /// The network's sizes.
    pub fn config(&self) -> &GraphCnnConfig {
        &self.config
    }

    /// The weights.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// The program that photos go through.
    pub fn program(&self) -> &crate::Program {
        self.image_program.program()
    }

    /// Finds the hand in the middle square of a photo.
    pub fn infer(&mut self, photo: &Photo, options: &InferOptions) -> Result<HandMesh> {
        let size = self.config.photo_px();
        let camera = options.camera_of(photo)?;
        let width = photo.width() as f32;
        let mirrored;
        let (photo, camera) = if options.left {
            mirrored = photo.mirrored();
            (&mirrored, Camera { cx: width - camera.cx, ..camera })
        } else {
            (photo, camera)
        };
        let (pixels, crop) = photo.square_crop(size);
        let mut hand = self.infer_crop(&pixels, camera.cropped(&crop), &crop, options)?;
        if options.left {
            let flip = |p: &mut Vec3| p.x = -p.x;
            hand.joints_mm.iter_mut().chain(&mut hand.vertices_mm).for_each(flip);
            flip(&mut hand.root_mm);
            hand.uv.iter_mut().chain(&mut hand.vertices_uv).for_each(|p| p.x = width - p.x);
            hand.faces.iter_mut().for_each(|f| f.swap(1, 2));
        }
        Ok(hand)
    }

    /// Finds a right hand in a crop of [`photo_px`](GraphCnnConfig::photo_px): `pixels` are S×S×3 sRGB in [0, 1], `camera` is the crop's, and
    /// image coordinates are given in the frame that `crop` was cut from.
    pub fn infer_crop(
        &mut self,
        pixels: &[f32],
        camera: Camera,
        crop: &Crop,
        options: &InferOptions,
    ) -> Result<HandMesh> {
        let scale = options.scale_mm.unwrap_or(self.default_scale_mm);
        if !(scale.is_finite() && scale > 0.0) {
            return Err(Error::invalid("scale_mm", "a positive length", scale));
        }
        let half = self.config.photo_px() as f32 / 2.0;
        let fill = options.fill.unwrap_or(FILL_OF_PHOTOS);
        if !FILLS.contains(&fill) {
            return Err(Error::invalid("fill", "0.3 to 1, a part of the square", fill));
        }
        if options.fill.is_some() && self.config.second_look.is_none() {
            return Err(Error::invalid("fill", "a network that looks again (second_look)", "one that looks once"));
        }
        let fill = [fill];
        let looks_again = self.config.second_look.map(|_| (FILL, &fill[..]));
        let out = self.image_program.run([("photo", pixels)].into_iter().chain(looks_again))?;
        let uvd: Vec<Vec3> = out.f32(0).chunks_exact(3).map(Vec3::from_slice).collect();
        if uvd.iter().any(|p| !p.is_finite()) {
            return Err(Error::NotFinite { what: "the predicted mesh".into(), detail: "check the weights".into() });
        }
        // A vertex lies at ray·(z + scale·d) for the wrist's depth z: affine in z, and so are the joints.
        let rays: Vec<Vec3> = uvd.iter().map(|p| camera.unproject((p.truncate() + Vec2::ONE) * half, 1.0)).collect();
        let relative: Vec<Vec3> = rays.iter().zip(&uvd).map(|(ray, p)| *ray * (scale * p.z)).collect();
        let flat: Vec<f32> = rays.iter().chain(&relative).flat_map(|p| p.to_array()).collect();
        let out = self.pose_program.run([("xyz", &flat)])?;
        let joints: Vec<Vec3> = out.f32(0).chunks_exact(3).map(Vec3::from_slice).collect();
        let joint = |z: f32, j: usize| joints[j] * z + joints[JOINTS + j];
        let nearest = uvd.iter().map(|p| -p.z * scale).fold(0.0, f32::max) + 1.0;
        let z = match options.root_depth_mm {
            Some(z) if z.is_finite() && z > 0.0 => z,
            Some(z) => return Err(Error::invalid("root_depth_mm", "a positive depth", z)),
            None => self.find_depth(nearest, scale, &joint),
        };
        let root = joint(z, WRIST);
        let in_photo = |p: Vec3| crop.backward(camera.project(p));
        let vertices = rays.iter().zip(&relative).map(|(ray, rest)| *ray * z + *rest - root);
        let joints_mm = std::array::from_fn(|j| joint(z, j) - root);
        if options.rigged {
            let posed = self.hand.posed_on(&joints_mm, scale).map_err(|e| Error::Hand(e.to_string()))?;
            let PosedHand { vertices, joints, .. } = posed;
            let wrist = joints[WRIST];
            return Ok(HandMesh {
                uv: joints.map(|p| in_photo(p + root)),
                joints_mm: joints.map(|p| p - wrist),
                vertices_uv: vertices.iter().map(|&p| in_photo(p + root)).collect(),
                vertices_mm: vertices.iter().map(|&p| p - wrist).collect(),
                faces: self.mesh.faces.clone(),
                root_mm: root + wrist,
            });
        }
        Ok(HandMesh {
            joints_mm,
            uv: std::array::from_fn(|j| in_photo(joint(z, j))),
            vertices_mm: vertices.collect(),
            vertices_uv: uvd.iter().map(|p| crop.backward((p.truncate() + Vec2::ONE) * half)).collect(),
            faces: self.mesh.faces.clone(),
            root_mm: root,
        })
    }

    /// The wrist's depth at which the bones come nearest to the lengths they have in a hand of this scale: the middle
    /// MCP–PIP bone, whose length the scale is, counts as much as all others together.
    fn find_depth(&self, nearest: f32, scale: f32, joint: &impl Fn(f32, usize) -> Vec3) -> f32 {
        let misfit = |z: f32| -> f32 {
            let bones = BONES.iter().zip(&self.bone_ratios);
            let bones = bones.map(|(&(a, b), ratio)| {
                let weight = if (a, b) == (MIDDLE_MCP, MIDDLE_PIP) { (JOINTS - 2) as f32 } else { 1.0 };
                weight * (joint(z, a).distance(joint(z, b)) / (ratio * scale) - 1.0).abs()
            });
            bones.sum()
        };
        // A coarse scan in equal ratios, then golden sections around the best.
        let candidates = (0..200).map(|i| (nearest.max(50.0)) * 1.03f32.powi(i));
        let best = candidates.min_by(|a, b| misfit(*a).total_cmp(&misfit(*b))).unwrap_or(nearest);
        let (mut low, mut high) = (best / 1.03, best * 1.03);
        for _ in 0..30 {
            let step = (high - low) * 0.381_966;
            if misfit(low + step) < misfit(high - step) { high -= step } else { low += step }
        }
        (low + high) / 2.0
    }
}
