//! From image coordinates and relative depth to millimetres and back (Ge et al. 2019, §4.2): the network predicts
//! `(u, v)` in the crop and `d = (z − z_root) / scale`, scale being the length of the middle finger's MCP–PIP bone; the
//! camera, the root's depth and the scale make them points in space.

use glam::{Vec2, Vec3};

use super::mesh_graph::MeshGraph;
use crate::error::Result;
use crate::graph::{Recorder, Var};
use crate::hand::Camera;
use crate::hand::joints::{JOINTS, MIDDLE_MCP, MIDDLE_PIP, WRIST};
use crate::nn::losses::MeshTruth;

/// A hand whose mesh and joints are known, in camera axes.
#[derive(Debug, Clone, Copy)]
pub struct Truth<'a> {
    /// Mesh vertices, mm.
    pub vertices: &'a [Vec3],
    /// The 21 joints, mm.
    pub joints: &'a [Vec3; JOINTS],
    /// The camera of the square crop that the network sees, px.
    pub camera: Camera,
}

impl Truth<'_> {
    /// The length of the middle finger's MCP–PIP bone, mm.
    pub fn scale_mm(&self) -> f32 {
        self.joints[MIDDLE_MCP].distance(self.joints[MIDDLE_PIP])
    }
}

/// Host arrays of the inputs that a training step declares, for a batch.
#[derive(Debug, Clone, Default)]
pub struct TruthBatch {
    rays: Vec<f32>,
    root: Vec<f32>,
    mesh_xyz: Vec<f32>,
    mesh_uv: Vec<f32>,
    normals_left: Vec<f32>,
    normals_right: Vec<f32>,
    joints_xyz: Vec<f32>,
    joints_uv: Vec<f32>,
}

impl TruthBatch {
    /// Appends a sample. `size_px` is the side of the crop.
    pub fn push(&mut self, truth: &Truth<'_>, mesh: &MeshGraph, size_px: usize) {
        let scale = truth.scale_mm();
        let root = truth.joints[WRIST] / scale;
        let half = size_px as f32 / 2.0;
        let Camera { fx, fy, cx, cy } = truth.camera;
        self.rays.extend([half / fx, half / fy, (half - cx) / fx, (half - cy) / fy]);
        self.root.extend(root.to_array());
        let image = |p: Vec3| truth.camera.project(p) / half - Vec2::ONE;
        for &p in truth.vertices {
            self.mesh_xyz.extend((p / scale - root).to_array());
            self.mesh_uv.extend(image(p).to_array());
        }
        for &p in truth.joints {
            self.joints_xyz.extend((p / scale - root).to_array());
            self.joints_uv.extend(truth.camera.project(p).to_array());
        }
        let normals = mesh.face_normals(truth.vertices);
        for &[left, right] in &mesh.edge_faces {
            self.normals_left.extend(normals[left as usize].to_array());
            self.normals_right.extend(normals[right as usize].to_array());
        }
    }

    /// The inputs by name, for [`Executable::submit`](crate::Executable::submit).
    pub fn inputs(&self) -> [(&'static str, &[f32]); 8] {
        [
            ("rays", &self.rays),
            ("root", &self.root),
            ("mesh_xyz", &self.mesh_xyz),
            ("mesh_uv", &self.mesh_uv),
            ("normals_left", &self.normals_left),
            ("normals_right", &self.normals_right),
            ("joints_xyz", &self.joints_xyz),
            ("joints_uv", &self.joints_uv),
        ]
    }

    /// Empties it for the next batch, keeping its memory.
    pub fn clear(&mut self) {
        let Self { rays, root, mesh_xyz, mesh_uv, normals_left, normals_right, joints_xyz, joints_uv } = self;
        for array in [rays, root, mesh_xyz, mesh_uv, normals_left, normals_right, joints_xyz, joints_uv] {
            array.clear();
        }
    }
}

/// Camera and root of each image, as graph inputs.
#[derive(Debug, Clone, Copy)]
pub struct Lifting<'r> {
    /// N×1×4: the ray `((u·a_x + b_x), (v·a_y + b_y), 1)` of image coordinates in [−1, 1], as a_x, a_y, b_x, b_y.
    rays: Var<'r>,
    /// N×1×3: the wrist's position over the scale.
    root: Var<'r>,
}

impl<'r> Lifting<'r> {
    /// Declares the inputs `rays` and `root`.
    pub fn record(r: &'r Recorder, batch: usize) -> Self {
        Lifting { rays: r.input("rays", [batch, 1, 4]), root: r.input("root", [batch, 1, 3]) }
    }

    /// Positions relative to the wrist, over the scale (N×V×3), of image coordinates in [−1, 1] and relative depth.
    #[track_caller]
    pub fn lift(&self, uvd: Var<'r>) -> Result<Var<'r>> {
        let r = uvd.recorder();
        let z = uvd.slice(2, 2, 1)?.add(self.root.slice(2, 2, 1)?)?;
        let ray = uvd.slice(2, 0, 2)?.mul(self.rays.slice(2, 0, 2)?)?.add(self.rays.slice(2, 2, 2)?)?;
        r.concat(&[ray.mul(z)?, z], 2)?.sub(self.root)
    }
}

/// The truth of a batch, as graph inputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TruthVars<'r> {
    pub(crate) lifting: Lifting<'r>,
    pub(crate) mesh: MeshTruth<'r>,
    /// N×21×3, relative to the wrist, over the scale.
    pub(crate) joints_xyz: Var<'r>,
    /// N×21×2, px of the crop.
    pub(crate) joints_uv: Var<'r>,
}

impl<'r> TruthVars<'r> {
    pub(crate) fn record(r: &'r Recorder, batch: usize, mesh: &MeshGraph) -> Self {
        let (v, e) = (mesh.vertices, mesh.edges.len());
        TruthVars {
            lifting: Lifting::record(r, batch),
            mesh: MeshTruth {
                xyz: r.input("mesh_xyz", [batch, v, 3]),
                uv: r.input("mesh_uv", [batch, v, 2]),
                normals_left: r.input("normals_left", [batch, e, 3]),
                normals_right: r.input("normals_right", [batch, e, 3]),
            },
            joints_xyz: r.input("joints_xyz", [batch, JOINTS, 3]),
            joints_uv: r.input("joints_uv", [batch, JOINTS, 2]),
        }
    }
}
