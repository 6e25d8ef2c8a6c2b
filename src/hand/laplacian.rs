//! The rescaled graph Laplacian of Chebyshev convolution.
//!
//! Defferrard et al. 2016, §2.1: `L = I − D^-½ W D^-½` and `L~ = 2L/λmax − I`, whose eigenvalues lie in [−1, 1] where the
//! Chebyshev polynomials are bounded. A node without edges has `L = 0`, hence −1 on the diagonal of `L~`, and stays alone.

use super::HandError;
use crate::sparse::Csr;

/// `L = I − D^-½ W D^-½` of a graph of symmetric weights `W ≥ 0`; rows of nodes without edges are empty.
pub fn normalized(graph: &Csr) -> Result<Csr, HandError> {
    check(graph)?;
    let degree: Vec<f64> = (0..graph.rows).map(|i| graph.row(i).map(|(_, w)| w as f64).sum()).collect();
    let mut triplets = Vec::with_capacity(graph.entries() + graph.rows);
    for i in (0..graph.rows).filter(|&i| degree[i] > 0.0) {
        triplets.push((i, i, 1.0));
        triplets.extend(graph.row(i).map(|(j, w)| (i, j, (-(w as f64) / (degree[i] * degree[j]).sqrt()) as f32)));
    }
    let laplacian = Csr::from_triplets(graph.rows, graph.cols, &triplets);
    Ok(laplacian.expect("entries come from within the graph"))
}

/// The largest eigenvalue of a symmetric, positive semi-definite matrix by power iteration, to about 1e-6 of itself (from below).
/// 0 for a matrix without entries.
pub fn largest_eigenvalue(matrix: &Csr) -> f64 {
    let n = matrix.rows;
    // Any vector not orthogonal to the wanted one will do; a fixed irregular one keeps the result reproducible.
    let mut x: Vec<f64> = (0..n).map(|i| 1.0 + (i as f64 * 0.754_877_666).fract()).collect();
    let mut eigenvalue = 0.0;
    let mut calm = 0;
    for _ in 0..20_000 {
        let norm = x.iter().map(|v| v * v).sum::<f64>().sqrt();
        if norm == 0.0 {
            return 0.0;
        }
        x.iter_mut().for_each(|v| *v /= norm);
        let y: Vec<f64> = (0..n).map(|i| matrix.row(i).map(|(j, v)| v as f64 * x[j]).sum()).collect();
        let rayleigh: f64 = x.iter().zip(&y).map(|(a, b)| a * b).sum();
        // Close eigenvalues make single steps tiny long before the end: ask for many quiet ones.
        calm = if (rayleigh - eigenvalue).abs() <= 1e-10 * rayleigh { calm + 1 } else { 0 };
        eigenvalue = rayleigh;
        if calm == 20 {
            break;
        }
        x = y;
    }
    eigenvalue
}

/// `L~ = 2L/λmax − I` and λmax. Every diagonal entry is stored.
pub fn rescaled(graph: &Csr) -> Result<(Csr, f64), HandError> {
    let laplacian = normalized(graph)?;
    let largest = largest_eigenvalue(&laplacian);
    let factor = if largest > 0.0 { 2.0 / largest } else { 0.0 };
    let mut triplets = Vec::with_capacity(laplacian.entries() + graph.rows);
    for i in 0..graph.rows {
        triplets.extend(laplacian.row(i).map(|(j, v)| (i, j, (v as f64 * factor) as f32)));
        triplets.push((i, i, -1.0));
    }
    let rescaled = Csr::from_triplets(graph.rows, graph.cols, &triplets);
    Ok((rescaled.expect("entries come from within the graph"), largest))
}

fn check(graph: &Csr) -> Result<(), HandError> {
    let problem = if graph.rows != graph.cols {
        format!("{} × {}", graph.rows, graph.cols)
    } else if let Some(bad) = graph.val.iter().find(|w| !w.is_finite() || **w < 0.0) {
        format!("a weight of {bad}")
    } else if graph.transpose() != *graph {
        "an edge that differs in its two directions".to_owned()
    } else {
        return Ok(());
    };
    Err(HandError::NotAGraph { got: problem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::{RiggedHand, Topology};

    fn path(weights: &[f32]) -> Csr {
        let n = weights.len() + 1;
        let both = |(i, &w): (usize, &f32)| [(i, i + 1, w), (i + 1, i, w)];
        let triplets: Vec<_> = weights.iter().enumerate().flat_map(both).collect();
        Csr::from_triplets(n, n, &triplets).unwrap()
    }

    #[test]
    fn path_of_three() {
        let laplacian = normalized(&path(&[1.0, 1.0])).unwrap();
        let r = -(0.5f32.sqrt());
        assert_eq!(laplacian.val, [1.0, r, r, 1.0, r, r, 1.0]);
        // A bipartite graph has λmax = 2.
        let (rescaled, largest) = rescaled(&path(&[1.0, 1.0])).unwrap();
        assert!((largest - 2.0).abs() < 1e-6);
        assert_eq!(rescaled.entries(), 7);
        assert!(rescaled.row(0).all(|(j, v)| (v - if j == 0 { 0.0 } else { r }).abs() < 1e-6));
    }

    #[test]
    fn known_spectra() {
        // The complete graph on n nodes has eigenvalues 0 and n/(n−1); a cycle of n, 1 − cos(2πk/n).
        let complete: Vec<_> = (0..5).flat_map(|i| (0..5).filter(move |&j| j != i).map(move |j| (i, j, 2.0))).collect();
        let complete = Csr::from_triplets(5, 5, &complete).unwrap();
        assert!((largest_eigenvalue(&normalized(&complete).unwrap()) - 1.25).abs() < 1e-6);
        let cycle: Vec<_> = (0..7).flat_map(|i| [(i, (i + 1) % 7, 1.0), ((i + 1) % 7, i, 1.0)]).collect();
        let cycle = Csr::from_triplets(7, 7, &cycle).unwrap();
        let exact = 1.0 - (6.0 * std::f64::consts::PI / 7.0).cos();
        assert!((largest_eigenvalue(&normalized(&cycle).unwrap()) - exact).abs() < 1e-6);
    }

    #[test]
    fn lonely_nodes_get_minus_one() {
        let lonely = Csr::from_triplets(3, 3, &[(0, 2, 1.0), (2, 0, 1.0)]).unwrap();
        let (rescaled, _) = rescaled(&lonely).unwrap();
        assert_eq!(rescaled.row(1).collect::<Vec<_>>(), [(1, -1.0)]);
        let (none, largest) = super::rescaled(&Csr::from_triplets(2, 2, &[]).unwrap()).unwrap();
        assert_eq!((none.val.as_slice(), largest), (&[-1.0, -1.0][..], 0.0));
    }

    #[test]
    fn spectrum_of_the_hand_fits_the_unit_interval() {
        let hand = RiggedHand::right();
        let graph = Topology::new(hand.rest_vertices().len(), hand.faces()).unwrap().graph();
        let (rescaled, largest) = rescaled(&graph).unwrap();
        assert!((1.0..2.0).contains(&largest), "{largest}");
        // ‖L~ⁿ x‖ may not grow.
        let mut x: Vec<f32> = (0..1159).map(|i| (i as f32 * 1.7).sin()).collect();
        let norm = |x: &[f32]| x.iter().map(|v| v * v).sum::<f32>().sqrt();
        let before = norm(&x);
        for _ in 0..200 {
            x = rescaled.matvec(&x);
        }
        assert!(norm(&x) <= before * 1.001);
        assert_eq!(rescaled.transpose(), rescaled);
    }

    #[test]
    fn what_is_no_graph_is_refused() {
        let got =
            |rows, cols, t: &[_]| normalized(&Csr::from_triplets(rows, cols, t).unwrap()).unwrap_err().to_string();
        assert!(got(2, 3, &[]).ends_with("got 2 × 3"));
        assert!(got(2, 2, &[(0, 1, -1.0), (1, 0, -1.0)]).ends_with("got a weight of -1"));
        assert!(got(2, 2, &[(0, 1, 1.0)]).contains("two directions"));
    }
}
