//! The constant graphs of the hand's mesh: the coarsened levels that graph convolutions run on, and the matrices of the
//! mesh losses.

use std::sync::Arc;

use glam::Vec3;

use crate::error::{Error, Result};
use crate::hand::joints::JOINTS;
use crate::hand::{Coarsening, RiggedHand, Topology};
use crate::nn::losses::MeshOperators;
use crate::ops::SpmmMatrix;
use crate::sparse::Csr;

/// The hand's mesh as graph convolutions and losses see it.
#[derive(Debug, Clone)]
pub struct MeshGraph {
    /// How many vertices the mesh has.
    pub vertices: usize,
    /// The mesh's faces.
    pub faces: Vec<[u32; 3]>,
    /// The mesh's edges.
    pub edges: Vec<[u32; 2]>,
    /// The face on either side of each edge.
    pub edge_faces: Vec<[u32; 2]>,
    /// Rescaled Laplacians: coarsest, ×4 finer, ×16 finer.
    pub levels: [Arc<SpmmMatrix>; 3],
    /// Nodes on each of these levels.
    pub nodes: [usize; 3],
    /// The finest node of each vertex.
    pub node_of_vertex: Vec<u32>,
    /// Puts each vertex at its node; fake nodes get 0.
    pub node_from_vertex: Arc<SpmmMatrix>,
    /// Each vertex as a combination of the 21 joints: [`RiggedHand::vertices_from_joints`].
    pub vertex_from_joint: Arc<SpmmMatrix>,
    /// The matrices of the mesh losses.
    pub operators: MeshOperators,
    topology: Topology,
}

impl MeshGraph {
    /// The graphs of a hand's mesh, which must be closed.
    pub fn new(hand: &RiggedHand) -> Result<Self> {
        let fail = |e: crate::hand::HandError| Error::Hand(e.to_string());
        let vertices = hand.rest_vertices().len();
        let topology = Topology::new(vertices, hand.faces()).map_err(fail)?;
        if !topology.is_closed() {
            return Err(Error::Hand("expected a closed mesh, got one with a border".into()));
        }
        let coarsening = Coarsening::new(&topology.graph(), 4).map_err(fail)?;
        let level = |i: usize| SpmmMatrix::new(coarsening.levels[i].laplacian.clone());
        let edges = topology.edges().to_vec();
        let mut edge_faces = vec![[u32::MAX; 2]; edges.len()];
        let index: std::collections::HashMap<[u32; 2], usize> =
            edges.iter().enumerate().map(|(i, &[a, b])| ([a.min(b), a.max(b)], i)).collect();
        for (f, &[a, b, c]) in hand.faces().iter().enumerate() {
            for [p, q] in [[a, b], [b, c], [c, a]] {
                let sides = &mut edge_faces[index[&[p.min(q), p.max(q)]]];
                sides[usize::from(sides[0] != u32::MAX)] = f as u32;
            }
        }
        let ends = edges.iter().enumerate();
        let ends: Vec<_> = ends.flat_map(|(e, &[a, b])| [(e, a as usize, -1.0), (e, b as usize, 1.0)]).collect();
        let mut smooth: Vec<(usize, usize, f32)> = Vec::new();
        for v in 0..vertices {
            let row = topology.neighbours().row(v);
            smooth.push((v, v, 1.0));
            smooth.extend(row.iter().map(|&n| (v, n as usize, -1.0 / row.len() as f32)));
        }
        let place = coarsening.node_of_vertex.iter().enumerate();
        let place: Vec<_> = place.map(|(v, &node)| (node as usize, v, 1.0)).collect();
        let matrix = |rows, columns, triplets: &[_]| -> Result<Arc<SpmmMatrix>> {
            let csr = Csr::from_triplets(rows, columns, triplets).map_err(|e| Error::Hand(e.to_string()))?;
            SpmmMatrix::new(csr)
        };
        let edge_matrix = matrix(edges.len(), vertices, &ends)?;
        let operators = MeshOperators { edges: edge_matrix, laplacian: matrix(vertices, vertices, &smooth)? };
        Ok(MeshGraph {
            vertices,
            faces: hand.faces().to_vec(),
            edges,
            edge_faces,
            levels: [level(4)?, level(2)?, level(0)?],
            nodes: [4, 2, 0].map(|i| coarsening.levels[i].nodes),
            node_from_vertex: matrix(coarsening.levels[0].nodes, vertices, &place)?,
            vertex_from_joint: matrix(vertices, JOINTS, &hand.vertices_from_joints())?,
            node_of_vertex: coarsening.node_of_vertex,
            operators,
            topology,
        })
    }

    /// The unit normal of each face for given vertex positions.
    pub fn face_normals(&self, positions: &[Vec3]) -> Vec<Vec3> {
        self.topology.face_normals(positions)
    }
}
