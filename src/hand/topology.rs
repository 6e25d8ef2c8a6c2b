//! What a triangle mesh is apart from where its vertices are: edges, neighbours, the faces around a vertex.

use glam::Vec3;

use super::HandError;
use crate::sparse::Csr;

/// Rows of indices of differing length: row `i` is `index[start[i]..start[i + 1]]`. Ready to upload as two buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjacency {
    /// Where each row starts, then the number of entries.
    pub start: Vec<u32>,
    /// The entries, row after row, increasing within a row.
    pub index: Vec<u32>,
}

impl Adjacency {
    /// The entries of row `i`.
    pub fn row(&self, i: usize) -> &[u32] {
        &self.index[self.start[i] as usize..self.start[i + 1] as usize]
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.start.len() - 1
    }

    fn from_sorted_pairs(rows: usize, pairs: &[(u32, u32)]) -> Self {
        let mut start = vec![0; rows + 1];
        for &(row, _) in pairs {
            start[row as usize + 1] += 1;
        }
        for row in 0..rows {
            start[row + 1] += start[row];
        }
        let index = pairs.iter().map(|p| p.1).collect();
        Self { start, index }
    }
}

/// Connectivity of a triangle mesh.
#[derive(Clone, Debug)]
pub struct Topology {
    vertices: usize,
    faces: Vec<[u32; 3]>,
    edges: Vec<[u32; 2]>,
    neighbours: Adjacency,
    corners: Adjacency,
    faces_per_edge: Vec<u32>,
}

impl Topology {
    /// The connectivity of `faces` over `vertices` vertices. Fails on an index out of range and on a face with a vertex twice.
    pub fn new(vertices: usize, faces: &[[u32; 3]]) -> Result<Self, HandError> {
        for (face, &[a, b, c]) in faces.iter().enumerate() {
            if let Some(got) = [a, b, c].into_iter().find(|&v| v as usize >= vertices) {
                return Err(HandError::FaceIndex { face, got, vertices });
            }
            if a == b || a == c || b == c {
                let vertex = if a == b { a } else { c };
                return Err(HandError::FaceRepeats { face, vertex });
            }
        }
        let mut sides: Vec<[u32; 2]> = faces.iter().flat_map(|&[a, b, c]| [[a, b], [b, c], [c, a]]).collect();
        sides.iter_mut().for_each(|side| side.sort_unstable());
        sides.sort_unstable();
        let runs: Vec<&[[u32; 2]]> = sides.chunk_by(|a, b| a == b).collect();
        let edges: Vec<[u32; 2]> = runs.iter().map(|run| run[0]).collect();
        let faces_per_edge = runs.iter().map(|run| run.len() as u32).collect();

        let mut pairs: Vec<(u32, u32)> = edges.iter().flat_map(|&[a, b]| [(a, b), (b, a)]).collect();
        pairs.sort_unstable();
        let neighbours = Adjacency::from_sorted_pairs(vertices, &pairs);
        let at = |(face, corners): (usize, &[u32; 3])| {
            (0..3).map(|k| (corners[k], (3 * face + k) as u32)).collect::<Vec<_>>()
        };
        let mut incident: Vec<(u32, u32)> = faces.iter().enumerate().flat_map(at).collect();
        incident.sort_unstable();
        let corners = Adjacency::from_sorted_pairs(vertices, &incident);
        Ok(Self { vertices, faces: faces.to_vec(), edges, neighbours, corners, faces_per_edge })
    }

    /// Number of vertices.
    pub fn vertices(&self) -> usize {
        self.vertices
    }

    /// The triangles.
    pub fn faces(&self) -> &[[u32; 3]] {
        &self.faces
    }

    /// Every edge once, lower vertex first, sorted.
    pub fn edges(&self) -> &[[u32; 2]] {
        &self.edges
    }

    /// The vertices each vertex shares an edge with.
    pub fn neighbours(&self) -> &Adjacency {
        &self.neighbours
    }

    /// The corners at each vertex, as `3 · face + corner`.
    pub fn corners(&self) -> &Adjacency {
        &self.corners
    }

    /// True if every edge belongs to exactly two faces.
    pub fn is_closed(&self) -> bool {
        self.faces_per_edge.iter().all(|&n| n == 2)
    }

    /// The graph of the mesh: weight 1 between neighbours, `vertices` × `vertices`.
    pub fn graph(&self) -> Csr {
        let Adjacency { start, index } = self.neighbours.clone();
        let val = vec![1.0; index.len()];
        Csr { rows: self.vertices, cols: self.vertices, row_ptr: start, col: index, val }
    }

    /// Unit normal of each face, `(b − a) × (c − a)` normalised; zero for a face without area.
    ///
    /// # Panics
    /// If there are fewer positions than vertices.
    pub fn face_normals(&self, positions: &[Vec3]) -> Vec<Vec3> {
        let normal = |face: &[u32; 3]| {
            let [a, b, c] = face.map(|v| positions[v as usize]);
            (b - a).cross(c - a).normalize_or_zero()
        };
        self.faces.iter().map(normal).collect()
    }

    /// Unit normal of each vertex: the sum of the normals around it, weighted by the faces' areas.
    ///
    /// # Panics
    /// If there are fewer positions than vertices.
    pub fn vertex_normals(&self, positions: &[Vec3]) -> Vec<Vec3> {
        let mut normals = vec![Vec3::ZERO; self.vertices];
        for face in &self.faces {
            let [a, b, c] = face.map(|v| positions[v as usize]);
            let twice_area = (b - a).cross(c - a);
            face.iter().for_each(|&v| normals[v as usize] += twice_area);
        }
        normals.into_iter().map(Vec3::normalize_or_zero).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::RiggedHand;

    #[test]
    fn tetrahedron() {
        let topology = Topology::new(5, &[[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]).unwrap();
        assert_eq!(topology.edges(), [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!(topology.neighbours().row(1), [0, 2, 3]);
        assert!(topology.neighbours().row(4).is_empty());
        assert_eq!(topology.corners().row(3), [5, 8, 11]);
        assert_eq!((topology.neighbours().rows(), topology.corners().rows()), (5, 5));
        assert!(topology.is_closed());
        assert!(!Topology::new(3, &[[0, 1, 2]]).unwrap().is_closed());
        let corners = [Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z, Vec3::ZERO];
        let normals = topology.face_normals(&corners);
        assert_eq!(normals[0], -Vec3::Z);
        assert!(normals[2].distance(Vec3::ONE.normalize()) < 1e-6);
        assert_eq!(topology.vertex_normals(&corners)[4], Vec3::ZERO);
        assert!(topology.vertex_normals(&corners)[3].z > 0.0);
        assert_eq!(topology.graph().matvec(&[1.0; 5]), [3.0, 3.0, 3.0, 3.0, 0.0]);
    }

    #[test]
    fn bad_faces_are_named() {
        let error = Topology::new(3, &[[0, 1, 2], [1, 2, 3]]).unwrap_err();
        assert_eq!(error.to_string(), "mesh: face 1 has vertex 3, the mesh has 3");
        for face in [[1, 1, 0], [0, 1, 1], [1, 0, 1]] {
            let error = Topology::new(3, &[face]).unwrap_err();
            assert!(matches!(error, HandError::FaceRepeats { face: 0, vertex: 1 }), "{error}");
        }
    }

    #[test]
    fn shipped_hand_is_closed_and_in_one_piece() {
        let hand = RiggedHand::right();
        let topology = Topology::new(hand.rest_vertices().len(), hand.faces()).unwrap();
        assert_eq!((topology.edges().len(), topology.is_closed()), (3471, true));
        let valence = (0..1159).map(|v| topology.neighbours().row(v).len()).max();
        assert_eq!(valence, Some(9));
        let (mut seen, mut open) = (vec![false; 1159], vec![0u32]);
        while let Some(v) = open.pop() {
            if !std::mem::replace(&mut seen[v as usize], true) {
                open.extend(topology.neighbours().row(v as usize));
            }
        }
        assert!(seen.into_iter().all(|s| s));
    }
}
