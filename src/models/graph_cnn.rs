//! The graph CNN of Ge et al. 2019, "3D Hand Shape and Pose Estimation from a Single RGB Image" (CVPR): a stacked
//! hourglass finds 2D heat-maps, a residual network encodes them with the image's features, a Chebyshev graph CNN grows
//! a mesh from the code, and a linear graph CNN reads the joints off the mesh.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::lift::TruthVars;
use super::mesh_graph::MeshGraph;
use crate::data::Framing;
use crate::error::{Error, Result};
use crate::graph::Var;
use crate::hand::joints::JOINTS;
use crate::nn::losses::{MeshLoss, MeshTruth, Reduction, l1_loss, squared_error};
use crate::nn::{Residual, batch_norm_relu, chebyshev, conv, conv_small, hourglass, linear};
use crate::ops::Conv2d;

/// The sizes of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraphCnnConfig {
    /// Its name in files and reports.
    pub name: String,
    /// Side of the photo the network sees, px; the heat-maps have a quarter of it.
    pub input_px: usize,
    /// Channels after the first convolution.
    pub stem: usize,
    /// Channels of the hourglasses.
    pub features: usize,
    /// How many hourglasses follow each other.
    pub stacks: usize,
    /// How often an hourglass halves its size.
    pub depth: usize,
    /// Channels of an hourglass after each halving, where they are not `features` throughout as in the paper. Small maps can
    /// have many for little: what a hand does as a whole is seen there.
    #[serde(default)]
    pub levels: Vec<usize>,
    /// What stem, hourglasses and encoder are made of.
    #[serde(default)]
    pub residual: Residual,
    /// Channels of the encoder before each of its four max-pools (two residuals each).
    pub encoder: [usize; 4],
    /// Length of the code between the two fully-connected layers.
    pub latent: usize,
    /// Channels of the graph features: coarsest level, after the convolutions on the coarsest, the ×4 and the ×16 level.
    pub graph: [usize; 4],
    /// Channels of the linear pose regressor after its two graph convolutions.
    pub pose: [usize; 2],
    /// Standard deviation of a heat-map's Gaussian, px of the heat-map.
    pub sigma_px: f32,
    /// Whether the joints are also read off maps of their own, with a loss of their own, and given to the graph CNN beside the
    /// code: see [`Prediction::joints_uvd`]. The paper's network has no such thing; a small one learns faster with it.
    #[serde(default)]
    pub reads_joints: bool,
    /// Whether the mesh is told relative to where the joints read off the maps carry its vertices
    /// ([`RiggedHand::vertices_from_joints`](crate::hand::RiggedHand::vertices_from_joints)), so that the graph CNN need only say what lies
    /// beside the bones.
    #[serde(default)]
    pub carries_mesh: bool,
    /// The weight of a further loss, the sum of absolute differences of vertices in space and in the image: unlike the paper's squares it
    /// is the error that is reported, and hands seen from where they tell little weigh no more in it than others.
    #[serde(default)]
    pub vertex_l1: f32,
    /// Whether photos are looked at again once a hand was seen, see [`Network::find`], and which part of the picture the hand is to fill
    /// then, as three of four do in training; `None`: they are looked at once. Weights do not depend on it.
    #[serde(default)]
    pub second_look: Option<f32>,
}

/// Lengths in the losses of the second stage are in units of four bone lengths, about half a hand, over which image
/// coordinates run from −1 to 1 too: space and image then weigh alike, and neither drowns the heat-maps. (The paper
/// does not give its unit.)
const LOSS_UNIT: f32 = 0.25;

/// How much the joints read off the maps weigh against the mesh's vertices, of which there are fifty times as many.
const READING_WEIGHT: f32 = 10.0;

/// Terms of a Chebyshev convolution (K in the paper).
const ORDER: usize = 3;

/// Channels of a stack's heat-maps: one a joint, and empty ones up to a whole number of vectors, since every kernel that
/// touches them then loads four channels at a time.
const HEATMAPS: usize = JOINTS.next_multiple_of(4);

/// Where the empty heat-maps have their joint, px: so far away that nothing of its Gaussian is left.
const NOWHERE_PX: f32 = -1e4;

/// Which parts of a further look's picture a hand may be made to fill: below them there is nothing to gain, above them it is cut.
pub(super) const FILLS: RangeInclusive<f32> = 0.3..=1.0;

/// How many times as large as the network's input the photo is where it is looked at again.
const PHOTO_OVER_INPUT: usize = 2;

impl GraphCnnConfig {
    /// The paper's sizes. Those the paper does not give (encoder, latent, graph and pose channels) are chosen here.
    pub fn paper() -> Self {
        GraphCnnConfig {
            name: "paper".into(),
            input_px: 256,
            stem: 64,
            features: 256,
            stacks: 2,
            depth: 4,
            levels: Vec::new(),
            residual: Residual::Bottleneck,
            encoder: [256; 4],
            latent: 1024,
            graph: [64, 64, 32, 16],
            pose: [16, 32],
            sigma_px: 4.0,
            reads_joints: false,
            carries_mesh: false,
            vertex_l1: 0.0,
            second_look: None,
        }
    }

    /// Trains on a software GPU: one hourglass of 3×3 convolutions with channels enough for Winograd's tiles, which there are the fastest
    /// kernels by far, on photos of 96 px, from which it learns as much a sample as from larger ones (some 0.3 GFLOP a photo).
    pub fn small() -> Self {
        GraphCnnConfig {
            name: "small".into(),
            input_px: 96,
            stem: 16,
            features: 64,
            stacks: 1,
            depth: 3,
            levels: vec![64, 96, 128],
            residual: Residual::Conv3x3,
            encoder: [32, 48, 96, 128],
            latent: 256,
            graph: [32, 32, 32, 16],
            pose: [8, 16],
            sigma_px: 1.5,
            reads_joints: true,
            carries_mesh: true,
            vertex_l1: 0.1,
            second_look: Some(0.7),
        }
    }

    /// The configuration in a JSON file, as [`Trainer`](crate::train::Trainer) and weights write it; fields that are left out have the
    /// values of files older than them.
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        let config: Self = serde_json::from_str(&text)
            .map_err(|e| Error::invalid("configuration", "the fields of GraphCnnConfig as JSON", e))?;
        config.check()?;
        Ok(config)
    }

    /// The configuration called `name`.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "paper" => Ok(Self::paper()),
            "small" => Ok(Self::small()),
            file if std::path::Path::new(file).extension().is_some() => Self::open(file),
            _ => Err(Error::invalid("configuration", "`small` or `paper`", format!("`{name}`"))),
        }
    }

    /// Side of the photos that [`Network::find`] takes, px: where it looks again they are larger than what the network sees, so that
    /// those looks are sharper.
    pub fn photo_px(&self) -> usize {
        if self.second_look.is_some() { PHOTO_OVER_INPUT * self.input_px } else { self.input_px }
    }

    /// How hands lie in the images that the network learns from.
    pub fn framing(&self) -> Framing {
        self.second_look.map_or(Framing::Loose, Framing::Around)
    }

    /// Whether weights of the one configuration are weights of the other.
    pub fn same_weights(&self, other: &Self) -> bool {
        GraphCnnConfig { second_look: other.second_look, ..self.clone() } == *other
    }

    /// Side of the heat-maps, px.
    pub fn heatmap_px(&self) -> usize {
        self.input_px / 4
    }

    /// Checks that the sizes fit each other: files can hold anything.
    pub fn check(&self) -> Result<()> {
        if !(1..=16).contains(&self.stacks) || !(1..=8).contains(&self.depth) {
            let got = format!("{} and {}", self.stacks, self.depth);
            return Err(Error::invalid("stacks and depth", "1 to 16 and 1 to 8", got));
        }
        if !self.levels.is_empty() && self.levels.len() != self.depth {
            return Err(Error::invalid("levels", format!("none or {}, one a halving", self.depth), self.levels.len()));
        }
        if self.carries_mesh && !self.reads_joints {
            return Err(Error::invalid("carries_mesh", "joints that are read (reads_joints)", "none"));
        }
        if !(self.vertex_l1.is_finite() && self.vertex_l1 >= 0.0) {
            return Err(Error::invalid("vertex_l1", "a weight of at least 0", self.vertex_l1));
        }
        if let Some(fill) = self.second_look.filter(|fill| !FILLS.contains(fill)) {
            return Err(Error::invalid("second_look", "0.3 to 1, the part of the picture the hand fills", fill));
        }
        if !(self.sigma_px.is_finite() && self.sigma_px > 0.0) {
            return Err(Error::invalid("sigma_px", "a positive number", self.sigma_px));
        }
        // The encoder's four halvings may round down; those of the hourglasses are undone and must not.
        let step = 4 << self.depth;
        if !(64..=4096).contains(&self.input_px) || !self.input_px.is_multiple_of(step) {
            return Err(Error::invalid("input_px", format!("a multiple of {step} from 64 to 4096"), self.input_px));
        }
        let sizes = [self.stem, self.features, self.latent].into_iter().chain(self.encoder).chain(self.graph);
        let mut sizes = sizes.chain(self.pose).chain(self.levels.iter().copied());
        if let Some(bad) = sizes.find(|&n| n == 0 || n > 1 << 16) {
            return Err(Error::invalid("channels", "between 1 and 65536", bad));
        }
        Ok(())
    }
}

/// What the network says of a batch of photos.
#[derive(Debug, Clone)]
pub struct Prediction<'r> {
    /// Each stack's heat-maps, N×h×w×24: the 21 joints', and three that stay empty.
    pub heatmaps: Vec<Var<'r>>,
    /// N×V×3: image coordinates in [−1, 1] over the crop, and depth relative to the wrist over the scale.
    pub mesh_uvd: Var<'r>,
    /// N×21×3 like the mesh, where the configuration says so: each joint's mean place under the softmax of a map, and the
    /// mean of a depth map under the same softmax (Sun et al. 2018, "Integral Human Pose Regression"; depth as in Iqbal et al.
    /// 2018, "Hand Pose Estimation via Latent 2.5D Heatmap Regression").
    pub joints_uvd: Option<Var<'r>>,
}

/// What the stacked hourglass makes of a batch of photos.
#[derive(Debug, Clone)]
pub struct Hourglass<'r> {
    /// See [`Prediction::heatmaps`].
    pub heatmaps: Vec<Var<'r>>,
    /// See [`Prediction::joints_uvd`].
    pub joints_uvd: Option<Var<'r>>,
    /// N×h×w×C after the last stack, for the encoder.
    pub features: Var<'r>,
}

/// Records the network's parts.
#[derive(Debug, Clone, Copy)]
pub struct Network<'a> {
    /// The sizes.
    pub config: &'a GraphCnnConfig,
    /// The mesh's graphs.
    pub mesh: &'a MeshGraph,
}

impl Network<'_> {
    /// The stacked hourglass (Newell et al. 2016, §3) on photos N×S×S×3 (sRGB in [0, 1]).
    #[track_caller]
    pub fn hourglass<'r>(&self, photo: Var<'r>) -> Result<Hourglass<'r>> {
        let GraphCnnConfig { features: c, residual: unit, .. } = *self.config;
        let levels = match self.config.levels.as_slice() {
            [] => vec![c; self.config.depth],
            levels => levels.to_vec(),
        };
        let r = photo.recorder();
        r.scoped("hourglass", || {
            let x = photo.offset(-0.5)?.scale(4.0)?;
            let x = conv(x, "stem", self.config.stem, 7, Conv2d { stride: 2, padding: 3, ..Conv2d::default() })?;
            let x = unit.of(batch_norm_relu(x, "stem_norm")?, "stem1", c / 2)?.max_pool2d(2, 2, 0)?;
            let mut x = unit.of(unit.of(x, "stem2", c / 2)?, "stem3", c)?;
            let mut heatmaps = Vec::new();
            let mut joints_uvd = None;
            for stack in 0..self.config.stacks {
                let name = |part: &str| format!("{part}{stack}");
                let y = unit.of(hourglass(x, &name("stack"), &levels, unit)?, &name("post"), c)?;
                let features = conv(y, &name("features"), c, 1, Conv2d::default())?;
                let features = batch_norm_relu(features, &name("features_norm"))?;
                let map = conv_small(features, &name("heatmaps"), HEATMAPS)?;
                heatmaps.push(map);
                if self.config.reads_joints && stack + 1 == self.config.stacks {
                    joints_uvd = Some(r.layer("joints", || self.read_joints(features))?);
                }
                let back = conv(features, &name("merge_features"), c, 1, Conv2d::default())?;
                x = x.add(back)?.add(conv(map, &name("merge_heatmaps"), c, 1, Conv2d::default())?)?;
            }
            Ok(Hourglass { heatmaps, joints_uvd, features: x })
        })
    }

    /// Joints read off maps, see [`Prediction::joints_uvd`].
    #[track_caller]
    fn read_joints<'r>(&self, features: Var<'r>) -> Result<Var<'r>> {
        let r = features.recorder();
        let [n, h, w, _] = features.shape().nhwc().expect("an image");
        let places = conv_small(features, "places", HEATMAPS)?;
        let depths = conv_small(features, "depths", HEATMAPS)?;
        let uv = places.soft_argmax2d(1.0)?.scale(2.0 / self.config.heatmap_px() as f32)?.offset(-1.0)?;
        let [places, depths] = [places, depths].map(|map| map.reshape([n, h * w, HEATMAPS]));
        let d = places?.softmax(1)?.mul(depths?)?.sum(&[1])?.reshape([n, HEATMAPS, 1])?;
        r.concat(&[uv, d], 2)?.slice(1, 0, JOINTS)
    }

    /// The encoder and the graph CNN: to N×V×3.
    #[track_caller]
    fn mesh<'r>(&self, seen: &Hourglass<'r>) -> Result<Var<'r>> {
        let (r, unit) = (seen.features.recorder(), self.config.residual);
        let code = r.scoped("encoder", || {
            let last = *seen.heatmaps.last().expect("at least one stack");
            let mut x = r.concat(&[seen.features, last], 3)?;
            for (i, &c) in self.config.encoder.iter().enumerate() {
                x = unit.of(unit.of(x, &format!("level{i}a"), c)?, &format!("level{i}b"), c)?;
                x = x.max_pool2d(2, 2, 0)?;
            }
            let x = batch_norm_relu(x, "norm")?;
            let [n, h, w, c] = x.shape().nhwc().expect("an image");
            let code = linear(x.reshape([n, h * w * c])?, "code", self.config.latent, true)?;
            match seen.joints_uvd {
                Some(joints) => r.concat(&[code, joints.reshape([n, JOINTS * 3])?], 1),
                None => Ok(code),
            }
        })?;
        r.scoped("graph", || {
            let [c0, c1, c2, c3] = self.config.graph;
            let [coarse, middle, fine] = &self.mesh.levels;
            let [nodes, _, finest] = self.mesh.nodes;
            let n = code.shape().dims()[0];
            let x = linear(code, "grow", nodes * c0, true)?.reshape([n, nodes, c0])?;
            let x = chebyshev(x, "coarse", coarse, c1, ORDER, true)?.relu()?;
            let x = chebyshev(x.graph_upsample(4)?, "middle", middle, c2, ORDER, true)?.relu()?;
            let x = chebyshev(x.graph_upsample(4)?, "fine", fine, c3, ORDER, true)?.relu()?;
            let x = chebyshev(x, "last", fine, 3, ORDER, false)?;
            // Where each node lies on average, so that the convolutions need only say how this hand differs.
            let x = x.add(r.param_with("template", [finest, 3], crate::graph::Init::Constant(0.0)))?;
            let x = x.gather_rows(&self.mesh.node_of_vertex)?;
            match seen.joints_uvd.filter(|_| self.config.carries_mesh) {
                Some(joints) => joints.spmm_add(&self.mesh.vertex_from_joint, 1.0, x, 1.0),
                None => Ok(x),
            }
        })
    }

    /// The whole network on photos N×S×S×3 (sRGB in [0, 1]).
    #[track_caller]
    pub fn predict<'r>(&self, photo: Var<'r>) -> Result<Prediction<'r>> {
        let seen = self.hourglass(photo)?;
        Ok(Prediction { mesh_uvd: self.mesh(&seen)?, heatmaps: seen.heatmaps, joints_uvd: seen.joints_uvd })
    }

    /// The joints (N×21×3) of mesh positions (N×V×3) by the linear graph CNN: two Chebyshev convolutions, each followed by
    /// pooling, and a linear layer; no bias, no nonlinearity. Works on positions relative to the mesh's mean, so joints move
    /// with the mesh.
    #[track_caller]
    pub fn joints<'r>(&self, xyz: Var<'r>) -> Result<Var<'r>> {
        let r = xyz.recorder();
        r.scoped("pose", || {
            let centre = xyz.mean(&[1])?;
            let x = xyz.sub(centre)?.spmm(&self.mesh.node_from_vertex)?;
            let [c1, c2] = self.config.pose;
            let [_, middle, fine] = &self.mesh.levels;
            let x = chebyshev(x, "fine", fine, c1, ORDER, false)?.graph_pool_mean(4)?;
            let x = chebyshev(x, "middle", middle, c2, ORDER, false)?.graph_pool_mean(4)?;
            let n = x.shape().dims()[0];
            let x = x.reshape([n, self.mesh.nodes[0] * c2])?;
            let joints = x.matmul(r.param("joints", [self.mesh.nodes[0] * c2, JOINTS * 3]))?;
            joints.reshape([n, JOINTS, 3])?.add(centre)
        })
    }

    /// The heat-map loss (Ge et al. 2019, §4.3), summed over stacks, against Gaussians around joints in px of the photo.
    #[track_caller]
    pub(crate) fn heatmap_loss<'r>(&self, heatmaps: &[Var<'r>], joints_uv: Var<'r>) -> Result<Var<'r>> {
        let size = self.config.heatmap_px();
        let r = joints_uv.recorder();
        let batch = joints_uv.shape().dims()[0];
        let empty = HEATMAPS - JOINTS;
        let nowhere = r.constant([batch, empty, 2], &vec![NOWHERE_PX; batch * empty * 2])?;
        let uv = r.concat(&[joints_uv, nowhere], 1)?.scale(size as f32 / self.config.input_px as f32)?;
        let truth = r.gaussian_heatmaps(uv, size, size, self.config.sigma_px)?;
        let mut total: Option<Var<'r>> = None;
        for &map in heatmaps {
            let loss = squared_error(map, truth)?;
            total = Some(total.map_or(Ok(loss), |sum| sum.add(loss))?);
        }
        Ok(total.expect("at least one stack"))
    }
}

/// The losses of a training step; `total` is what is differentiated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrainingLosses<'r> {
    pub(crate) total: Var<'r>,
    pub(crate) heatmap: Var<'r>,
    pub(crate) reading: Option<Var<'r>>,
    pub(crate) mesh: Option<MeshLoss<'r>>,
    pub(crate) vertex_l1: Option<Var<'r>>,
    pub(crate) pose: Var<'r>,
}

impl<'r> TrainingLosses<'r> {
    /// The terms by name, for reports.
    pub(crate) fn terms(&self) -> Vec<(&'static str, Var<'r>)> {
        let mut terms = vec![("heatmap", self.heatmap), ("pose", self.pose)];
        terms.extend(self.reading.map(|reading| ("reading", reading)));
        terms.extend(self.vertex_l1.map(|vertex| ("vertex_l1", vertex)));
        if let Some(mesh) = &self.mesh {
            let MeshLoss { vertex, normal, edge, laplacian } = *mesh;
            terms.extend([("vertex", vertex), ("normal", normal), ("edge", edge), ("laplacian", laplacian)]);
        }
        terms
    }
}

impl<'a> Network<'a> {
    /// First stage: the hourglass by its heat-maps, and apart from it the pose regressor from true meshes.
    #[track_caller]
    pub(crate) fn pretraining_losses<'r>(&self, photo: Var<'r>, truth: &TruthVars<'r>) -> Result<TrainingLosses<'r>> {
        let seen = self.hourglass(photo)?;
        let heatmap = self.heatmap_loss(&seen.heatmaps, truth.joints_uv)?;
        let reading = self.reading_loss(seen.joints_uvd, truth)?;
        let pose = squared_error(self.joints(truth.mesh.xyz)?, truth.joints_xyz)?;
        let total = reading.map_or(Ok(heatmap), |reading| heatmap.add(reading))?.add(pose)?;
        Ok(TrainingLosses { total, heatmap, reading, mesh: None, vertex_l1: None, pose })
    }

    /// The loss of the joints read off maps: the sum of absolute differences (Sun et al. 2018, eq. 4), in space as in the image.
    #[track_caller]
    fn reading_loss<'r>(&self, joints_uvd: Option<Var<'r>>, truth: &TruthVars<'r>) -> Result<Option<Var<'r>>> {
        let Some(joints) = joints_uvd else { return Ok(None) };
        let r = joints.recorder();
        let uv = truth.joints_uv.scale(2.0 / self.config.input_px as f32)?.offset(-1.0)?;
        let known = r.concat(&[uv, truth.joints_xyz.slice(2, 2, 1)?], 2)?;
        let units = r.constant([1, 1, 3], &[READING_WEIGHT, READING_WEIGHT, READING_WEIGHT * LOSS_UNIT])?;
        let [joints, known] = [joints.mul(units)?, known.mul(units)?];
        Ok(Some(l1_loss(joints, known, Reduction::BatchMean)?))
    }

    /// Second stage: everything, 0.5·heat-map + mesh + pose (eq. 6).
    #[track_caller]
    pub(crate) fn full_losses<'r>(&self, photo: Var<'r>, truth: &TruthVars<'r>) -> Result<TrainingLosses<'r>> {
        let prediction = self.predict(photo)?;
        let heatmap = self.heatmap_loss(&prediction.heatmaps, truth.joints_uv)?;
        let xyz = truth.lifting.lift(prediction.mesh_uvd)?;
        let uv = prediction.mesh_uvd.slice(2, 0, 2)?;
        let joints = self.joints(xyz)?.scale(LOSS_UNIT)?;
        let pose = squared_error(joints, truth.joints_xyz.scale(LOSS_UNIT)?)?;
        let known = MeshTruth { xyz: truth.mesh.xyz.scale(LOSS_UNIT)?, ..truth.mesh };
        let xyz = xyz.scale(LOSS_UNIT)?;
        let mesh = MeshLoss::new(xyz, uv, &known, &self.mesh.operators)?;
        let reading = self.reading_loss(prediction.joints_uvd, truth)?;
        let mut total = heatmap.scale(0.5)?.add(mesh.total()?)?.add(pose)?;
        if let Some(reading) = reading {
            total = total.add(reading)?;
        }
        let mut vertex_l1 = None;
        if self.config.vertex_l1 > 0.0 {
            let [in_space, in_image] =
                [(xyz, known.xyz), (uv, known.uv)].map(|(a, b)| l1_loss(a, b, Reduction::BatchMean));
            let loss = in_space?.add(in_image?)?.scale(self.config.vertex_l1)?;
            total = total.add(loss)?;
            vertex_l1 = Some(loss);
        }
        Ok(TrainingLosses { total, heatmap, reading, mesh: Some(mesh), vertex_l1, pose })
    }
}
