//! Triangle meshes of constant connectivity: normals, areas, edges and Laplacians of vertices that move.

use std::collections::HashMap;
use std::sync::Arc;

use super::spmm::SpmmMatrix;
use super::vectors::{batch, rows, starts, words};
use super::{Cost, Operator, VjpCall, operands};
use crate::error::{Error, Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;
use crate::sparse::Csr;

const UNIT: Shader = shader!("mesh/unit_vectors.wgsl", with "common/index.wgsl", with "mesh/unit_vector.wgsl");
const FACE_NORMALS: Shader = shader!("mesh/face_normals.wgsl", with "common/index.wgsl");
const CORNER_SUM: Shader = shader!("mesh/corner_sum.wgsl", with "common/index.wgsl");

/// Vectors no longer than this have no direction.
const SMALLEST: f32 = 1e-12;

/// The most vertices of a mesh: as many as a sparse matrix has columns.
const MAX_VERTICES: usize = 1 << 24;

/// The connectivity of a triangle mesh in the form kernels read, checked once. Share one between all operators on the mesh:
/// its lists are then on the device once.
#[derive(Debug)]
pub struct TriangleMesh {
    vertices: usize,
    faces: Vec<[u32; 3]>,
    edges: Vec<[u32; 2]>,
    /// Pairs of faces that share an edge.
    neighbours: Vec<[u32; 2]>,
    /// `3 · face + corner` of every vertex, ascending, one list after the other, and where each begins.
    corners: Vec<u32>,
    corners_ptr: Vec<u32>,
    edge_matrix: Arc<SpmmMatrix>,
    faces_of_vertex: Arc<SpmmMatrix>,
    uniform_laplacian: Arc<SpmmMatrix>,
}

impl TriangleMesh {
    /// The connectivity of `faces` over `vertices` vertices. The corners of a face are three different vertices.
    pub fn new(vertices: usize, faces: &[[u32; 3]]) -> Result<Arc<Self>> {
        if faces.is_empty() {
            return Err(Error::invalid("mesh", "at least one face", "none"));
        }
        if vertices > MAX_VERTICES {
            return Err(Error::invalid("mesh", format!("at most {MAX_VERTICES} vertices"), vertices));
        }
        if faces.len() > u32::MAX as usize / 3 {
            return Err(Error::invalid("mesh", format!("at most {} faces", u32::MAX / 3), faces.len()));
        }
        for (face, &[a, b, c]) in faces.iter().enumerate() {
            if let Some(v) = [a, b, c].into_iter().find(|&v| v as usize >= vertices) {
                let expected = format!("vertices below {vertices}");
                return Err(Error::invalid("mesh", expected, format!("{v} in face {face}")));
            }
            if a == b || b == c || c == a {
                let got = format!("{a}, {b}, {c} in face {face}");
                return Err(Error::invalid("mesh", "three different vertices a face", got));
            }
        }
        let mut around = vec![Vec::new(); vertices];
        let mut sides: HashMap<[u32; 2], Vec<u32>> = HashMap::new();
        for (face, corners) in faces.iter().enumerate() {
            for k in 0..3 {
                let (v, next) = (corners[k], corners[(k + 1) % 3]);
                around[v as usize].push((3 * face + k) as u32);
                sides.entry([v.min(next), v.max(next)]).or_default().push(face as u32);
            }
        }
        let mut edges: Vec<[u32; 2]> = sides.keys().copied().collect();
        edges.sort_unstable();
        let mut neighbours = Vec::new();
        for edge in &edges {
            let faces = &sides[edge];
            for (i, &first) in faces.iter().enumerate() {
                neighbours.extend(faces[i + 1..].iter().map(|&second| [first, second]));
            }
        }
        let matrix = |rows, columns, triplets: &[_]| {
            let csr = Csr::from_triplets(rows, columns, triplets);
            SpmmMatrix::new(csr.map_err(|wrong| Error::invalid("mesh", "consistent faces", wrong))?)
        };
        let ends = edges.iter().enumerate();
        let ends: Vec<_> = ends.flat_map(|(e, &[a, b])| [(e, a as usize, -1.0), (e, b as usize, 1.0)]).collect();
        let mut degrees = vec![0u32; vertices];
        edges.iter().flatten().for_each(|&v| degrees[v as usize] += 1);
        let degree = |v: usize| degrees[v] as f32;
        let mut laplacian: Vec<_> = (0..vertices).filter(|&v| degrees[v] > 0).map(|v| (v, v, 1.0)).collect();
        for [a, b] in edges.iter().map(|edge| edge.map(|v| v as usize)) {
            laplacian.extend([(a, b, -1.0 / degree(a)), (b, a, -1.0 / degree(b))]);
        }
        let members = around.iter().enumerate();
        let members: Vec<_> =
            members.flat_map(|(v, corners)| corners.iter().map(move |&c| (v, c as usize / 3, 1.0))).collect();
        Ok(Arc::new(TriangleMesh {
            edge_matrix: matrix(edges.len(), vertices, &ends)?,
            faces_of_vertex: matrix(vertices, faces.len(), &members)?,
            uniform_laplacian: matrix(vertices, vertices, &laplacian)?,
            corners_ptr: starts(around.iter().map(Vec::len)),
            corners: around.concat(),
            faces: faces.to_vec(),
            vertices,
            edges,
            neighbours,
        }))
    }

    /// How many vertices there are.
    pub fn vertices(&self) -> usize {
        self.vertices
    }

    /// The faces.
    pub fn faces(&self) -> &[[u32; 3]] {
        &self.faces
    }

    /// Every edge once, the lower vertex first, sorted.
    pub fn edges(&self) -> &[[u32; 2]] {
        &self.edges
    }

    /// Pairs of faces that share an edge, in the order of the edges; of an edge of more than two faces every pair.
    pub fn face_neighbours(&self) -> &[[u32; 2]] {
        &self.neighbours
    }

    /// E×V: the second end of each edge minus the first, for [`Var::spmm`].
    pub fn edge_matrix(&self) -> &Arc<SpmmMatrix> {
        &self.edge_matrix
    }

    /// V×V: each vertex minus the mean of its neighbours, 0 for a vertex without any; for [`Var::spmm`].
    pub fn uniform_laplacian(&self) -> &Arc<SpmmMatrix> {
        &self.uniform_laplacian
    }

    fn flat_faces(&self) -> &[u32] {
        self.faces.as_flattened()
    }
}

/// The direction of each vector, …×3.
#[derive(Debug, Clone, Copy)]
struct Unit;

/// The gradient with respect to x from x and gy.
#[derive(Debug, Clone, Copy)]
struct UnitGrad;

impl Operator for Unit {
    fn name(&self) -> &'static str {
        "unit_vectors"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        rows("x", x, 3)?;
        Ok(x.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![call.grad(0, || call.cotangent.recorder().apply(UnitGrad, &[call.inputs[0], call.cotangent]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let vectors = x.ty.shape.rows();
        let dispatch = lowering.dispatch(&UNIT).define("WG", lanes).define("SMALLEST", SMALLEST).define("GRAD", false);
        let dispatch = dispatch.bind("x", x.buffer).unused("gy").bind("y", y);
        dispatch.param("vectors", vectors).threads(vectors)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 5 * output.shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl Operator for UnitGrad {
    fn name(&self) -> &'static str {
        "unit_vectors"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, _] = operands(inputs)?;
        Ok(x.clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, gy, gx) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let (lanes, vectors) = (lowering.target().lanes(), x.ty.shape.rows());
        let dispatch = lowering.dispatch(&UNIT).define("WG", lanes).define("SMALLEST", SMALLEST).define("GRAD", true);
        let dispatch = dispatch.bind("x", x.buffer).bind("gy", gy).bind("y", gx);
        dispatch.param("vectors", vectors).threads(vectors)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 8 * output.shape.numel() as u64, bytes }
    }
}

/// Normals n of faces, twice the area long. They are quadratic in the vertices, n(x) = ½ B(x, x) with B symmetric and
/// bilinear: so with a second operand, h, the derivative along h is B(x, h).
#[derive(Debug, Clone)]
struct FaceNormals(Arc<TriangleMesh>);

/// Operands x and g: for each vertex the gradient of Σ g·n with respect to it, Σ B(x, ·)·g.
#[derive(Debug, Clone)]
struct CornerSum(Arc<TriangleMesh>);

impl Operator for FaceNormals {
    fn name(&self) -> &'static str {
        "face_normals"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let Some((x, rest)) = inputs.split_first() else {
            return Err(Mismatch::new("operands", "x, or x and h", "none"));
        };
        let [n, _] = batch("x", x, Some(self.0.vertices), 3)?;
        if !rest.is_empty() {
            let [h] = operands(rest)?;
            if h != *x {
                return Err(Mismatch::new("h", x, h));
            }
        }
        Ok(TensorType::f32([n, self.0.faces.len(), 3]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, gy) = (call.inputs[0], call.cotangent);
        let adjoint = |x: Var<'r>| x.recorder().apply(CornerSum(self.0.clone()), &[x, gy]);
        match call.inputs.get(1) {
            None => Ok(vec![call.grad(0, || adjoint(x))?]),
            Some(&h) => Ok(vec![call.grad(0, || adjoint(h))?, call.grad(1, || adjoint(x))?]),
        }
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, lanes) = (lowering.input(0).buffer, lowering.output(), lowering.target().lanes());
        let h = (lowering.input_count() == 2).then(|| lowering.input(1).buffer);
        let total = lowering.output_ty().shape.rows();
        let faces = lowering.constant(words(self.0.flat_faces()));
        let dispatch = lowering.dispatch(&FACE_NORMALS).define("WG", lanes).define("ALONG", h.is_some());
        let dispatch = dispatch.bind("faces", faces).bind("x", x).bind("y", y);
        let dispatch = match h {
            Some(h) => dispatch.bind("h", h),
            None => dispatch.unused("h"),
        };
        let dispatch = dispatch.param("total", total).param("faces", self.0.faces.len());
        dispatch.param("vertices", self.0.vertices).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes() + 12 * self.0.faces.len() as u64;
        Cost { flops: 5 * inputs.len() as u64 * output.shape.numel() as u64, bytes }
    }
}

impl Operator for CornerSum {
    fn name(&self) -> &'static str {
        "corner_sum"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, g] = operands(inputs)?;
        let [n, _] = batch("x", x, Some(self.0.vertices), 3)?;
        let expected = TensorType::f32([n, self.0.faces.len(), 3]);
        if *g != expected {
            return Err(Mismatch::new("g", expected, g));
        }
        Ok(x.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, g, gy, r) = (call.inputs[0], call.inputs[1], call.cotangent, call.output.recorder());
        let gx = call.grad(0, || r.apply(CornerSum(self.0.clone()), &[gy, g]))?;
        let gg = call.grad(1, || r.apply(FaceNormals(self.0.clone()), &[x, gy]))?;
        Ok(vec![gx, gg])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [x, g] = [0, 1].map(|i| lowering.input(i).buffer);
        let (y, lanes, total) = (lowering.output(), lowering.target().lanes(), lowering.output_ty().shape.rows());
        let mesh = &self.0;
        let [faces, corners_ptr, corners] =
            [mesh.flat_faces(), &mesh.corners_ptr, &mesh.corners].map(|list| lowering.constant(words(list)));
        let dispatch = lowering.dispatch(&CORNER_SUM).define("WG", lanes).bind("faces", faces);
        let dispatch = dispatch.bind("corners_ptr", corners_ptr).bind("corners", corners);
        let dispatch = dispatch.bind("x", x).bind("g", g).bind("y", y).param("total", total);
        dispatch.param("faces", mesh.faces.len()).param("vertices", mesh.vertices).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let lists = 4 * (6 * self.0.faces.len() + self.0.vertices) as u64;
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes() + lists;
        Cost { flops: 15 * inputs[1].shape.numel() as u64, bytes }
    }
}

impl<'r> Var<'r> {
    /// The direction of each vector, …×3. Of one no longer than 1e-12 it is 0, and so is its gradient.
    #[track_caller]
    pub fn unit_vectors(self) -> Result<Var<'r>> {
        self.recorder().apply(Unit, &[self])
    }

    /// The normals of the faces of these vertices (N×V×3), `(b − a) × (c − a)`: twice the area long, N×F×3. For unit length
    /// follow with [`Var::unit_vectors`], which is safe where a face has no area.
    #[track_caller]
    pub fn face_normals(self, mesh: &Arc<TriangleMesh>) -> Result<Var<'r>> {
        self.recorder().apply(FaceNormals(mesh.clone()), &[self])
    }

    /// The areas of the faces of these vertices (N×V×3), N×F×1. The gradient of an area of 0 is 0.
    #[track_caller]
    pub fn face_areas(self, mesh: &Arc<TriangleMesh>) -> Result<Var<'r>> {
        self.face_normals(mesh)?.norm(&[2])?.scale(0.5)
    }

    /// Unit normals at these vertices (N×V×3): the mean of the normals of the faces around, weighted by their areas, N×V×3. Where
    /// they cancel, or there are none, it is 0, and so is its gradient.
    #[track_caller]
    pub fn vertex_normals(self, mesh: &Arc<TriangleMesh>) -> Result<Var<'r>> {
        self.face_normals(mesh)?.spmm(&mesh.faces_of_vertex)?.unit_vectors()
    }

    /// The edges of these vertices (N×V×3) as vectors, from the lower vertex to the higher, N×E×3.
    #[track_caller]
    pub fn edge_vectors(self, mesh: &TriangleMesh) -> Result<Var<'r>> {
        self.spmm(&mesh.edge_matrix)
    }

    /// The lengths of the edges of these vertices (N×V×3), N×E×1. The gradient of a length of 0 is 0.
    #[track_caller]
    pub fn edge_lengths(self, mesh: &TriangleMesh) -> Result<Var<'r>> {
        self.edge_vectors(mesh)?.norm(&[2])
    }

    /// The cotangent Laplacian of these vertices (N×V×3), `½ Σ_j (cot α + cot β)(x_i − x_j)` over neighbours j, α and β the angles
    /// opposite the edge (Pinkall and Polthier 1993): N×V×3, the normal times twice the mean curvature times the vertex's share of
    /// area. The weights follow the vertices, and gradients flow through them.
    ///
    /// Computed as what it is, the gradient of the area: no cotangent, which is infinite where a face has no area. Such a face takes
    /// no part.
    #[track_caller]
    pub fn cotangent_laplacian(self, mesh: &Arc<TriangleMesh>) -> Result<Var<'r>> {
        let halves = self.face_normals(mesh)?.unit_vectors()?.scale(0.5)?;
        self.recorder().apply(CornerSum(mesh.clone()), &[self, halves])
    }
}
