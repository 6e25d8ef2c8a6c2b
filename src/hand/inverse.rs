//! Inverse kinematics: from the places of the 21 joints to a pose.
//!
//! Bone by bone from the wrist outwards, each joint takes the turn that leads its bone to where it was asked to be, and the
//! spin about a bone is matched by the one after it (as Chen et al., "MVHM: A Large-Scale Multi-View Hand Mesh Benchmark for
//! Accurate 3D Hand Pose Estimation", 2021, fit their hand to joints). That is exact for joints that the hand can reach. Where
//! something is left or a limit is broken, damped least squares within the limits (Levenberg and Marquardt) find the nearest pose.

use glam::{DMat3, DQuat, DVec3, Vec3};

use super::freedoms::{FREEDOMS, HAND_FREEDOMS, Turn};
use super::joints::{JOINTS, MIDDLE_MCP, MIDDLE_PIP, RIG_JOINTS, RIG_OF_JOINT, RIG_PARENTS, TIPS, finger_rig_joints};
use super::{HandError, Pose, PosedHand, RiggedHand, Shape};

/// A pose found for joints.
#[derive(Clone, Debug, PartialEq)]
pub struct IkFit {
    /// The pose, within the limits of [`HAND_FREEDOMS`].
    pub pose: Pose,
    /// Its angles, radians.
    pub angles: [f32; FREEDOMS],
    /// How far the joint that is worst off is from where it was asked to be, mm: rounding, if the hand can reach all.
    pub residual_mm: f32,
}

impl RiggedHand {
    /// The hand of that scale (the length of its middle finger's MCP–PIP bone, mm) posed by [`inverse_kinematics`] on joints:
    /// "direct linear blend skinning" of Ge et al. 2019, §5.2.
    ///
    /// # Errors
    /// As [`inverse_kinematics`]; a scale that is not positive and finite makes such a shape.
    pub fn posed_on(&self, joints: &[Vec3; JOINTS], scale_mm: f32) -> Result<PosedHand, HandError> {
        let rest = self.pose(&Pose::default(), &Shape::default()).joints;
        let shape = Shape { scale: scale_mm / rest[MIDDLE_MCP].distance(rest[MIDDLE_PIP]), ..Shape::default() };
        Ok(self.pose(&inverse_kinematics(self, joints, &shape)?.pose, &shape))
    }
}

/// The pose that brings a hand's joints to the given places (mm, in any axes; in the order of
/// [`super::joints::JOINT_NAMES`]), or as near as its shape and its joints' limits allow. For a left hand mirror the joints
/// first (x → −x): the pose is then that of the mirrored hand.
///
/// A finger that is all straight does not tell its twist: one of the many that fit is given.
///
/// # Errors
/// [`HandError::Joint`] for coordinates that are not finite, [`HandError::Shape`] for factors that are not positive and finite.
pub fn inverse_kinematics(hand: &RiggedHand, joints: &[Vec3; JOINTS], shape: &Shape) -> Result<IkFit, HandError> {
    if let Some(joint) = joints.iter().position(|p| !p.is_finite()) {
        return Err(HandError::Joint { joint, got: joints[joint] });
    }
    if !shape.logs().iter().all(|log| log.is_finite()) {
        return Err(HandError::Shape { got: *shape });
    }
    /// A residual that rounding explains, mm,
    const ROUNDING_MM: f64 = 1e-3;
    /// and one that another start may better.
    const POOR_MM: f64 = 1.0;
    let bones = Bones::new(hand, shape);
    let targets = joints.map(|p| p.as_dvec3());
    let mut start = State::rest(&bones, &targets);
    let resting = start.clone();
    start.match_bones(&bones, &targets);
    let within = start.limited();
    let mut best = within.clone();
    if start.breaks_limits() || within.residual(&bones, &targets) > ROUNDING_MM {
        best.descend(&bones, &targets);
    }
    if best.residual(&bones, &targets) > POOR_MM {
        let mut other = resting;
        other.descend(&bones, &targets);
        if other.cost(&bones, &targets) < best.cost(&bones, &targets) {
            best = other;
        }
    }
    let angles = best.angles.map(|angle| angle as f32);
    let mut pose = Pose::from_angles(&angles);
    pose.rotation = best.rotation.as_quat();
    pose.translation_mm = best.place.as_vec3();
    let residual = best.residual(&bones, &targets).min(f32::MAX.into());
    Ok(IkFit { pose, angles, residual_mm: residual as f32 })
}

/// The hand's skeleton in one shape, in f64.
struct Bones {
    /// Each joint's axes at rest in its parent's, the wrist's in the rest frame.
    turns: [DMat3; RIG_JOINTS],
    /// From each joint's parent to it, in the parent's axes.
    steps: [DVec3; RIG_JOINTS],
    /// What each of the 21 joints is fixed to: rig joints with weights, and where it is in their axes.
    fixed: [Vec<(usize, f64, DVec3)>; JOINTS],
    /// The freedom of each joint and axis, if it has one: flexion, abduction, twist.
    freedoms: [[Option<usize>; 3]; RIG_JOINTS],
}

fn axis(turn: Turn) -> usize {
    match turn {
        Turn::Flexion => 0,
        Turn::Abduction => 1,
        Turn::Twist => 2,
    }
}

impl Bones {
    fn new(hand: &RiggedHand, shape: &Shape) -> Self {
        let rest = hand.rest_frames().map(|f| (f.origin.as_dvec3(), DMat3::from_quat(f.axes.as_dquat().normalize())));
        let scaling = hand.scaling(shape).map(|s| s.as_dmat3());
        let local = |joint: usize, point: DVec3| {
            let (origin, axes) = rest[joint];
            scaling[joint] * (axes.transpose() * (point - origin))
        };
        let mut bones = Bones {
            turns: [DMat3::IDENTITY; RIG_JOINTS],
            steps: [DVec3::ZERO; RIG_JOINTS],
            fixed: std::array::from_fn(|_| Vec::new()),
            freedoms: [[None; 3]; RIG_JOINTS],
        };
        bones.turns[0] = rest[0].1;
        for joint in 1..RIG_JOINTS {
            let parent = RIG_PARENTS[joint];
            bones.turns[joint] = rest[parent].1.transpose() * rest[joint].1;
            bones.steps[joint] = local(parent, rest[joint].0);
        }
        for (joint, fixed) in bones.fixed.iter_mut().enumerate() {
            match TIPS.iter().position(|tip| *tip == joint) {
                None => fixed.push((RIG_OF_JOINT[joint], 1.0, DVec3::ZERO)),
                Some(finger) => {
                    let vertex = hand.tip_vertices()[finger] as usize;
                    let at = hand.rest_vertices()[vertex].as_dvec3();
                    let weights = hand.influences()[vertex].iter().filter(|(_, weight)| *weight > 0.0);
                    fixed.extend(weights.map(|&(j, w)| (j.into(), w.into(), local(j.into(), at))));
                }
            }
        }
        for (k, freedom) in HAND_FREEDOMS.iter().enumerate() {
            bones.freedoms[freedom.joint][axis(freedom.turn)] = Some(k);
        }
        bones
    }
}

/// Where a joint is and how it is turned, before its own bend and after.
#[derive(Clone, Copy)]
struct Frame {
    origin: DVec3,
    unbent: DMat3,
    axes: DMat3,
}

/// A pose in f64.
#[derive(Clone)]
struct State {
    rotation: DQuat,
    place: DVec3,
    angles: [f64; FREEDOMS],
}

const PARAMETERS: usize = 6 + FREEDOMS;

impl State {
    /// The hand at rest, turned and put where the joints of the palm are.
    fn rest(bones: &Bones, targets: &[DVec3; JOINTS]) -> Self {
        let mut state = State { rotation: DQuat::IDENTITY, place: targets[0], angles: [0.0; FREEDOMS] };
        let at = state.joints(bones);
        // Points that the palm moves as one: the roots of thumb, index and middle finger, from the wrist.
        let axes = |points: &[DVec3; JOINTS]| {
            let [thumb, index, middle] = [1, 5, 9].map(|joint| points[joint] - points[0]);
            let up = (index + middle).normalize_or(DVec3::Y);
            let across = (thumb + index - middle).reject_from_normalized(up);
            let across = across.normalize_or(up.any_orthonormal_vector());
            DMat3::from_cols(across, up, across.cross(up))
        };
        state.rotation = DQuat::from_mat3(&(axes(targets) * axes(&at).transpose())).normalize();
        state
    }

    fn frames(&self, bones: &Bones) -> [Frame; RIG_JOINTS] {
        let still = Frame { origin: self.place, unbent: DMat3::IDENTITY, axes: DMat3::IDENTITY };
        let mut frames = [still; RIG_JOINTS];
        for joint in 0..RIG_JOINTS {
            frames[joint] = self.frame(bones, &frames, joint);
        }
        frames
    }

    /// The frame of a joint whose parent's is known.
    fn frame(&self, bones: &Bones, frames: &[Frame; RIG_JOINTS], joint: usize) -> Frame {
        let angle = |k: usize| bones.freedoms[joint][k].map_or(0.0, |freedom| self.angles[freedom]);
        let (origin, above) = match joint {
            0 => (self.place, DMat3::from_quat(self.rotation)),
            _ => {
                let parent = &frames[RIG_PARENTS[joint]];
                (parent.origin + parent.axes * bones.steps[joint], parent.axes)
            }
        };
        let unbent = above * bones.turns[joint];
        let bend =
            DMat3::from_rotation_z(angle(1)) * DMat3::from_rotation_x(angle(0)) * DMat3::from_rotation_y(angle(2));
        Frame { origin, unbent, axes: unbent * bend }
    }

    fn joints(&self, bones: &Bones) -> [DVec3; JOINTS] {
        let frames = self.frames(bones);
        std::array::from_fn(|joint| {
            bones.fixed[joint].iter().map(|&(j, w, at)| w * (frames[j].origin + frames[j].axes * at)).sum()
        })
    }

    /// The greatest distance of a joint from its target.
    fn residual(&self, bones: &Bones, targets: &[DVec3; JOINTS]) -> f64 {
        self.joints(bones).iter().zip(targets).map(|(a, b)| a.distance(*b)).fold(0.0, f64::max)
    }

    fn cost(&self, bones: &Bones, targets: &[DVec3; JOINTS]) -> f64 {
        self.joints(bones).iter().zip(targets).map(|(a, b)| a.distance_squared(*b)).sum()
    }

    fn breaks_limits(&self) -> bool {
        /// Radians that rounding explains.
        const ROUNDING: f64 = 1e-4;
        self.angles.iter().zip(&HAND_FREEDOMS).any(|(angle, freedom)| {
            let (low, high) = freedom.limits();
            *angle < f64::from(low) - ROUNDING || *angle > f64::from(high) + ROUNDING
        })
    }

    fn limited(&self) -> Self {
        let mut state = self.clone();
        for (angle, freedom) in state.angles.iter_mut().zip(&HAND_FREEDOMS) {
            let (low, high) = freedom.limits();
            *angle = angle.clamp(low.into(), high.into());
        }
        state
    }

    /// Bends joint by joint so that each next joint comes where it is asked to be.
    fn match_bones(&mut self, bones: &Bones, targets: &[DVec3; JOINTS]) {
        for finger in 0..5 {
            let [base, middle, end] = finger_rig_joints(finger);
            let first = 1 + 4 * finger;
            if bones.freedoms[base - 1][0].is_some() {
                self.flex(bones, base - 1, bones.steps[base], targets[first]);
            }
            let frames = self.frames(bones);
            let along = frames[base].unbent.transpose() * (targets[first + 1] - frames[base].origin);
            // A bend sends the bone, y, to (−sin a · cos f, cos a · cos f, sin f).
            let sideways = along.x.hypot(along.y);
            self.set(bones, base, 0, along.z.atan2(sideways));
            self.set(bones, base, 1, (-along.x).atan2(along.y));
            if bones.freedoms[base][2].is_some() {
                self.spin(bones, targets, [base, middle, end], first);
                continue;
            }
            self.flex_on(bones, targets, [middle, end], first);
        }
    }

    /// Flexes a finger's last joints one after the other.
    fn flex_on(&mut self, bones: &Bones, targets: &[DVec3; JOINTS], [middle, end]: [usize; 2], first: usize) {
        self.flex(bones, middle, bones.steps[end], targets[first + 2]);
        let tip = bones.fixed[first + 3].iter().find(|(joint, _, _)| *joint == end);
        self.flex(bones, end, tip.map_or(DVec3::Y, |(_, _, at)| *at), targets[first + 3]);
    }

    fn set(&mut self, bones: &Bones, joint: usize, axis: usize, angle: f64) {
        if let Some(freedom) = bones.freedoms[joint][axis] {
            self.angles[freedom] = angle;
        }
    }

    /// Flexes a joint until a point fixed to it is on the way to `target`.
    fn flex(&mut self, bones: &Bones, joint: usize, point: DVec3, target: DVec3) {
        let frame = self.frames(bones)[joint];
        let aim = frame.unbent.transpose() * (target - frame.origin);
        // The turn about x from one to the other.
        let angle = (point.y * aim.z - point.z * aim.y).atan2(point.y * aim.y + point.z * aim.z);
        self.set(bones, joint, 0, angle);
    }

    /// Twists a base and flexes what follows. The twist does not move the base's own bone: it is what leads the next one aside,
    /// which a flexion of the next joint and a twist together bring to its target in two ways. The better one is taken.
    fn spin(&mut self, bones: &Bones, targets: &[DVec3; JOINTS], [base, middle, end]: [usize; 3], first: usize) {
        let frames = self.frames(bones);
        // The base's axes before its twist (which is still 0), and the next bone in them.
        let aim = (frames[base].axes.transpose() * (targets[first + 2] - frames[middle].origin)).normalize_or(DVec3::Y);
        let turn = bones.turns[middle];
        // The twist leaves y: row y of turn · (0, cos f, sin f) is that of the aim.
        let (along, across) = (turn.y_axis.y, turn.z_axis.y);
        let middle_of = across.atan2(along);
        let apart = (aim.y / along.hypot(across)).clamp(-1.0, 1.0).acos();
        let candidates = [middle_of + apart, middle_of - apart].map(|flexion| {
            let from = turn * DVec3::new(0.0, flexion.cos(), flexion.sin());
            let twist = (from.z * aim.x - from.x * aim.z).atan2(from.x * aim.x + from.z * aim.z);
            let mut state = self.clone();
            state.set(bones, base, 2, twist);
            state.flex_on(bones, targets, [middle, end], first);
            state
        });
        let far = |state: &State| state.limited().cost(bones, targets);
        let [a, b] = candidates;
        *self = if far(&a) <= far(&b) { a } else { b };
    }

    /// Damped least squares: steps towards the targets within the limits, until they make no difference.
    fn descend(&mut self, bones: &Bones, targets: &[DVec3; JOINTS]) {
        const STEPS: usize = 100;
        /// The damping that no step is accepted with.
        const MOST: f64 = 1e12;
        let (mut damping, mut cost) = (1e-4, self.cost(bones, targets));
        for _ in 0..STEPS {
            let (matrix, slope) = self.normal_equations(bones, targets);
            loop {
                let Some(step) = solve(&matrix, &slope, damping) else { return };
                let next = self.moved(&step).limited();
                let next_cost = next.cost(bones, targets);
                if next_cost < cost {
                    let gain = cost - next_cost;
                    (*self, cost, damping) = (next, next_cost, (damping / 5.0).max(1e-12));
                    if gain <= 1e-10 * cost + 1e-14 {
                        return;
                    }
                    break;
                }
                damping *= 4.0;
                if damping > MOST {
                    return;
                }
            }
        }
    }

    fn moved(&self, step: &[f64; PARAMETERS]) -> Self {
        let turn = DVec3::from_slice(&step[..3]);
        State {
            rotation: (DQuat::from_scaled_axis(turn) * self.rotation).normalize(),
            place: self.place + DVec3::from_slice(&step[3..6]),
            angles: std::array::from_fn(|k| self.angles[k] + step[6 + k]),
        }
    }

    /// JᵀJ and Jᵀ times what is left, without the angles that a limit holds.
    fn normal_equations(
        &self,
        bones: &Bones,
        targets: &[DVec3; JOINTS],
    ) -> (Vec<[f64; PARAMETERS]>, [f64; PARAMETERS]) {
        let frames = self.frames(bones);
        let mut matrix = vec![[0.0; PARAMETERS]; PARAMETERS];
        let mut slope = [0.0; PARAMETERS];
        for (fixed, target) in bones.fixed.iter().zip(targets) {
            let mut columns = [DVec3::ZERO; PARAMETERS];
            let mut left = *target;
            for &(joint, weight, at) in fixed {
                let point = frames[joint].origin + frames[joint].axes * at;
                left -= weight * point;
                for (k, axis) in DVec3::AXES.into_iter().enumerate() {
                    columns[k] += weight * axis.cross(point - self.place);
                    columns[3 + k] += weight * axis;
                }
                let mut above = joint;
                while above != 0 {
                    for (axis, freedom) in bones.freedoms[above].iter().enumerate() {
                        if let Some(k) = freedom {
                            let about = self.turned_about(bones, &frames[above], above, axis);
                            columns[6 + k] += weight * about.cross(point - frames[above].origin);
                        }
                    }
                    above = RIG_PARENTS[above];
                }
            }
            for i in 0..PARAMETERS {
                slope[i] += columns[i].dot(left);
                for j in 0..PARAMETERS {
                    matrix[i][j] += columns[i].dot(columns[j]);
                }
            }
        }
        for (k, freedom) in HAND_FREEDOMS.iter().enumerate() {
            let (low, high) = freedom.limits();
            let (angle, slope) = (self.angles[k], &mut slope[6 + k]);
            if angle <= low.into() && *slope < 0.0 || angle >= high.into() && *slope > 0.0 {
                *slope = 0.0;
                matrix.iter_mut().for_each(|row| row[6 + k] = 0.0);
                matrix[6 + k] = [0.0; PARAMETERS];
            }
        }
        (matrix, slope)
    }

    /// The axis in space that one of a joint's angles turns about: abduction's is outermost, twist's innermost.
    fn turned_about(&self, bones: &Bones, frame: &Frame, joint: usize, axis: usize) -> DVec3 {
        let abduction = bones.freedoms[joint][1].map_or(0.0, |k| self.angles[k]);
        match axis {
            0 => frame.unbent * (DMat3::from_rotation_z(abduction) * DVec3::X),
            1 => frame.unbent * DVec3::Z,
            _ => frame.axes * DVec3::Y,
        }
    }
}

/// Solves (A + damping · (its diagonal, and a little)) x = b by Cholesky's decomposition; `None` if that is not finite.
fn solve(a: &[[f64; PARAMETERS]], b: &[f64; PARAMETERS], damping: f64) -> Option<[f64; PARAMETERS]> {
    let mut lower = [[0.0; PARAMETERS]; PARAMETERS];
    for i in 0..PARAMETERS {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            if i == j {
                // Angles that nothing hangs on have no diagonal of their own.
                let pivot = a[i][i] * (1.0 + damping) + damping.max(1e-9) - known;
                lower[i][i] = pivot.max(1e-12).sqrt();
            } else {
                lower[i][j] = (a[i][j] - known) / lower[j][j];
            }
        }
    }
    let mut x = *b;
    for i in 0..PARAMETERS {
        let known: f64 = (0..i).map(|k| lower[i][k] * x[k]).sum();
        x[i] = (x[i] - known) / lower[i][i];
    }
    for i in (0..PARAMETERS).rev() {
        let known: f64 = (i + 1..PARAMETERS).map(|k| lower[k][i] * x[k]).sum();
        x[i] = (x[i] - known) / lower[i][i];
    }
    x.iter().all(|v| v.is_finite()).then_some(x)
}

#[cfg(test)]
#[path = "inverse_tests.rs"]
mod tests;
