//! Rotations, skinning, cameras, meshes and point sets.

use super::Tensor;

type Vec3 = [f64; 3];

fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [0, 1, 2].map(|k| a[k] - b[k])
}

fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn direction(a: Vec3) -> Vec3 {
    let length = dot(a, a).sqrt();
    if length == 0.0 { a } else { a.map(|v| v / length) }
}

/// Row `i` of a tensor of three channels.
fn vector(x: &Tensor, i: usize) -> Vec3 {
    [0, 1, 2].map(|k| x.data[3 * i + k])
}

/// Every row of `width` channels as another.
fn by_row<const OUT: usize>(x: &Tensor, width: usize, f: impl Fn(&[f64]) -> [f64; OUT]) -> Tensor {
    let mut dims = x.dims.clone();
    assert_eq!(dims.pop(), Some(width));
    dims.push(OUT);
    Tensor { dims, data: x.data.chunks(width).flat_map(f).collect() }
}

/// Rodrigues' formula.
pub fn axis_angle(x: &Tensor) -> Tensor {
    by_row::<9>(x, 3, |v| {
        let angle = (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt();
        let axis = if angle == 0.0 { [0.0; 3] } else { [v[0] / angle, v[1] / angle, v[2] / angle] };
        let (sin, cos) = angle.sin_cos();
        let skew = [0.0, -axis[2], axis[1], axis[2], 0.0, -axis[0], -axis[1], axis[0], 0.0];
        std::array::from_fn(|k| {
            let (row, column) = (k / 3, k % 3);
            let one = if row == column { 1.0 } else { 0.0 };
            cos * one + sin * skew[k] + (1.0 - cos) * axis[row] * axis[column]
        })
    })
}

/// The rotation v ↦ q v q⁻¹, column by column as products of quaternions.
pub fn quaternion(x: &Tensor) -> Tensor {
    let product = |a: [f64; 4], b: [f64; 4]| {
        [
            a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
            a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
            a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
            a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
        ]
    };
    by_row::<9>(x, 4, |q| {
        let q = [q[0], q[1], q[2], q[3]];
        let square = q.iter().map(|v| v * v).sum::<f64>();
        let inverse = [q[0] / square, -q[1] / square, -q[2] / square, -q[3] / square];
        let column = |c: usize| product(product(q, [0, 1, 2, 3].map(|k| if k == c + 1 { 1.0 } else { 0.0 })), inverse);
        let columns = [column(0), column(1), column(2)];
        std::array::from_fn(|k| columns[k % 3][k / 3 + 1])
    })
}

/// Gram and Schmidt's first two columns, and their cross product.
pub fn six_d(x: &Tensor) -> Tensor {
    by_row::<9>(x, 6, |v| {
        let (first, second) = ([v[0], v[1], v[2]], [v[3], v[4], v[5]]);
        let a = direction(first);
        let along = dot(a, second);
        let b = direction([0, 1, 2].map(|k| second[k] - along * a[k]));
        let columns = [a, b, cross(a, b)];
        std::array::from_fn(|k| columns[k % 3][k / 3])
    })
}

/// A matrix of three rows, row by row, times a vector; with four columns the last is added.
fn times(matrix: &[f64], v: Vec3) -> Vec3 {
    let columns = matrix.len() / 3;
    [0, 1, 2].map(|row| {
        let row = &matrix[row * columns..(row + 1) * columns];
        (0..3).map(|k| row[k] * v[k]).sum::<f64>() + row.get(3).unwrap_or(&0.0)
    })
}

/// Each matrix times the vectors that follow it.
pub fn apply(matrices: &Tensor, x: &Tensor) -> Tensor {
    let width = *matrices.dims.last().expect("channels");
    let each = x.data.len() / 3 / (matrices.data.len() / width);
    let data = (0..x.data.len() / 3)
        .flat_map(|i| times(&matrices.data[i / each * width..(i / each + 1) * width], vector(x, i)))
        .collect();
    Tensor { dims: x.dims.clone(), data }
}

/// `a · b`, three rows each; with four columns as affine maps.
fn product(a: &[f64], b: &[f64]) -> Vec<f64> {
    let columns = a.len() / 3;
    let column = |c: usize| [0, 1, 2].map(|row| b[row * columns + c]);
    let mut y = vec![0.0; a.len()];
    for c in 0..columns {
        let linear: Vec<f64> = (0..9).map(|k| a[k / 3 * columns + k % 3]).collect();
        let moved = if c == 3 { times(a, column(3)) } else { times(&linear, column(c)) };
        (0..3).for_each(|row| y[row * columns + c] = moved[row]);
    }
    y
}

/// Products pair by pair.
pub fn compose(a: &Tensor, b: &Tensor) -> Tensor {
    let width = *a.dims.last().expect("channels");
    let pairs = a.data.chunks(width).zip(b.data.chunks(width));
    Tensor { dims: a.dims.clone(), data: pairs.flat_map(|(a, b)| product(a, b)).collect() }
}

/// Maps to the parent, N×J×12, to maps to the root's surroundings; parents come first.
pub fn kinematics(x: &Tensor, parents: &[usize]) -> Tensor {
    let mut y = x.clone();
    for sample in 0..x.dims[0] {
        let at = |joint: usize| 12 * (sample * parents.len() + joint);
        for (joint, &parent) in parents.iter().enumerate().filter(|(joint, parent)| *joint != **parent) {
            let global = product(&y.data[at(parent)..at(parent) + 12], &x.data[at(joint)..at(joint) + 12]);
            y.data[at(joint)..at(joint) + 12].copy_from_slice(&global);
        }
    }
    y
}

/// Linear blend skinning of V×3 or N×V×3 vertices; the (joint, weight) of each.
pub fn skin(x: &Tensor, transforms: &Tensor, weights: &[Vec<(usize, f64)>]) -> Tensor {
    let (n, joints) = (transforms.dims[0], transforms.dims[1]);
    let mut data = Vec::new();
    for sample in 0..n {
        for (v, list) in weights.iter().enumerate() {
            let rest = vector(x, if x.dims.len() == 2 { v } else { sample * weights.len() + v });
            let mut sum = [0.0; 3];
            for &(joint, weight) in list {
                let at = 12 * (sample * joints + joint);
                let moved = times(&transforms.data[at..at + 12], rest);
                (0..3).for_each(|k| sum[k] += weight * moved[k]);
            }
            data.extend(sum);
        }
    }
    Tensor { dims: vec![n, weights.len(), 3], data }
}

/// `template + Σ weights · shapes`.
pub fn blend_shapes(template: &Tensor, shapes: &Tensor, weights: &Tensor) -> Tensor {
    Tensor::from_fn(&[weights.dims[0], template.dims[0], 3], |i| {
        let offset: f64 = (0..shapes.dims[0]).map(|k| weights.at(&[i[0], k]) * shapes.at(&[k, i[1], i[2]])).sum();
        template.at(&i[1..]) + offset
    })
}

/// Rotations and translations as affine maps.
pub fn rigid(rotations: &Tensor, translations: &Tensor) -> Tensor {
    let mut dims = rotations.dims.clone();
    *dims.last_mut().expect("channels") = 12;
    let rows = rotations.data.chunks(3).zip(&translations.data);
    Tensor { dims, data: rows.flat_map(|(row, &t)| [row[0], row[1], row[2], t]).collect() }
}

/// Pixels of points N×V×3 by cameras N×4 of scales and principal point; with a `near`, in perspective.
pub fn project(points: &Tensor, camera: &Tensor, near: Option<f64>) -> Tensor {
    Tensor::from_fn(&[points.dims[0], points.dims[1], 2], |i| {
        let z = near.map_or(1.0, |near| points.at(&[i[0], i[1], 2]).max(near));
        camera.at(&[i[0], i[2]]) * points.at(i) / z + camera.at(&[i[0], 2 + i[2]])
    })
}

/// The real spherical harmonics of degrees 0 to 2, as polynomials of a direction's components.
pub fn spherical_harmonics(x: &Tensor) -> Tensor {
    let norm = |square: f64| (square / std::f64::consts::PI).sqrt();
    by_row(x, 3, |v| {
        let [x, y, z] = [v[0], v[1], v[2]];
        let line = norm(3.0 / 4.0);
        let saddle = norm(15.0 / 4.0);
        let (pole, square) = (norm(5.0 / 16.0) * (3.0 * z * z - 1.0), norm(15.0 / 16.0) * (x * x - y * y));
        [norm(0.25), line * y, line * z, line * x, saddle * x * y, saddle * y * z, pole, saddle * x * z, square]
    })
}

/// Normals N×…×3 times albedo (3 channels or 1) in light that is ambient n×3, from directions n×L×3 of colours n×L×3, and from
/// harmonics n×9×3; n is N or 1.
pub fn shade(albedo: &Tensor, normals: &Tensor, lights: [&Tensor; 3], harmonics: Option<&Tensor>) -> Tensor {
    let [ambient, directions, colours] = lights;
    let (images, width) = (normals.dims[0], *albedo.dims.last().expect("channels"));
    let rows = normals.data.len() / 3;
    let basis = spherical_harmonics(normals);
    let mut data = Vec::new();
    for row in 0..rows {
        let light = (row * images / rows).min(ambient.dims[0] - 1);
        let normal = vector(normals, row);
        for channel in 0..3 {
            let mut sum = ambient.at(&[light, channel]);
            for l in 0..directions.dims[1] {
                let towards = direction(vector(directions, light * directions.dims[1] + l));
                sum += dot(normal, towards).max(0.0) * colours.at(&[light, l, channel]);
            }
            for k in 0..9 {
                sum += harmonics.map_or(0.0, |h| basis.data[9 * row + k] * h.at(&[light, k, channel]));
            }
            data.push(sum * albedo.data[row * width + channel.min(width - 1)]);
        }
    }
    Tensor { dims: normals.dims.clone(), data }
}

/// Faces as triples of vertices.
pub type Faces = [[u32; 3]];

/// The corners of every face of every sample of x.
fn corners<'a>(x: &'a Tensor, faces: &'a Faces) -> impl Iterator<Item = [Vec3; 3]> + 'a {
    let vertices = x.dims[1];
    (0..x.dims[0]).flat_map(move |n| faces.iter().map(move |face| face.map(|v| vector(x, n * vertices + v as usize))))
}

/// `(b − a) × (c − a)`
pub fn face_normals(x: &Tensor, faces: &Faces) -> Tensor {
    let data = corners(x, faces).flat_map(|[a, b, c]| cross(sub(b, a), sub(c, a))).collect();
    Tensor { dims: vec![x.dims[0], faces.len(), 3], data }
}

/// Every vector over its length.
pub fn unit(x: &Tensor) -> Tensor {
    by_row(x, 3, |v| direction([v[0], v[1], v[2]]))
}

/// Half the length of each normal.
pub fn face_areas(x: &Tensor, faces: &Faces) -> Tensor {
    by_row(&face_normals(x, faces), 3, |v| [0.5 * v.iter().map(|v| v * v).sum::<f64>().sqrt()])
}

/// Unit sums of the normals around each vertex.
pub fn vertex_normals(x: &Tensor, faces: &Faces) -> Tensor {
    let normals = face_normals(x, faces);
    unit(&Tensor::from_fn(&x.dims, |i| {
        let around = faces.iter().enumerate().filter(|(_, face)| face.contains(&(i[1] as u32)));
        around.map(|(f, _)| normals.at(&[i[0], f, i[2]])).sum()
    }))
}

/// Every edge once: lower vertex first, sorted.
pub fn edges(faces: &Faces) -> Vec<[usize; 2]> {
    let sides = faces.iter().flat_map(|&[a, b, c]| [[a, b], [b, c], [c, a]]);
    let mut edges: Vec<[usize; 2]> = sides.map(|[a, b]| [a.min(b) as usize, a.max(b) as usize]).collect();
    edges.sort();
    edges.dedup();
    edges
}

/// The second end of each edge minus the first.
pub fn edge_vectors(x: &Tensor, faces: &Faces) -> Tensor {
    let edges = edges(faces);
    Tensor::from_fn(&[x.dims[0], edges.len(), 3], |i| {
        let [a, b] = edges[i[1]];
        x.at(&[i[0], b, i[2]]) - x.at(&[i[0], a, i[2]])
    })
}

/// The length of each edge.
pub fn edge_lengths(x: &Tensor, faces: &Faces) -> Tensor {
    by_row(&edge_vectors(x, faces), 3, |v| [v.iter().map(|v| v * v).sum::<f64>().sqrt()])
}

/// Each vertex minus the mean of its neighbours.
pub fn uniform_laplacian(x: &Tensor, faces: &Faces) -> Tensor {
    let edges = edges(faces);
    Tensor::from_fn(&x.dims, |i| {
        let other = |&[a, b]: &[usize; 2]| if a == i[1] { Some(b) } else { (b == i[1]).then_some(a) };
        let around: Vec<usize> = edges.iter().filter_map(other).collect();
        let sum: f64 = around.iter().map(|&v| x.at(&[i[0], v, i[2]])).sum();
        if around.is_empty() { 0.0 } else { x.at(i) - sum / around.len() as f64 }
    })
}

/// `½ Σ (cot α + cot β)(x_i − x_j)`: each corner's cotangent weighs the edge opposite to it.
pub fn cotangent_laplacian(x: &Tensor, faces: &Faces) -> Tensor {
    let mut y = Tensor { dims: x.dims.clone(), data: vec![0.0; x.data.len()] };
    for n in 0..x.dims[0] {
        for face in faces {
            let places = face.map(|v| n * x.dims[1] + v as usize);
            for k in 0..3 {
                let [apex, i, j] = [places[k], places[(k + 1) % 3], places[(k + 2) % 3]];
                let (u, v) = (sub(vector(x, i), vector(x, apex)), sub(vector(x, j), vector(x, apex)));
                let normal = cross(u, v);
                let cotangent = dot(u, v) / dot(normal, normal).sqrt();
                for (c, along) in sub(vector(x, i), vector(x, j)).into_iter().enumerate() {
                    y.data[3 * i + c] += 0.5 * cotangent * along;
                    y.data[3 * j + c] -= 0.5 * cotangent * along;
                }
            }
        }
    }
    y
}

/// For each point of p the place and squared distance of the nearest of q; the first of equals.
fn nearest(p: &Tensor, q: &Tensor) -> Vec<(usize, f64)> {
    let mut found = Vec::new();
    for n in 0..p.dims[0] {
        for i in 0..p.dims[1] {
            let mut best = (0, f64::INFINITY);
            for j in 0..q.dims[1] {
                let offset = sub(vector(p, n * p.dims[1] + i), vector(q, n * q.dims[1] + j));
                let distance = dot(offset, offset);
                if distance < best.1 {
                    best = (j, distance);
                }
            }
            found.push(best);
        }
    }
    found
}

/// Where the nearest of q is to each point of p.
pub fn nearest_points(p: &Tensor, q: &Tensor) -> Tensor {
    Tensor { dims: vec![p.dims[0], p.dims[1], 1], data: nearest(p, q).iter().map(|n| n.0 as f64).collect() }
}

/// How far it is, squared.
pub fn nearest_squared_distances(p: &Tensor, q: &Tensor) -> Tensor {
    Tensor { dims: vec![p.dims[0], p.dims[1], 1], data: nearest(p, q).iter().map(|n| n.1).collect() }
}

fn mean(x: &Tensor) -> f64 {
    x.data.iter().sum::<f64>() / x.data.len() as f64
}

/// Mean squared distances both ways.
pub fn chamfer(a: &Tensor, b: &Tensor) -> f64 {
    mean(&nearest_squared_distances(a, b)) + mean(&nearest_squared_distances(b, a))
}

/// The mean squared difference of lengths and `target`.
pub fn edge_length(x: &Tensor, faces: &Faces, target: f64) -> f64 {
    mean(&edge_lengths(x, faces).map(|length| (length - target).powi(2)))
}

/// The mean of 1 − cos over pairs of faces that share two vertices.
pub fn normal_consistency(x: &Tensor, faces: &Faces) -> f64 {
    let normals = unit(&face_normals(x, faces));
    let mut terms = Vec::new();
    for n in 0..x.dims[0] {
        for (i, first) in faces.iter().enumerate() {
            for (j, second) in faces.iter().enumerate().skip(i + 1) {
                if first.iter().filter(|v| second.contains(v)).count() == 2 {
                    let [a, b] = [i, j].map(|f| vector(&normals, n * faces.len() + f));
                    terms.push(1.0 - dot(a, b));
                }
            }
        }
    }
    terms.iter().sum::<f64>() / terms.len() as f64
}
