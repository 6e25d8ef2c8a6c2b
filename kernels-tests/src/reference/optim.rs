//! Optimiser steps on lists of weights.

/// Gradient descent with momentum, its velocity without the learning rate, and an L2 penalty in the gradient.
pub struct Sgd {
    /// How much of the velocity is kept.
    pub momentum: f64,
    /// Whether to step from where the velocity leads.
    pub nesterov: bool,
    /// L2 penalty.
    pub weight_decay: f64,
    /// The velocity.
    pub velocity: Vec<f64>,
}

impl Sgd {
    /// One step.
    pub fn step(&mut self, weights: &mut [f64], gradient: &[f64], lr: f64) {
        for ((w, g), v) in weights.iter_mut().zip(gradient).zip(&mut self.velocity) {
            let g = g + self.weight_decay * *w;
            *v = self.momentum * *v + g;
            *w -= lr * if self.nesterov { g + self.momentum * *v } else { *v };
        }
    }
}

/// RMSprop (Tieleman and Hinton 2012, lecture 6.5) with an L2 penalty in the gradient.
pub struct RmsProp {
    /// How much of the mean square is kept.
    pub rho: f64,
    /// Added to the root.
    pub eps: f64,
    /// L2 penalty.
    pub weight_decay: f64,
    /// The running mean square.
    pub mean_square: Vec<f64>,
}

impl RmsProp {
    /// One step.
    pub fn step(&mut self, weights: &mut [f64], gradient: &[f64], lr: f64) {
        for ((w, g), v) in weights.iter_mut().zip(gradient).zip(&mut self.mean_square) {
            let g = g + self.weight_decay * *w;
            *v = self.rho * *v + (1.0 - self.rho) * g * g;
            *w -= lr * g / (v.sqrt() + self.eps);
        }
    }
}

/// Adam (Kingma and Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).
pub struct Adam {
    /// How much of the mean is kept.
    pub beta1: f64,
    /// How much of the mean square is kept.
    pub beta2: f64,
    /// Added to the root.
    pub eps: f64,
    /// Share of a weight, times the learning rate, taken off.
    pub weight_decay: f64,
    /// Steps done.
    pub steps: i32,
    /// The running mean.
    pub mean: Vec<f64>,
    /// The running mean square.
    pub mean_square: Vec<f64>,
}

impl Adam {
    /// One step.
    pub fn step(&mut self, weights: &mut [f64], gradient: &[f64], lr: f64) {
        self.steps += 1;
        for (i, (w, &g)) in weights.iter_mut().zip(gradient).enumerate() {
            self.mean[i] = self.beta1 * self.mean[i] + (1.0 - self.beta1) * g;
            self.mean_square[i] = self.beta2 * self.mean_square[i] + (1.0 - self.beta2) * g * g;
            let mean = self.mean[i] / (1.0 - self.beta1.powi(self.steps));
            let mean_square = self.mean_square[i] / (1.0 - self.beta2.powi(self.steps));
            *w -= lr * (mean / (mean_square.sqrt() + self.eps) + self.weight_decay * *w);
        }
    }
}

/// Scales gradients so that together they are no longer than `longest`; gives their length before.
pub fn clip(gradients: &mut [Vec<f64>], longest: f64) -> f64 {
    let length = gradients.iter().flatten().map(|g| g * g).sum::<f64>().sqrt();
    if length > longest {
        gradients.iter_mut().flatten().for_each(|g| *g *= longest / length);
    }
    length
}

/// A moving average that begins with the first value.
pub struct Average {
    /// How much of it is kept.
    pub keep: f64,
    /// The average, if it has begun.
    pub value: Option<Vec<f64>>,
}

impl Average {
    /// Takes in one value.
    pub fn follow(&mut self, value: &[f64]) {
        match &mut self.value {
            None => self.value = Some(value.to_vec()),
            Some(average) => {
                average.iter_mut().zip(value).for_each(|(a, v)| *a = self.keep * *a + (1.0 - self.keep) * v);
            }
        }
    }
}
