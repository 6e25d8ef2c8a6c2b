//! How far a predicted hand is from the true one.
//!
//! - Mesh error and pose error (EPE): mean Euclidean distance of vertices, of joints, in millimetres, after both wrists are moved to
//!   the origin.
//! - PA-EPE: the same after the similarity (rotation, scale, translation) that brings the prediction closest to the truth in the
//!   sense of least squares (Horn, "Closed-form solution of absolute orientation using unit quaternions", 1987; the
//!   scale is that of Umeyama 1991, eq. 42).
//! - PCK: the fraction of joints within a distance; AUC: the mean of that curve over a range of distances.

use glam::{DMat3, DQuat, DVec3, Vec3};

use super::eigen::largest_eigenvector;
use crate::hand::joints::{JOINTS, MIDDLE_MCP, MIDDLE_PIP, WRIST};

/// Distances (mm) from each predicted point to its true one.
pub fn distances(predicted: &[Vec3], truth: &[Vec3]) -> Vec<f32> {
    predicted.iter().zip(truth).map(|(p, t)| p.distance(*t)).collect()
}

/// The mean; NaN of nothing.
pub fn mean(values: &[f32]) -> f32 {
    (values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64) as f32
}

/// The median, between the two middle values of an even number; NaN of nothing and if there is a NaN.
pub fn median(values: &[f32]) -> f32 {
    if values.is_empty() || values.iter().any(|v| v.is_nan()) {
        return f32::NAN;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { 0.5 * (sorted[middle - 1] + sorted[middle]) }
}

/// The points with `origin` at zero.
pub fn relative_to(points: &[Vec3], origin: Vec3) -> Vec<Vec3> {
    points.iter().map(|p| *p - origin).collect()
}

/// Joints relative to the wrist, scaled so that the middle finger's MCP–PIP bone is `scale_mm` long: the protocol for photos, whose
/// absolute scale cannot be seen. Joints whose bone has no length are not scaled.
pub fn scaled_to_bone(joints: &[Vec3; JOINTS], scale_mm: f32) -> [Vec3; JOINTS] {
    let bone = joints[MIDDLE_MCP].distance(joints[MIDDLE_PIP]);
    let factor = if bone > 0.0 { scale_mm / bone } else { 1.0 };
    joints.map(|j| (j - joints[WRIST]) * factor)
}

/// `x → scale · rotation · x + translation`.
#[derive(Clone, Copy, Debug)]
pub struct Similarity {
    /// Uniform scale, > 0 unless one of the point sets has no extent.
    pub scale: f64,
    /// Rotation.
    pub rotation: DQuat,
    /// Translation, mm.
    pub translation: DVec3,
}

impl Similarity {
    /// The similarity that brings `from` closest to `to` (least squares). Never a reflection. Where the points do not
    /// determine it (all in one place, say), one of those that are best.
    pub fn between(from: &[Vec3], to: &[Vec3]) -> Self {
        let n = from.len().min(to.len()).max(1) as f64;
        let centre = |points: &[Vec3]| points.iter().map(|p| p.as_dvec3()).sum::<DVec3>() / n;
        let (from_centre, to_centre) = (centre(from), centre(to));
        let mut correlation = DMat3::ZERO;
        let mut spread = 0.0;
        for (a, b) in from.iter().zip(to) {
            let (a, b) = (a.as_dvec3() - from_centre, b.as_dvec3() - to_centre);
            correlation += DMat3::from_cols(a * b.x, a * b.y, a * b.z); // [row i of a][column j of b]
            spread += a.length_squared();
        }
        let rotation = horn_rotation(&correlation);
        // Σ b · R a = Σ_ij R_ji S_ij.
        let turned = DMat3::from_quat(rotation).transpose();
        let agreement: f64 = (0..3).map(|j| turned.col(j).dot(correlation.col(j))).sum();
        let scale = if spread > 0.0 { agreement / spread } else { 1.0 };
        Similarity { scale, rotation, translation: to_centre - scale * (rotation * from_centre) }
    }

    /// The image of a point.
    pub fn apply(&self, point: Vec3) -> Vec3 {
        (self.scale * (self.rotation * point.as_dvec3()) + self.translation).as_vec3()
    }
}

/// The rotation that maximises `Σ b · R a` from `S = Σ a bᵀ`: the eigenvector of the largest eigenvalue of Horn's 4×4 matrix N.
fn horn_rotation(s: &DMat3) -> DQuat {
    let at = |i: usize, j: usize| s.col(j)[i];
    let (xx, yy, zz) = (at(0, 0), at(1, 1), at(2, 2));
    let (a, b, c) = (at(1, 2) - at(2, 1), at(2, 0) - at(0, 2), at(0, 1) - at(1, 0));
    let (d, e, f) = (at(0, 1) + at(1, 0), at(2, 0) + at(0, 2), at(1, 2) + at(2, 1));
    let n = [[xx + yy + zz, a, b, c], [a, xx - yy - zz, d, e], [b, d, yy - xx - zz, f], [c, e, f, zz - xx - yy]];
    let [w, x, y, z] = largest_eigenvector(n);
    DQuat::from_xyzw(x, y, z, w)
}

/// `from` moved onto `to` by [`Similarity::between`].
pub fn procrustes(from: &[Vec3], to: &[Vec3]) -> Vec<Vec3> {
    let best = Similarity::between(from, to);
    from.iter().map(|p| best.apply(*p)).collect()
}

/// The fraction of `errors` that are at most `threshold`.
pub fn pck(errors: &[f32], threshold: f32) -> f32 {
    errors.iter().filter(|e| **e <= threshold).count() as f32 / errors.len() as f32
}

/// The exact mean of the PCK curve over `low..high` mm: each error contributes the part of the range that lies above it.
pub fn auc(errors: &[f32], low: f32, high: f32) -> f32 {
    let parts: Vec<f32> = errors.iter().map(|e| ((high - e) / (high - low)).clamp(0.0, 1.0)).collect();
    mean(&parts)
}

/// Collects errors hand by hand.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// Joint errors, mm, all hands one after another.
    pub joint_errors: Vec<f32>,
    /// Joint errors after Procrustes alignment of each hand, mm.
    pub aligned_errors: Vec<f32>,
    /// Vertex errors, mm; empty where the true mesh is not known.
    pub vertex_errors: Vec<f32>,
    hands: usize,
}

/// What an [`Evaluation`] comes to; millimetres, and fractions for the areas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many hands.
    pub hands: usize,
    /// Mean vertex error, where meshes were given.
    pub mesh_error: Option<f32>,
    /// Mean joint error.
    pub epe: f32,
    /// Median joint error.
    pub epe_median: f32,
    /// Mean joint error after Procrustes alignment.
    pub pa_epe: f32,
    /// Area under the PCK curve over 0–50 mm.
    pub auc_0_50: f32,
    /// Area under the PCK curve over 20–50 mm.
    pub auc_20_50: f32,
}

impl Evaluation {
    /// Adds a hand. Joints (and vertices, in the same frame) are compared relative to their own wrists.
    pub fn add(&mut self, predicted: &[Vec3; JOINTS], truth: &[Vec3; JOINTS], meshes: Option<(&[Vec3], &[Vec3])>) {
        let (from, to) = (relative_to(predicted, predicted[WRIST]), relative_to(truth, truth[WRIST]));
        self.joint_errors.extend(distances(&from, &to));
        self.aligned_errors.extend(distances(&procrustes(&from, &to), &to));
        if let Some((mesh, true_mesh)) = meshes {
            let (from, to) = (relative_to(mesh, predicted[WRIST]), relative_to(true_mesh, truth[WRIST]));
            self.vertex_errors.extend(distances(&from, &to));
        }
        self.hands += 1;
    }

    /// The figures so far; NaN if there is no hand.
    pub fn summary(&self) -> Summary {
        Summary {
            hands: self.hands,
            mesh_error: (!self.vertex_errors.is_empty()).then(|| mean(&self.vertex_errors)),
            epe: mean(&self.joint_errors),
            epe_median: median(&self.joint_errors),
            pa_epe: mean(&self.aligned_errors),
            auc_0_50: auc(&self.joint_errors, 0.0, 50.0),
            auc_20_50: auc(&self.joint_errors, 20.0, 50.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn cloud(seed: u64) -> [Vec3; JOINTS] {
        let mut rng = Rng::new(seed, 0);
        std::array::from_fn(|_| Vec3::new(rng.range(-80.0, 80.0), rng.range(-90.0, 90.0), rng.range(-30.0, 30.0)))
    }

    #[test]
    fn means_medians_curves_and_areas_of_known_errors() {
        let errors = [10.0, 60.0, 30.0, 0.0];
        assert_eq!((mean(&errors), median(&errors), median(&errors[..3])), (25.0, 20.0, 30.0));
        assert_eq!((pck(&errors, 9.9), pck(&errors, 10.0), pck(&errors, 100.0)), (0.25, 0.5, 1.0));
        // Above 10: 40 of 50 mm; above 30: 20 of 50; above 0: all; above 60: none.
        assert!((auc(&errors, 0.0, 50.0) - (0.8 + 0.0 + 0.4 + 1.0) / 4.0).abs() < 1e-6);
        assert!((auc(&errors, 20.0, 50.0) - (1.0 + 0.0 + 2.0 / 3.0 + 1.0) / 4.0).abs() < 1e-6);
        let steps = 5000;
        let curve: f32 = (0..steps).map(|i| pck(&errors, (i as f32 + 0.5) * 50.0 / steps as f32)).sum::<f32>();
        assert!((auc(&errors, 0.0, 50.0) - curve / steps as f32).abs() < 1e-3, "the area is that of the curve");
        assert!(mean(&[]).is_nan() && median(&[]).is_nan() && median(&[1.0, f32::NAN]).is_nan());
    }

    #[test]
    fn procrustes_undoes_a_similarity_and_nothing_else() {
        let truth = cloud(1);
        let turn = glam::Quat::from_euler(glam::EulerRot::XYZ, 2.0, -0.7, 3.0);
        let moved = truth.map(|p| turn * p * 0.4 + Vec3::new(5.0, -300.0, 77.0));
        let back = procrustes(&moved, &truth);
        assert!(distances(&back, &truth).iter().all(|d| *d < 1e-3), "{:?}", distances(&back, &truth));
        let best = Similarity::between(&moved, &truth);
        assert!((best.scale - 2.5).abs() < 1e-5, "{}", best.scale);

        // A reflection is not undone.
        let mirrored = truth.map(|p| Vec3::new(-p.x, p.y, p.z));
        assert!(mean(&distances(&procrustes(&mirrored, &truth), &truth)) > 10.0);
    }

    #[test]
    fn procrustes_is_the_least_squares_optimum() {
        let (from, to) = (cloud(2), cloud(3));
        let cost = |s: &Similarity| -> f64 {
            from.iter().zip(&to).map(|(a, b)| f64::from(s.apply(*a).distance_squared(*b))).sum()
        };
        let best = Similarity::between(&from, &to);
        let mut rng = Rng::new(4, 0);
        for _ in 0..200 {
            let mut wiggle = || f64::from(rng.range(-0.05, 0.05));
            let turn = DQuat::from_euler(glam::EulerRot::XYZ, wiggle(), wiggle(), wiggle());
            let shift = DVec3::new(wiggle(), wiggle(), wiggle()) * 20.0;
            let scale = best.scale * (1.0 + wiggle());
            let other = Similarity { scale, rotation: turn * best.rotation, translation: best.translation + shift };
            assert!(cost(&other) >= cost(&best) * (1.0 - 1e-6));
        }
    }

    #[test]
    fn degenerate_points_stay_finite() {
        let one_place = [Vec3::splat(3.0); JOINTS];
        let line: [Vec3; JOINTS] = std::array::from_fn(|i| Vec3::X * i as f32);
        for (from, to) in [(one_place, cloud(5)), (cloud(5), one_place), (line, cloud(6)), (line, line)] {
            assert!(procrustes(&from, &to).iter().all(|p| p.is_finite()));
        }
        assert!(procrustes(&line, &line.map(|p| p.zxy())).iter().zip(line).all(|(p, l)| p.distance(l.zxy()) < 1e-4));
        assert!(procrustes(&[], &[]).is_empty());
    }

    #[test]
    fn evaluations_are_wrist_relative() {
        let truth = cloud(7);
        let shifted = truth.map(|p| p + Vec3::new(100.0, 0.0, 0.0));
        let mut evaluation = Evaluation::default();
        evaluation.add(&shifted, &truth, Some((&shifted, &truth)));
        let zero = evaluation.summary();
        assert!(zero.epe < 1e-4 && zero.pa_epe < 1e-3 && zero.mesh_error.unwrap() < 1e-4, "{zero:?}");
        assert!(zero.auc_0_50 > 0.9999 && zero.hands == 1);
        // All but the wrist 30 mm off.
        let mut off = truth.map(|p| p + Vec3::new(0.0, 30.0, 0.0));
        off[WRIST] = truth[WRIST];
        let mut evaluation = Evaluation::default();
        evaluation.add(&off, &truth, None);
        let figures = evaluation.summary();
        assert!((figures.epe - 30.0 * 20.0 / 21.0).abs() < 1e-4 && (figures.epe_median - 30.0).abs() < 1e-4);
        assert!(figures.pa_epe < 10.0 && figures.mesh_error.is_none());
    }

    #[test]
    fn scaling_makes_the_bone_as_long_as_asked() {
        let joints = scaled_to_bone(&cloud(8), 31.0);
        assert!((joints[MIDDLE_MCP].distance(joints[MIDDLE_PIP]) - 31.0).abs() < 1e-4);
        assert_eq!(joints[WRIST], Vec3::ZERO);
        assert!(scaled_to_bone(&[Vec3::ONE; JOINTS], 31.0).iter().all(|j| *j == Vec3::ZERO));
    }

    use glam::Vec3Swizzles;
}
