//! A hand model fitted to one picture by gradient steps through the renderer: the refinement at test time of Baek et al.,
//! "Pushing the Envelope for RGB-based Dense 3D Hand Pose Estimation via Neural Rendering", 2019, section 3.3, with the
//! gradient divided by the loss's approximate second derivatives (Gauss and Newton's method with Levenberg's damping). Several
//! hypotheses descend side by side in a batch; a step is one submission, and only the losses are read back.

mod pose_space;
mod program;

use std::sync::Arc;

use glam::{Vec2, Vec3};

use crate::error::{Error, Result};
use crate::gpu::{Executable, Gpu, States};
use crate::graph::{Recorder, TensorData, Var};
use crate::hand::Camera;
use crate::hand::joints::{JOINTS, MIDDLE_MCP, MIDDLE_PIP};
use crate::nn::hand::HandModel;
use pose_space::PoseSpace;
use program::{FitProgram, PARAMETERS, PLACE_UNITS, POSE_UNIT, Recorded, SHAPE_UNIT};

/// The nearest that a hand may come to the camera, mm.
const NEAR_MM: f32 = 20.0;
/// The largest image that silhouettes are compared in.
const MAX_SIZE_PX: usize = 1024;

/// What is seen of a hand in a square picture.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The picture's camera, px.
    pub camera: Camera,
    /// The picture's side, px.
    pub size_px: usize,
    /// The 21 joints in the picture, px.
    pub joints_px: [Vec2; JOINTS],
    /// How much each joint counts, 0 for one that is not known.
    pub confidence: [f32; JOINTS],
    /// How much of each pixel the hand covers, row by row, 0 to 1.
    pub mask: Option<Vec<f32>>,
    /// The hand's depth in each pixel, row by row, mm; 0 where it is not known.
    pub depth_mm: Option<Vec<f32>>,
    /// The true length of the middle finger's MCP–PIP bone, mm.
    pub scale_mm: Option<f32>,
}

/// A hand as its parameters, see [`HandVars`](crate::nn::hand::HandVars).
#[derive(Debug, Clone, PartialEq)]
pub struct HandParameters {
    /// Turn from the rest frame to the camera, axis times angle, radians.
    pub rotation: Vec3,
    /// Where the wrist is, mm.
    pub translation_mm: Vec3,
    /// The model's pose parameters.
    pub pose: Vec<f32>,
    /// The model's shape parameters.
    pub shape: Vec<f32>,
}

/// How strongly each term pulls. Each is about 1 for an error that one would call noticeable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitWeights {
    /// Mean over the joints of the squared distance in the picture, in hundredths of its side; beyond 4 it grows linearly.
    pub joints: f32,
    /// Squared difference of silhouette and mask, summed over pixels, over the mask's area.
    pub silhouette: f32,
    /// Mean over the pixels where both are known of the difference of depth, in units of 10 mm; its square below 1.
    pub depth: f32,
    /// Squared deviation from the known scale, in units of 2 %.
    pub scale: f32,
    /// Squared excess over the pose's limits, in tenths of a radian.
    pub limits: f32,
    /// Squared deviation from the model's [`HandModel::pose_habits`], in standard deviations: the mean over the habits.
    pub habits: f32,
    /// Squared deviation of the shape from its mean, in standard deviations: the mean over the parameters.
    pub shape: f32,
}

impl Default for FitWeights {
    fn default() -> Self {
        FitWeights { joints: 1.0, silhouette: 2.0, depth: 1.0, scale: 1.0, limits: 0.3, habits: 0.5, shape: 0.3 }
    }
}

/// How hands are fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitOptions {
    /// How many hands descend side by side.
    pub hypotheses: usize,
    /// Gradient steps.
    pub steps: usize,
    /// The side of the pictures in which silhouettes and depths are compared, px.
    pub size_px: usize,
    /// How far silhouettes fade, px of these pictures; see [`crate::ops::Rasterized::soft_silhouette`].
    pub sigma_px: f32,
    /// What part of the way to where the loss would be least, were it a parabola, a step goes at first; it falls to a twentieth
    /// along a cosine.
    pub rate: f32,
    /// What counts.
    pub weights: FitWeights,
}

impl Default for FitOptions {
    /// Fifty steps (as Baek et al.) of one hypothesis at 64 px.
    fn default() -> Self {
        FitOptions { hypotheses: 1, steps: 50, size_px: 64, sigma_px: 0.7, rate: 1.0, weights: FitWeights::default() }
    }
}

/// What became of one hypothesis.
#[derive(Debug, Clone)]
pub struct FittedHand {
    /// Vertices in camera axes, mm.
    pub vertices_mm: Vec<Vec3>,
    /// The 21 joints in camera axes, mm.
    pub joints_mm: [Vec3; JOINTS],
    /// The parameters that give them.
    pub parameters: HandParameters,
    /// The loss of each step, before it was made, and at last that of this hand.
    pub losses: Vec<f32>,
}

/// Fits a model to pictures: its programs compiled, its parameters on the device.
pub struct HandFitter {
    model: Arc<dyn HandModel>,
    options: FitOptions,
    poses: PoseSpace,
    states: States,
    step: Executable,
    look: Executable,
}

impl std::fmt::Debug for HandFitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HandFitter({:?}, {:?})", self.options, self.step)
    }
}

impl HandFitter {
    /// Compiles the programs for a model. The silhouette's size is at most 1024 px.
    pub fn new(gpu: &Gpu, model: Arc<dyn HandModel>, options: FitOptions) -> Result<Self> {
        let checks = [
            ("hypotheses", options.hypotheses, 1, 64),
            ("steps", options.steps, 0, 100_000),
            ("size_px", options.size_px, 8, MAX_SIZE_PX),
        ];
        for (what, got, low, high) in checks {
            if !(low..=high).contains(&got) {
                return Err(Error::invalid(format!("fit: {what}"), format!("{low} to {high}"), got));
            }
        }
        if !(options.rate.is_finite() && options.rate > 0.0) {
            return Err(Error::invalid("fit: rate", "a positive number", options.rate));
        }
        let poses = PoseSpace::of(model.as_ref())?;
        let states = States::new(gpu);
        let program = FitProgram { model: model.as_ref(), poses: &poses, options: &options };
        let r = Recorder::new();
        let recorded = program.record(&r)?;
        program.record_step(&recorded, r.input("rate", [1]))?;
        let step = gpu.compile_with(&r, [recorded.losses], &states)?;
        let r = Recorder::new();
        let Recorded { losses, vertices, joints, hand, .. } = program.record(&r)?;
        let outputs = [losses, vertices, joints, hand.rotation, hand.translation_mm, hand.pose, hand.shape];
        let look = gpu.compile_with(&r, outputs, &states)?;
        Ok(HandFitter { model, options, poses, states, step, look })
    }

    /// The model.
    pub fn model(&self) -> &dyn HandModel {
        self.model.as_ref()
    }

    /// The options.
    pub fn options(&self) -> &FitOptions {
        &self.options
    }

    /// Fits the model from as many starts as there are hypotheses. The hands come back in the order of their losses, the best
    /// first. A hypothesis whose loss is higher in the end than at the start comes back as it started.
    pub fn fit(&mut self, seen: &Observation, starts: &[HandParameters]) -> Result<Vec<FittedHand>> {
        self.fit_watched(seen, starts, |_, _| Ok(()))
    }

    /// As [`HandFitter::fit`], showing the hands before every step, in the order of the starts, and at the end.
    pub fn fit_watched(
        &mut self,
        seen: &Observation,
        starts: &[HandParameters],
        mut watch: impl FnMut(usize, &mut dyn FnMut() -> Result<Vec<FittedHand>>) -> Result<()>,
    ) -> Result<Vec<FittedHand>> {
        let inputs = self.inputs(seen)?;
        self.begin(starts)?;
        for program in [&mut self.step, &mut self.look] {
            program.upload(inputs.iter().map(|(name, values)| (*name, &values[..])))?;
        }
        let mut losses = vec![Vec::with_capacity(self.options.steps + 1); starts.len()];
        for step in 0..self.options.steps {
            watch(step, &mut || self.look())?;
            let part = step as f32 / self.options.steps as f32;
            let rate = self.options.rate * (0.05 + 0.475 * (1.0 + (std::f32::consts::PI * part).cos()));
            let results = self.step.run([("rate", &[rate][..])])?;
            losses.iter_mut().zip(results.f32(0)).for_each(|(losses, loss)| losses.push(*loss));
        }
        watch(self.options.steps, &mut || self.look())?;
        let mut hands = self.look()?;
        let worse = |hand: &FittedHand, losses: &[f32]| {
            let end = hand.losses[0];
            losses.first().is_some_and(|start| end.is_nan() || end > *start)
        };
        if hands.iter().zip(&losses).any(|(hand, losses)| worse(hand, losses)) {
            self.begin(starts)?;
            let first = self.look()?;
            for ((hand, losses), first) in hands.iter_mut().zip(&losses).zip(first) {
                if worse(hand, losses) {
                    *hand = first;
                }
            }
        }
        for (hand, mut losses) in hands.iter_mut().zip(losses) {
            losses.append(&mut hand.losses);
            hand.losses = losses;
        }
        let last = |hand: &FittedHand| *hand.losses.last().expect("at least the last");
        hands.sort_by(|a, b| last(a).total_cmp(&last(b)));
        Ok(hands)
    }

    /// The time of every dispatch of a step, see [`Executable::profile`].
    pub fn profile(&mut self) -> Result<Vec<crate::gpu::StepTime>> {
        self.step.profile()
    }

    /// Puts the starts in the place of the parameters and forgets the last fit.
    fn begin(&mut self, starts: &[HandParameters]) -> Result<()> {
        if starts.len() != self.options.hypotheses {
            return Err(Error::invalid("fit: starts", self.options.hypotheses, starts.len()));
        }
        starts.iter().try_for_each(|start| self.check(start))?;
        let mut rows: Vec<Vec<f32>> = starts.iter().map(|start| self.row(start)).collect();
        self.write(&rows)?;
        // Where the middle of the hand then is, only the model knows.
        for ((hand, start), row) in self.look()?.iter().zip(starts).zip(&mut rows) {
            let middle = hand.joints_mm[MIDDLE_MCP];
            let length = middle.distance(hand.joints_mm[MIDDLE_PIP]);
            let at = middle - hand.parameters.translation_mm + start.translation_mm;
            if !(at.z > NEAR_MM && length > 0.0) {
                return Err(Error::invalid("fit: start's depth", format!("more than {NEAR_MM} mm"), at.z));
            }
            let place = Vec3::new(at.x / at.z, at.y / at.z, (at.z / length).ln()) / Vec3::from(PLACE_UNITS);
            row[3..6].copy_from_slice(&place.to_array());
        }
        self.write(&rows)
    }

    /// The parameters of a start in the units of the program, its place aside.
    fn row(&self, start: &HandParameters) -> Vec<f32> {
        let pose = self.poses.coordinates(&start.pose).map(|v| v / POSE_UNIT);
        let shape = start.shape.iter().map(|v| v / SHAPE_UNIT);
        start.rotation.to_array().into_iter().chain([0.0; 3]).chain(pose).chain(shape).collect()
    }

    fn write(&self, rows: &[Vec<f32>]) -> Result<()> {
        let data = TensorData::f32([rows.len(), rows[0].len()], &rows.concat());
        self.states.write(PARAMETERS, &data.expect("rows of one length"))
    }

    /// Fails unless a start is a hand of the model.
    fn check(&self, start: &HandParameters) -> Result<()> {
        let sizes =
            [("pose", start.pose.len(), self.model.pose_size()), ("shape", start.shape.len(), self.model.shape_size())];
        for (what, got, expected) in sizes {
            if got != expected {
                return Err(Error::invalid(format!("fit: start's {what}"), expected, got));
            }
        }
        let place = start.rotation.to_array().into_iter().chain(start.translation_mm.to_array());
        match place.chain(start.pose.iter().chain(&start.shape).copied()).find(|v| !v.is_finite()) {
            Some(bad) => Err(Error::NotFinite { what: "fit: start".into(), detail: format!("a parameter is {bad}") }),
            None => Ok(()),
        }
    }

    /// The hands as they are.
    fn look(&mut self) -> Result<Vec<FittedHand>> {
        let results = self.look.run(std::iter::empty::<(&str, &[f32])>())?;
        let rows = |output: usize, i: usize| {
            let values = results.f32(output);
            let width = values.len() / self.options.hypotheses;
            &values[i * width..(i + 1) * width]
        };
        let points = |output, i| rows(output, i).chunks(3).map(Vec3::from_slice).collect::<Vec<_>>();
        let hand = |i| {
            let joints = points(2, i);
            FittedHand {
                vertices_mm: points(1, i),
                joints_mm: std::array::from_fn(|k| joints[k]),
                parameters: HandParameters {
                    rotation: points(3, i)[0],
                    translation_mm: points(4, i)[0],
                    pose: rows(5, i).to_vec(),
                    shape: rows(6, i).to_vec(),
                },
                losses: rows(0, i).to_vec(),
            }
        };
        Ok((0..self.options.hypotheses).map(hand).collect())
    }

    /// What the programs are given of an observation, at the size in which they compare.
    fn inputs(&self, seen: &Observation) -> Result<Vec<(&'static str, Vec<f32>)>> {
        let size = self.options.size_px;
        let pixels = seen.size_px.saturating_mul(seen.size_px);
        let wrong = |what: &str, expected: &dyn std::fmt::Display, got: &dyn std::fmt::Display| {
            Err(Error::invalid(format!("fit: {what}"), expected, got))
        };
        if seen.size_px == 0 {
            return wrong("picture", &"at least a pixel", &0);
        }
        let known = seen.confidence.iter().zip(&seen.joints_px).filter(|(c, _)| **c > 0.0);
        if seen.confidence.iter().any(|c| !(c.is_finite() && *c >= 0.0)) || known.clone().any(|(_, p)| !p.is_finite()) {
            return wrong("joints", &"finite places and confidences that are not negative", &"others");
        }
        if known.count() == 0 && seen.mask.is_none() {
            return wrong("observation", &"joints or a mask", &"neither");
        }
        if let Some(scale) = seen.scale_mm.filter(|s| !(s.is_finite() && *s > 0.0)) {
            return wrong("scale_mm", &"a positive length", &scale);
        }
        let shrink = size as f32 / seen.size_px as f32;
        let Camera { fx, fy, cx, cy } = seen.camera;
        let total: f32 = seen.confidence.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        let mut inputs = vec![("camera", [fx, fy, cx, cy].map(|v| v * shrink).to_vec())];
        let place = |(p, c): (&Vec2, &f32)| if *c > 0.0 { (*p * shrink).to_array() } else { [0.0; 2] };
        inputs.push(("joints", seen.joints_px.iter().zip(&seen.confidence).flat_map(place).collect()));
        inputs.push(("confidence", seen.confidence.iter().map(|c| c / total).collect()));
        let resized = |what: &'static str, image: &Option<Vec<f32>>, known_only: bool| match image {
            None => Ok((vec![0.0; size * size], 0.0)),
            Some(image) if image.len() != pixels => {
                Err(Error::invalid(format!("fit: {what}"), format!("{pixels} pixels"), image.len()))
            }
            Some(image) if image.iter().any(|v| !(v.is_finite() && *v >= 0.0)) => {
                Err(Error::NotFinite { what: format!("fit: {what}"), detail: "or negative in some pixel".into() })
            }
            Some(image) => Ok((resize(image, seen.size_px, size, known_only), 1.0)),
        };
        let (mask, has_mask) = resized("mask", &seen.mask, false)?;
        let (depth, has_depth) = resized("depth", &seen.depth_mm, true)?;
        let area: f32 = mask.iter().sum();
        let valid: f32 = depth.iter().filter(|d| **d > 0.0).count() as f32;
        let FitWeights { silhouette, depth: of_depth, scale, .. } = self.options.weights;
        inputs.push(("mask", mask));
        inputs.push(("depth", depth));
        inputs.push(("silhouette weight", vec![has_mask * silhouette / area.max(1.0)]));
        inputs.push(("depth weight", vec![has_depth * of_depth / valid.max(1.0)]));
        inputs.push(("scale", vec![seen.scale_mm.unwrap_or(1.0)]));
        inputs.push(("scale weight", vec![if seen.scale_mm.is_some() { scale } else { 0.0 }]));
        Ok(inputs)
    }
}

/// An image at another size, each pixel the mean of what it covers: where `known_only`, of the pixels above 0 there.
fn resize(image: &[f32], from: usize, to: usize, known_only: bool) -> Vec<f32> {
    let step = from as f32 / to as f32;
    // How much of source pixels each target pixel covers, along one axis.
    let covered = |target: usize| {
        let (low, high) = (target as f32 * step, (target + 1) as f32 * step);
        (low as usize..(high.ceil() as usize).min(from))
            .map(move |source| (source, (high.min(source as f32 + 1.0) - low.max(source as f32)).max(0.0)))
    };
    let mut out = Vec::with_capacity(to * to);
    for row in 0..to {
        for column in 0..to {
            let (mut sum, mut total) = (0.0, 0.0);
            for (y, high) in covered(row) {
                for (x, wide) in covered(column) {
                    let value = image[y * from + x];
                    if !known_only || value > 0.0 {
                        sum += high * wide * value;
                        total += high * wide;
                    }
                }
            }
            out.push(if total > 0.0 { sum / total } else { 0.0 });
        }
    }
    out
}

/// Records a step of fitting to whatever the inputs will be. Gives each hypothesis's loss.
pub fn record_fit<'r>(r: &'r Recorder, model: &dyn HandModel, options: &FitOptions) -> Result<Var<'r>> {
    let poses = PoseSpace::of(model)?;
    let program = FitProgram { model, poses: &poses, options };
    let recorded = program.record(r)?;
    program.record_step(&recorded, r.input("rate", [1]))?;
    Ok(recorded.losses)
}
