//! Eigenvectors of small symmetric matrices by Jacobi's rotations.

/// A unit eigenvector of the largest eigenvalue of a symmetric 4×4 matrix (Golub and Van Loan, Matrix Computations, §8.5: cyclic
/// Jacobi). Of a matrix that is not finite, the first axis.
pub fn largest_eigenvector(mut a: [[f64; 4]; 4]) -> [f64; 4] {
    let mut vectors: [[f64; 4]; 4] = std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
    let size: f64 = a.iter().flatten().map(|x| x * x).sum();
    if !size.is_finite() {
        return vectors[0];
    }
    // Converges quadratically; a handful of sweeps reaches the last bit.
    for _ in 0..30 {
        let off: f64 = (0..4).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j] * a[i][j]).sum();
        if off <= size * 1e-32 {
            break;
        }
        for p in 0..3 {
            for q in p + 1..4 {
                if a[p][q] != 0.0 {
                    rotate(&mut a, &mut vectors, p, q);
                }
            }
        }
    }
    let largest = (1..4).fold(0, |best, i| if a[i][i] > a[best][best] { i } else { best });
    vectors.map(|row| row[largest])
}

/// The rotation in the plane of axes `p` and `q` that makes `a[p][q]` zero.
fn rotate(a: &mut [[f64; 4]; 4], vectors: &mut [[f64; 4]; 4], p: usize, q: usize) {
    let tau = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let t = tau.signum() / (tau.abs() + tau.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    let turn = |x: &mut f64, y: &mut f64| (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    for row in a.iter_mut().chain(vectors) {
        let (left, right) = row.split_at_mut(q);
        turn(&mut left[p], &mut right[0]);
    }
    let (above, below) = a.split_at_mut(q);
    for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
        turn(x, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn satisfies_the_eigenvalue_equation_and_beats_every_direction() {
        let mut rng = Rng::new(3, 1);
        for _ in 0..50 {
            let half: [[f64; 4]; 4] = std::array::from_fn(|_| std::array::from_fn(|_| f64::from(rng.range(-5.0, 5.0))));
            let a: [[f64; 4]; 4] = std::array::from_fn(|i| std::array::from_fn(|j| half[i][j] + half[j][i]));
            let times = |v: [f64; 4]| a.map(|row| row.iter().zip(v).map(|(x, y)| x * y).sum::<f64>());
            let dot = |v: [f64; 4], w: [f64; 4]| v.iter().zip(w).map(|(x, y)| x * y).sum::<f64>();
            let v = largest_eigenvector(a);
            let value = dot(v, times(v));
            assert!((dot(v, v) - 1.0).abs() < 1e-12);
            assert!(times(v).iter().zip(v).all(|(av, v)| (av - value * v).abs() < 1e-9));
            for _ in 0..20 {
                let w: [f64; 4] = std::array::from_fn(|_| f64::from(rng.range(-1.0, 1.0)));
                assert!(dot(w, times(w)) <= value * dot(w, w) + 1e-9);
            }
        }
        assert_eq!(largest_eigenvector([[0.0; 4]; 4]), [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(largest_eigenvector([[f64::NAN; 4]; 4]), [1.0, 0.0, 0.0, 0.0]);
    }
}
