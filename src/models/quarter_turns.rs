//! A photo seen in all four quarter turns: a network that knows no up and down tells four times, independently in part, where the hand
//! is, and the mean of that errs less than each.

use super::graph_cnn::Network;
use crate::error::Result;
use crate::graph::Var;

const TURNS: usize = 4;

/// Which pixel of a photo of `size`² is at each place after `turns` quarters clockwise.
fn pixels(size: usize, turns: usize) -> Vec<u32> {
    let place = |(mut i, mut j): (usize, usize)| {
        for _ in 0..turns {
            (i, j) = (size - 1 - j, i);
        }
        (i * size + j) as u32
    };
    (0..size * size).map(|p| place((p / size, p % size))).collect()
}

/// Turns rows (u, v, d) back by `turns` quarters, multiplied from the right.
fn back(turns: usize) -> [f32; 9] {
    let (cos, sin) = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][turns % TURNS];
    [cos, -sin, 0.0, sin, cos, 0.0, 0.0, 0.0, 1.0]
}

impl Network<'_> {
    /// The mesh of photos N×S×S×3 (sRGB in [0, 1]) as inference tells it, N×V×3: [`Network::predict`]'s, or its mean over quarter turns
    /// where the configuration says so.
    #[track_caller]
    pub fn find_mesh<'r>(&self, photo: Var<'r>) -> Result<Var<'r>> {
        if !self.config.quarter_turns {
            return Ok(self.predict(photo)?.mesh_uvd);
        }
        let r = photo.recorder();
        let shape = photo.shape();
        let [n, size, _, channels] = shape.nhwc().expect("photos");
        let rows = photo.reshape([n, size * size, channels])?;
        let turned = |turns| rows.gather_rows(&pixels(size, turns))?.reshape(shape.clone());
        let turned = (0..TURNS).map(turned).collect::<Result<Vec<_>>>()?;
        let mesh = self.predict(r.concat(&turned, 0)?)?.mesh_uvd;
        let mut sum: Option<Var<'r>> = None;
        for turns in 0..TURNS {
            let found = mesh.slice(0, turns * n, n)?.matmul(r.constant([3, 3], &back(turns))?)?;
            sum = Some(sum.map_or(Ok(found), |sum| sum.add(found))?);
        }
        sum.expect("four turns").scale(1.0 / TURNS as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_turned_and_turned_back_is_where_it_was() {
        let size = 6;
        // The middle of a pixel in [−1, 1].
        let at = |k: usize| (k as f32 + 0.5) / (size as f32 / 2.0) - 1.0;
        for turns in 0..TURNS {
            for (place, &from) in pixels(size, turns).iter().enumerate() {
                let uvd = [at(place % size), at(place / size), 0.25];
                let m = back(turns);
                let found: [f32; 3] = std::array::from_fn(|j| (0..3).map(|i| uvd[i] * m[3 * i + j]).sum());
                let expected = [at(from as usize % size), at(from as usize / size), 0.25];
                assert!(
                    found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
                    "{turns}: {found:?} {expected:?}"
                );
            }
        }
        assert_eq!(pixels(2, 1), [2, 0, 3, 1], "clockwise: what was below left is above left");
    }
}
