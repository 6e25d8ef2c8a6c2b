//! Coordinates of poses in which steps towards a picture are short.

use crate::error::{Error, Result};
use crate::nn::hand::{HandModel, PoseHabit};

/// Poses by what hands mostly do: a pose is a point in coordinates, one a habit, in standard deviations from its mean. They descend
/// there, for what is tied together by habit (the last two joints of a finger) then takes one step and not two against each other.
#[derive(Debug, Clone)]
pub(super) struct PoseSpace {
    habits: Vec<PoseHabit>,
    /// From coordinates to pose, a row a coordinate.
    pub axes: Vec<f32>,
    /// The pose of coordinates 0.
    pub middle: Vec<f32>,
}

impl PoseSpace {
    /// Fails unless a model has as many habits as pose parameters, and each tells something new.
    pub fn of(model: &dyn HandModel) -> Result<Self> {
        let (habits, n) = (model.pose_habits(), model.pose_size());
        let wrong =
            || Error::invalid("fit: the model's pose habits", format!("{n} that are independent"), habits.len());
        if habits.len() != n {
            return Err(wrong());
        }
        // Gauss and Jordan's elimination of (H | I), H's rows being the habits.
        let width = 2 * n;
        let mut rows = vec![0.0f64; n * width];
        for (k, habit) in habits.iter().enumerate() {
            for &(parameter, factor) in &habit.terms {
                *rows.get_mut(k * width + parameter).filter(|_| parameter < n).ok_or_else(wrong)? += f64::from(factor);
            }
            rows[k * width + n + k] = 1.0;
        }
        for k in 0..n {
            let size = |row: usize| rows[row * width + k].abs();
            let best = (k..n).max_by(|&a, &b| size(a).total_cmp(&size(b))).unwrap_or(k);
            if size(best).is_nan() || size(best) < 1e-6 {
                return Err(wrong());
            }
            (0..width).for_each(|column| rows.swap(k * width + column, best * width + column));
            let pivot = rows[k * width + k];
            rows[k * width..(k + 1) * width].iter_mut().for_each(|v| *v /= pivot);
            for row in (0..n).filter(|row| *row != k) {
                let factor = rows[row * width + k];
                (0..width).for_each(|column| rows[row * width + column] -= factor * rows[k * width + column]);
            }
        }
        let inverse = |parameter: usize, habit: usize| rows[parameter * width + n + habit];
        let along = |i: usize| (inverse(i % n, i / n) * f64::from(habits[i / n].spread)) as f32;
        let axes = (0..n * n).map(along).collect();
        let middle = |p: usize| (0..n).map(|k| inverse(p, k) * f64::from(habits[k].mean)).sum::<f64>() as f32;
        let middle = (0..n).map(middle).collect();
        Ok(PoseSpace { axes, middle, habits })
    }

    /// Where a pose is in these coordinates.
    pub fn coordinates<'p>(&'p self, pose: &'p [f32]) -> impl Iterator<Item = f32> + 'p {
        let sum = |habit: &PoseHabit| habit.terms.iter().map(|&(k, factor)| factor * pose[k]).sum::<f32>();
        self.habits.iter().map(move |habit| (sum(habit) - habit.mean) / habit.spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::Side;
    use crate::nn::hand::{HandRig, HandVars, PosedVars};
    use crate::rng::Rng;

    #[test]
    fn poses_come_back_from_their_coordinates() {
        let rig = HandRig::shipped(Side::Right).unwrap();
        let (space, n) = (PoseSpace::of(&rig).unwrap(), rig.pose_size());
        let mut rng = Rng::new(4, 0);
        let pose: Vec<f32> = rig.pose_limits().iter().map(|&(low, high)| rng.range(low, high)).collect();
        let coordinates: Vec<f32> = space.coordinates(&pose).collect();
        for (p, want) in pose.iter().enumerate() {
            let got = space.middle[p] + (0..n).map(|k| coordinates[k] * space.axes[k * n + p]).sum::<f32>();
            assert!((got - want).abs() < 1e-5, "{p}: {got} against {want}");
        }
    }

    /// The rig with other habits.
    #[derive(Debug)]
    struct Other(HandRig, Vec<PoseHabit>);

    impl HandModel for Other {
        fn pose_size(&self) -> usize {
            self.0.pose_size()
        }
        fn shape_size(&self) -> usize {
            self.0.shape_size()
        }
        fn vertices(&self) -> usize {
            self.0.vertices()
        }
        fn faces(&self) -> &[[u32; 3]] {
            self.0.faces()
        }
        fn pose_limits(&self) -> Vec<(f32, f32)> {
            self.0.pose_limits()
        }
        fn pose_habits(&self) -> Vec<PoseHabit> {
            self.1.clone()
        }
        fn shape_prior(&self) -> Vec<(f32, f32)> {
            self.0.shape_prior()
        }
        fn record<'r>(&self, hand: &HandVars<'r>) -> Result<PosedVars<'r>> {
            self.0.record(hand)
        }
    }

    #[test]
    fn habits_that_are_no_coordinates_are_refused() {
        let rig = HandRig::shipped(Side::Right).unwrap();
        let habits = rig.pose_habits();
        let mut twice = habits.clone();
        twice[3] = twice[2].clone();
        let mut beyond = habits.clone();
        beyond[0].terms = vec![(99, 1.0)];
        for wrong in [habits[1..].to_vec(), twice, beyond] {
            let error = PoseSpace::of(&Other(rig.clone(), wrong)).unwrap_err();
            assert!(error.to_string().contains("independent"), "{error}");
        }
    }
}
