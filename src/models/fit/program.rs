//! What a step of a fit computes: hands from their parameters, what their loss is, and the step that lessens it.

use super::pose_space::PoseSpace;
use super::{FitOptions, NEAR_MM};
use crate::error::Result;
use crate::graph::{Init, Recorder, Var};
use crate::hand::joints::{JOINTS, MIDDLE_MCP, MIDDLE_PIP};
use crate::nn::hand::{HandModel, HandVars, PosedVars};
use crate::ops::{Comparison, Projection, Raster, TriangleMesh, Unary};

/// The name of the parameters, N×P: turn, place, pose and shape of each hand in a row.
pub(super) const PARAMETERS: &str = "fit/parameters";

/// Parameters are kept in units in which a change by 0.1 is a fair step: the pose in its habits' deviations times this.
pub(super) const POSE_UNIT: f32 = 1.5;
/// The shape, and where the hand is: slopes of the direction of the middle MCP,
/// about which the hand seems to turn, and the logarithm of its depth over the length of the bone from there. So neither a
/// turn nor a change of scale moves the picture much.
pub(super) const PLACE_UNITS: [f32; 3] = [0.1, 0.1, 0.3];
pub(super) const SHAPE_UNIT: f32 = 0.1;

/// Beyond this the loss of a joint grows linearly, hundredths of the picture's side.
const FAR_JOINT: f32 = 4.0;
/// How far a parameter is moved to see what it does.
const DIFFERENCE: f32 = 0.02;
/// How much a silhouette or a depth map resists, as the mean of the squared moves of vertices: in hundredths of the picture's side
/// there, in units of 10 mm here.
const SILHOUETTE_STIFFNESS: f32 = 0.15;
const DEPTH_STIFFNESS: f32 = 0.5;
/// One vertex in so many stands for the others in that.
const VERTEX_STRIDE: u32 = 8;
/// What every parameter resists.
const DAMPING: f32 = 1.0;
/// The longest step of a parameter.
const LONGEST_STEP: f32 = 0.5;

/// What the programs of a fitter compute.
pub(super) struct Recorded<'r> {
    /// N×P.
    pub parameters: Var<'r>,
    /// N.
    pub losses: Var<'r>,
    /// N×V×3.
    pub vertices: Var<'r>,
    /// N×21×3.
    pub joints: Var<'r>,
    pub hand: HandVars<'r>,
    /// N×21×2: how far each joint is from where it is seen, hundredths of the picture's side.
    off: Var<'r>,
    /// N×4.
    camera: Var<'r>,
    confidence: Var<'r>,
}

/// A batch of hands from rows of parameters.
struct Hands<'r> {
    hand: HandVars<'r>,
    /// B×V×3, the wrist at the origin, mm.
    vertices: Var<'r>,
    /// B×21×3, mm.
    joints: Var<'r>,
    /// B×1×3: where the wrist is, mm.
    translation: Var<'r>,
    /// B×1: of the middle finger's MCP–PIP bone, mm.
    length: Var<'r>,
    /// B×pose, in deviations of habits.
    habits: Var<'r>,
}

/// What is recorded for one model and one set of options.
pub(super) struct FitProgram<'a> {
    pub model: &'a dyn HandModel,
    pub poses: &'a PoseSpace,
    pub options: &'a FitOptions,
}

impl FitProgram<'_> {
    fn widths(&self) -> [usize; 4] {
        [3, 3, self.model.pose_size(), self.model.shape_size()]
    }

    fn hands<'r>(&self, parameters: Var<'r>) -> Result<Hands<'r>> {
        let (r, n) = (parameters.recorder(), parameters.shape().dims()[0]);
        let mut at = 0;
        let mut next = |width| {
            at += width;
            parameters.slice(1, at - width, width)
        };
        let [rotation, place, pose, shape] = self.widths().map(&mut next);
        let (habits, width) = (pose?.scale(POSE_UNIT)?, self.model.pose_size());
        let axes = r.constant([width, width], &self.poses.axes)?;
        let pose = habits.linear(axes, r.constant([width], &self.poses.middle)?, false)?;
        // With the wrist at the origin first, for where the middle of the hand is decides where the hand is.
        let nowhere = r.scalar(0.0).broadcast([n, 3])?;
        let shape = shape?.scale(SHAPE_UNIT)?;
        let hand = HandVars { rotation: rotation?, translation_mm: nowhere, pose, shape };
        let posed = self.model.record(&hand)?;
        let middle = posed.joints.slice(1, MIDDLE_MCP, 1)?;
        let length = posed.joints.slice(1, MIDDLE_PIP, 1)?.sub(middle)?.norm(&[2])?;
        let place = place?.mul(r.constant([1, 3], &PLACE_UNITS)?)?.reshape([n, 1, 3])?;
        let depth = place.slice(2, 2, 1)?.exp()?.mul(length)?;
        let ray = r.concat(&[place.slice(2, 0, 2)?, r.scalar(1.0).broadcast([n, 1, 1])?], 2)?;
        let translation = ray.mul(depth)?.sub(middle)?;
        let hand = HandVars { translation_mm: translation.reshape([n, 3])?, ..hand };
        let PosedVars { vertices, joints } = posed;
        let joints = joints.add(translation)?;
        Ok(Hands { hand, vertices, joints, translation, length: length.reshape([n, 1])?, habits })
    }

    /// The terms whose losses are sums of squares, but for the joints': B×K each.
    fn residuals<'r>(&self, hands: &Hands<'r>) -> Result<[Var<'r>; 5]> {
        let (r, weights) = (hands.habits.recorder(), self.options.weights);
        let off_scale = hands.length.div(r.input("scale", [1]))?.offset(-1.0)?.scale(50.0)?;
        let scale = off_scale.mul(r.input("scale weight", [1]).sqrt()?)?;
        let (low, high): (Vec<f32>, Vec<f32>) = self.model.pose_limits().into_iter().unzip();
        let (width, stiff) = ([1, low.len()], 10.0 * weights.limits.sqrt());
        let below = r.constant(width, &low)?.sub(hands.hand.pose)?.relu()?.scale(stiff)?;
        let above = hands.hand.pose.sub(r.constant(width, &high)?)?.relu()?.scale(stiff)?;
        let habits = hands.habits.scale((weights.habits / self.model.pose_size() as f32).sqrt())?;
        let (mean, spread): (Vec<f32>, Vec<f32>) = self.model.shape_prior().into_iter().unzip();
        let weight = (weights.shape / spread.len() as f32).sqrt();
        let rareness = r.constant([1, spread.len()], &spread.iter().map(|s| weight / s).collect::<Vec<_>>())?;
        let shape = hands.hand.shape.sub(r.constant([1, mean.len()], &mean)?)?.mul(rareness)?;
        Ok([scale, below, above, habits, shape])
    }

    /// Hands from the parameters, and each one's loss.
    pub fn record<'r>(&self, r: &'r Recorder) -> Result<Recorded<'r>> {
        let FitOptions { hypotheses: n, size_px: size, weights, sigma_px, .. } = *self.options;
        let parameters = r.param_with(PARAMETERS, [n, self.widths().iter().sum()], Init::Constant(0.0));
        let hands = self.hands(parameters)?;
        let camera = r.input("camera", [1, 4]).broadcast([n, 4])?;

        let uv = hands.joints.project_perspective(camera, NEAR_MM)?;
        let off = uv.sub(r.input("joints", [1, JOINTS, 2]))?.scale(100.0 / size as f32)?;
        let confidence = r.input("confidence", [1, JOINTS, 1]);
        let misplaced = off.unary(Unary::Huber { delta: FAR_JOINT })?.mul(confidence)?;
        let misplaced = misplaced.sum(&[1, 2])?.reshape([n])?.scale(2.0 * weights.joints)?;

        let mesh = TriangleMesh::new(self.model.vertices(), self.model.faces())?;
        let raster = Raster { near: NEAR_MM, ..Raster::new(size, size) };
        let vertices = hands.vertices.add(hands.translation)?;
        let drawn = vertices.rasterize(&mesh, Projection::Perspective(camera), raster)?;
        let differs = drawn.soft_silhouette(sigma_px)?.sub(r.input("mask", [1, size, size, 1]))?.square()?;
        let silhouette = differs.sum(&[1, 2, 3])?.reshape([n])?.mul(r.input("silhouette weight", [1]))?;

        let target = r.input("depth", [1, size, size, 1]);
        let both = drawn.mask()?.mul(target.compare(Comparison::Greater, r.scalar(0.0))?)?;
        let deeper = drawn.depth(0.0)?.sub(target)?.mul(both)?.scale(0.1)?.unary(Unary::Huber { delta: 1.0 })?;
        let depth = deeper.sum(&[1, 2, 3])?.reshape([n])?.mul(r.input("depth weight", [1]))?;

        let squares = r.concat(&self.residuals(&hands)?, 1)?.square()?.sum(&[1])?.reshape([n])?;
        let losses = misplaced.add(silhouette)?.add(depth)?.add(squares)?;
        Ok(Recorded { parameters, losses, vertices, joints: hands.joints, hand: hands.hand, off, camera, confidence })
    }

    /// The step: parameters less `rate` times what solves `H·step = gradient`, H being the second derivatives of the loss without
    /// the curvature of what is squared (Gauss and Newton's method with Levenberg's damping; Nocedal and Wright 2006,
    /// "Numerical Optimization", §10.3). It needs to know how far every joint moves with every parameter: hands are posed anew for
    /// each parameter, a little changed. What silhouettes and depths do is not asked so closely: the moves of vertices stand for it.
    pub fn record_step<'r>(&self, seen: &Recorded<'r>, rate: Var<'r>) -> Result<()> {
        let (r, parameters) = (rate.recorder(), seen.parameters);
        let FitOptions { hypotheses: n, size_px: size, weights, .. } = *self.options;
        let count = parameters.shape().dims()[1];
        let gradient = seen.losses.sum_all()?.backward_to(&[parameters])?.of(parameters);
        let gradient = gradient.expect("the losses depend on the parameters").reshape([n, count, 1])?;

        let batch = n * (count + 1);
        let mut changes = vec![0.0; (count + 1) * count];
        (0..count).for_each(|k| changes[(k + 1) * count + k] = DIFFERENCE);
        let changed = parameters.reshape([n, 1, count])?.add(r.constant([1, count + 1, count], &changes)?)?;
        let hands = self.hands(changed.reshape([batch, count])?)?;
        let camera = seen.camera.reshape([n, 1, 4])?.broadcast([n, count + 1, 4])?.reshape([batch, 4])?;
        let hundredth = 100.0 / size as f32;
        let project = |points: Var<'r>| points.project_perspective(camera, NEAR_MM)?.scale(hundredth);
        let some: Vec<u32> = (0..self.model.vertices() as u32).step_by(VERTEX_STRIDE as usize).collect();
        let vertices = hands.vertices.gather_rows(&some)?.add(hands.translation)?;
        let share = |stiffness: f32| (stiffness / some.len() as f32).sqrt();
        let moves = project(vertices)?.scale(share(SILHOUETTE_STIFFNESS))?.reshape([batch, 2 * some.len()])?;
        let deeper = vertices.slice(2, 2, 1)?.scale(0.1 * share(DEPTH_STIFFNESS))?.reshape([batch, some.len()])?;
        let has_depth = r.input("depth weight", [1]).compare(Comparison::Greater, r.scalar(0.0))?;

        // A joint far off pulls less than its square would, and is to resist less too (Huber's weight).
        let near = seen.off.abs()?.clamp(FAR_JOINT, f32::MAX)?.reciprocal()?.scale(FAR_JOINT * weights.joints)?;
        let pull = near.mul(seen.confidence)?.sqrt()?.reshape([n, 1, 2 * JOINTS])?;

        let differences = |what: Var<'r>| {
            let rows = what.reshape([n, count + 1, what.shape().dims()[1]])?;
            rows.slice(1, 1, count)?.sub(rows.slice(1, 0, 1)?)
        };
        let joints = differences(project(hands.joints)?.reshape([batch, 2 * JOINTS])?)?.mul(pull)?;
        let [scale, below, above, habits, shape] = self.residuals(&hands)?;
        let others = r.concat(&[scale, below, above, habits, shape, moves, deeper.mul(has_depth)?], 1)?;
        let jacobian = r.concat(&[joints, differences(others)?], 2)?.scale(1.0 / DIFFERENCE)?;
        let identity: Vec<f32> = (0..count * count).map(|i| if i % (count + 1) == 0 { DAMPING } else { 0.0 }).collect();
        let curvature = jacobian.batch_matmul(jacobian, false, true)?.scale(2.0)?;
        let curvature = curvature.add(r.constant([1, count, count], &identity)?)?;
        let step = curvature.solve_spd(gradient)?.reshape([n, count])?.clamp(-LONGEST_STEP, LONGEST_STEP)?;
        parameters.assign(parameters.sub(step.mul(rate)?)?)?;
        Ok(())
    }
}
