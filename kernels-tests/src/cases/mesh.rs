//! Rotations, skinning, cameras, meshes and point sets.

use std::f32::consts::PI;
use std::sync::Arc;

use knuckle::nn::mesh_losses::{chamfer, edge_length, normal_consistency};
use knuckle::nn::shading::Lights;
use knuckle::nn::skinning::{SkinnedModel, blend_shapes, rigid_transforms, translations};
use knuckle::ops::{Skeleton, SkinWeights, TriangleMesh};
use knuckle::rng::Rng;

use crate::case::{Case, Fill, Operand};
use crate::reference::{Tensor, mesh as reference};

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = rotations();
    cases.extend(transforms());
    cases.extend(kinematics());
    cases.extend(skinning());
    cases.extend(cameras());
    cases.extend(shading());
    cases.extend(meshes());
    cases.extend(points());
    cases
}

/// Uniform elements: all bits of them are random, so that sums round.
fn drawn(dims: impl Into<Vec<usize>>) -> Operand {
    Operand::filled(dims, Fill::Uniform(-2.0, 2.0))
}

fn scalar(value: f64) -> Tensor {
    Tensor { dims: vec![1], data: vec![value] }
}

fn rotations() -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [&[usize]; 6] = [&[], &[1], &[5], &[2, 21], &[1, 67], &[2, 3, 4]];
    let with = |lead: &[usize], channels: usize| [lead, &[channels]].concat();
    // Angles: none, almost none, small, up to π, many turns.
    for (most, what) in
        [(0.0, "0"), (1e-20, "1e-20"), (1e-4, "1e-4"), (0.03, "0.03"), (PI / 2.0, "π/2"), (2.0, "2"), (6.0, "6")]
    {
        for (i, lead) in shapes.iter().enumerate() {
            if i > 3 && most < 1.0 {
                continue;
            }
            let fill = if most == 0.0 { Fill::Uniform(0.0, 0.0) } else { Fill::Uniform(-most, most) };
            cases.push(Case::new(
                "axis_angle_to_matrix",
                format!("within {what}"),
                [Operand::filled(with(lead, 3), fill)],
                |_, x| x[0].axis_angle_to_matrix(),
                |x| reference::axis_angle(&x[0]),
            ));
        }
    }
    for lead in shapes {
        let quaternions = [
            ("any length", Fill::Normal),
            ("short", Fill::Uniform(0.02, 0.06)),
            ("long", Fill::Uniform(-3e3, 2e3)),
            ("no small part", Fill::NonZero),
        ];
        for (attributes, fill) in quaternions {
            cases.push(Case::new(
                "quaternion_to_matrix",
                attributes,
                [Operand::filled(with(lead, 4), fill)],
                |_, x| x[0].quaternion_to_matrix(),
                |x| reference::quaternion(&x[0]),
            ));
        }
        for (attributes, fill) in
            [("very short", Fill::Uniform(1e-10, 3e-10)), ("very long", Fill::Uniform(1e15, 3e15))]
        {
            let operand = |channels: usize| [Operand::filled(with(lead, channels), fill)];
            let quaternion = Case::new(
                "quaternion_to_matrix",
                attributes,
                operand(4),
                |_, x| x[0].quaternion_to_matrix(),
                |x| reference::quaternion(&x[0]),
            );
            let unit = Case::new(
                "unit_vectors",
                attributes,
                operand(3),
                |_, x| x[0].unit_vectors(),
                |x| reference::unit(&x[0]),
            );
            cases.extend([quaternion.forward_only(), unit.forward_only()]);
        }
        for (attributes, fill) in [("any length", Fill::Normal), ("no small part", Fill::NonZero)] {
            cases.push(Case::new(
                "six_d_to_matrix",
                attributes,
                [Operand::filled(with(lead, 6), fill)],
                |_, x| x[0].six_d_to_matrix(),
                |x| reference::six_d(&x[0]),
            ));
        }
        for (attributes, fill) in
            [("", Fill::Normal), ("short", Fill::Uniform(0.02, 0.06)), ("long", Fill::Uniform(-2e3, 3e3))]
        {
            cases.push(Case::new(
                "unit_vectors",
                attributes,
                [Operand::filled(with(lead, 3), fill)],
                |_, x| x[0].unit_vectors(),
                |x| reference::unit(&x[0]),
            ));
        }
    }
    cases
}

fn transforms() -> Vec<Case> {
    let mut cases = Vec::new();
    // The matrices' extents, and the vectors' after these.
    let shapes: [(&[usize], &[usize]); 16] = [
        (&[], &[]),
        (&[], &[7]),
        (&[1], &[1]),
        (&[2], &[]),
        (&[3], &[5]),
        (&[2, 4], &[]),
        (&[2, 3], &[1, 9]),
        (&[1], &[64]),
        (&[2], &[65]),
        (&[1, 2], &[200]),
        (&[67], &[]),
        (&[1, 1, 1], &[1]),
        (&[2, 1, 3], &[2, 2]),
        (&[5], &[63]),
        (&[1], &[129]),
        (&[33], &[2]),
    ];
    for (lead, more) in shapes {
        for (op, channels) in [("rotate", 9), ("transform_points", 12)] {
            let matrices = [lead, &[channels]].concat();
            let vectors = [lead, more, &[3]].concat();
            cases.push(Case::new(
                op,
                "",
                [drawn(matrices), drawn(vectors)],
                move |_, x| if channels == 9 { x[0].rotate(x[1]) } else { x[0].transform_points(x[1]) },
                |x| reference::apply(&x[0], &x[1]),
            ));
        }
    }
    for lead in [&[][..], &[1], &[3], &[31], &[2, 5], &[1, 70], &[2, 3, 4], &[1, 1, 1, 1]] {
        for channels in [9, 12] {
            let dims = [lead, &[channels]].concat();
            cases.push(Case::new(
                "compose",
                "",
                [drawn(dims.as_slice()), drawn(dims)],
                |_, x| x[0].compose(x[1]),
                |x| reference::compose(&x[0], &x[1]),
            ));
        }
        let (turns, steps) = ([lead, &[9]].concat(), [lead, &[3]].concat());
        cases.push(Case::new(
            "rigid_transforms",
            "",
            [drawn(turns), drawn(steps)],
            |_, x| rigid_transforms(x[0], x[1]),
            |x| reference::rigid(&x[0], &x[1]),
        ));
        cases.push(Case::new(
            "translations",
            "",
            [drawn([lead, &[12]].concat())],
            |_, x| translations(x[0]),
            |x| {
                let mut dims = x[0].dims.clone();
                *dims.last_mut().expect("channels") = 3;
                Tensor { dims, data: x[0].data.chunks(4).map(|row| row[3]).collect() }
            },
        ));
    }
    cases
}

/// Trees: a joint alone, a chain, a star, a hand of 21 joints, two trees.
const TREES: [(&str, &[usize]); 6] = [
    ("alone", &[0]),
    ("pair", &[0, 0]),
    ("chain", &[0, 0, 1, 2, 3, 4]),
    ("star", &[0, 0, 0, 0, 0]),
    ("hand", &[0, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19]),
    ("two trees", &[0, 1, 0, 1, 2, 3, 3]),
];

fn kinematics() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, parents) in TREES {
        let skeleton = Skeleton::new(parents).expect("a tree");
        for n in [1, 2, 5] {
            let skeleton = skeleton.clone();
            cases.push(Case::new(
                "forward_kinematics",
                name,
                [drawn([n, parents.len(), 12])],
                move |_, x| x[0].forward_kinematics(&skeleton),
                move |x| reference::kinematics(&x[0], parents),
            ));
        }
    }
    cases
}

/// Up to `most` random joints for each vertex, none for some where `gaps`.
fn weights(vertices: usize, joints: usize, most: usize, gaps: bool) -> Vec<Vec<(usize, f32)>> {
    let mut rng = Rng::new(11, (vertices * 1000 + joints * 10 + most) as u64);
    let list = |v: usize| {
        let count = if gaps && v % 3 == 1 { 0 } else { 1 + rng.below(most) };
        (0..count).map(|k| ((v + k * 7) % joints, rng.range(0.1, 1.0))).collect()
    };
    (0..vertices).map(list).collect()
}

fn skinning() -> Vec<Case> {
    let mut cases = Vec::new();
    // Batch, vertices, joints, joints a vertex at most, whether some vertices have none.
    let sizes = [
        (1, 1, 1, 1, false),
        (2, 5, 3, 2, false),
        (1, 33, 2, 4, false),
        (3, 7, 4, 6, true),
        (2, 130, 1, 1, false),
        (1, 70, 30, 4, true),
        (2, 32, 1, 1, false),
        (1, 33, 1, 1, false),
        (4, 1, 5, 5, false),
        (1, 1200, 1, 1, false),
    ];
    for (n, vertices, joints, most, gaps) in sizes {
        let lists = weights(vertices, joints, most, gaps);
        let weights = SkinWeights::new(joints, &lists).expect("weights");
        let exact = |list: &Vec<(usize, f32)>| list.iter().map(|&(j, w)| (j, f64::from(w))).collect();
        let lists: Arc<Vec<Vec<(usize, f64)>>> = Arc::new(lists.iter().map(exact).collect());
        for dims in [vec![vertices, 3], vec![n, vertices, 3]] {
            let (weights, lists) = (weights.clone(), lists.clone());
            cases.push(Case::new(
                "skin",
                format!("up to {most} joints each"),
                [drawn(dims), drawn([n, joints, 12])],
                move |_, x| x[0].skin(x[1], &weights),
                move |x| reference::skin(&x[0], &x[1], &lists),
            ));
        }
    }
    for (n, vertices, shapes) in [
        (1, 1, 1),
        (2, 7, 3),
        (3, 4, 10),
        (1, 33, 2),
        (5, 2, 45),
        (8, 1, 4),
        (1, 4, 1),
        (4, 8, 8),
        (2, 21, 5),
        (1, 2, 16),
    ] {
        cases.push(Case::new(
            "blend_shapes",
            "",
            [drawn([vertices, 3]), drawn([shapes, vertices, 3]), drawn([n, shapes])],
            |_, x| blend_shapes(x[0], x[1], x[2]),
            |x| reference::blend_shapes(&x[0], &x[1], &x[2]),
        ));
    }
    for (name, parents) in TREES {
        for n in [1, 2] {
            cases.extend(posed_model(name, parents, n));
        }
    }
    cases
}

/// A model of random frames and vertices on a tree, from axis-angle to vertices and to joints.
fn posed_model(name: &str, parents: &'static [usize], n: usize) -> [Case; 2] {
    let joints = parents.len();
    let mut rng = Rng::new(12, joints as u64);
    let mut draw = |n: usize, size: f32| -> Vec<f32> { (0..n).map(|_| rng.range(-size, size)).collect() };
    // Frames at rest: a turn of 120° about the diagonal, where each joint is.
    let places = draw(3 * joints, 2.0);
    let frame = |p: &[f32]| [0.0, 0.0, 1.0, p[0], 1.0, 0.0, 0.0, p[1], 0.0, 1.0, 0.0, p[2]];
    let frames: Vec<[f32; 12]> = places.chunks(3).map(frame).collect();
    let vertices: Vec<[f32; 3]> = draw(3 * 9, 2.0).chunks(3).map(|v| [v[0], v[1], v[2]]).collect();
    let lists = weights(9, joints, 3, false);
    let exact = |list: &Vec<(usize, f32)>| list.iter().map(|&(j, w)| (j, f64::from(w))).collect();
    let exact: Vec<Vec<(usize, f64)>> = lists.iter().map(exact).collect();
    let skeleton = Skeleton::new(parents).expect("a tree");
    let model = SkinnedModel::new(&vertices, &frames, skeleton, SkinWeights::new(joints, &lists).expect("weights"));
    let model = model.expect("a model");
    // Each joint's place less its parent's, in the frames' axes: the turn transposed.
    let offset = move |joint: usize| {
        let parent = parents[joint];
        let from = |k: usize| if parent == joint { 0.0 } else { f64::from(places[3 * parent + k]) };
        let step = [0, 1, 2].map(|k| f64::from(places[3 * joint + k]) - from(k));
        if parent == joint { step } else { [step[1], step[2], step[0]] }
    };
    let tensor = |dims: &[usize], data: Vec<f64>| Tensor { dims: dims.to_vec(), data };
    let frames_of = Arc::new(move |x: &Tensor| {
        let turn = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let rest = |joint: usize| if parents[joint] == joint { turn } else { identity };
        let each = |f: &dyn Fn(usize) -> Vec<f64>| (0..n).flat_map(|_| (0..joints).flat_map(f)).collect::<Vec<f64>>();
        let rest = tensor(&[n, joints, 9], each(&|joint| rest(joint).to_vec()));
        let steps = tensor(&[n, joints, 3], each(&|joint| offset(joint).to_vec()));
        let local = reference::rigid(&reference::compose(&rest, &reference::axis_angle(x)), &steps);
        reference::kinematics(&local, parents)
    });
    let angles = || [Operand::filled([n, joints, 3], Fill::Uniform(-1.2, 1.2))];
    let (again, frames_again) = (model.clone(), frames_of.clone());
    let vertices_case = Case::new(
        "posed_model",
        format!("{name}, vertices"),
        angles(),
        move |_, x| Ok(model.pose(x[0].axis_angle_to_matrix()?)?.vertices),
        move |x| {
            let moved = frames_of(&x[0]);
            // From the rest space to each joint's axes: the turn transposed of the vertex less the joint's place.
            let back = frames.iter().flat_map(|f| {
                let f = f.map(f64::from);
                (0..3).flat_map(move |row| {
                    let column = [f[row], f[4 + row], f[8 + row]];
                    [column[0], column[1], column[2], -(column[0] * f[3] + column[1] * f[7] + column[2] * f[11])]
                })
            });
            let back: Vec<f64> = back.collect();
            let back = Tensor { dims: vec![n, joints, 12], data: back.repeat(n) };
            let rest = vertices.iter().flatten().map(|&v| f64::from(v)).collect();
            let rest = Tensor { dims: vec![vertices.len(), 3], data: rest };
            reference::skin(&rest, &reference::compose(&moved, &back), &exact)
        },
    );
    let joints_case = Case::new(
        "posed_model",
        format!("{name}, joints"),
        angles(),
        move |_, x| Ok(again.pose(x[0].axis_angle_to_matrix()?)?.joints),
        move |x| {
            let data = frames_again(&x[0]).data.chunks(4).map(|row| row[3]).collect();
            Tensor { dims: vec![n, joints, 3], data }
        },
    );
    [vertices_case, joints_case]
}

fn cameras() -> Vec<Case> {
    let mut cases = Vec::new();
    for (n, v) in [(1, 1), (2, 1), (1, 2), (1, 21), (3, 7), (2, 65), (1, 130), (5, 4), (33, 1)] {
        // Before the camera, and on both sides of the near plane.
        for (fill, near) in
            [(Fill::Uniform(0.5, 2.0), 0.1), (Fill::Uniform(-2.0, 2.0), 0.25), (Fill::Uniform(-2.0, 0.25), 0.5)]
        {
            cases.push(Case::new(
                "project_perspective",
                format!("near {near}"),
                [Operand::filled([n, v, 3], fill), drawn([n, 4])],
                move |_, x| x[0].project_perspective(x[1], near),
                move |x| reference::project(&x[0], &x[1], Some(near.into())),
            ));
        }
        cases.push(Case::new(
            "project_orthographic",
            "",
            [drawn([n, v, 3]), drawn([n, 4])],
            |_, x| x[0].project_orthographic(x[1]),
            |x| reference::project(&x[0], &x[1], None),
        ));
        cases.push(Case::new(
            "project_weak_perspective",
            "",
            [drawn([n, v, 3]), drawn([n, 3])],
            |_, x| x[0].project_weak_perspective(x[1]),
            |x| {
                let camera = x[1].data.chunks(3).flat_map(|c| [c[0], c[0], c[1], c[2]]).collect();
                reference::project(&x[0], &Tensor { dims: vec![x[1].dims[0], 4], data: camera }, None)
            },
        ));
    }
    cases
}

/// A name, how many vertices, and the faces.
type Named = (&'static str, usize, Vec<[u32; 3]>);

/// Closed and open, with lone vertices, many faces around one, an edge of three faces.
fn surfaces() -> Vec<Named> {
    let grid = |w: u32, h: u32| {
        let squares = (0..(w - 1) * (h - 1)).map(move |i| (i / (w - 1)) * w + i % (w - 1));
        squares.flat_map(|a| [[a, a + 1, a + w], [a + 1, a + w + 1, a + w]]).collect::<Vec<_>>()
    };
    let fan = |n: u32| (1..=n).map(|i| [0, i, i % n + 1]).collect::<Vec<_>>();
    let mut octahedron = fan(4);
    octahedron.extend((1..=4).map(|i| [5, i % 4 + 1, i]));
    vec![
        ("triangle", 3, vec![[0, 1, 2]]),
        ("tetrahedron", 4, vec![[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]),
        ("octahedron", 6, octahedron),
        ("fan of 9", 10, fan(9)),
        ("grid of 4 by 3", 12, grid(4, 3)),
        ("grid of 9 by 8", 72, grid(9, 8)),
        ("three faces on an edge, a lone vertex", 6, vec![[0, 1, 2], [1, 0, 3], [0, 1, 5]]),
    ]
}

fn shading() -> Vec<Case> {
    let mut cases = Vec::new();
    for lead in [&[][..], &[1], &[5], &[2, 21], &[1, 67], &[2, 3, 4]] {
        for (attributes, fill) in [("any length", Fill::Normal), ("unit or less", Fill::Uniform(-0.577, 0.577))] {
            cases.push(Case::new(
                "spherical_harmonics",
                attributes,
                [Operand::filled([lead, &[3]].concat(), fill)],
                |_, x| x[0].spherical_harmonics(),
                |x| reference::spherical_harmonics(&x[0]),
            ));
        }
    }
    // Extents before the channels, images that have lights of their own, lights, channels of the albedo, harmonics.
    let settings: [(&[usize], usize, usize, usize, bool); 7] = [
        (&[1], 1, 1, 3, false),
        (&[1, 5, 4], 1, 2, 3, false),
        (&[2, 3, 7], 2, 1, 3, true),
        (&[3, 4, 5], 1, 3, 1, true),
        (&[2, 6, 3], 2, 4, 1, false),
        (&[2, 65], 2, 2, 3, true),
        (&[1, 9, 31], 1, 5, 3, true),
    ];
    for (lead, images, lights, channels, harmonics) in settings {
        let with = |channels: usize| [lead, &[channels]].concat();
        let mut operands = vec![
            Operand::filled(with(channels), Fill::Uniform(0.0, 1.0)),
            Operand::filled(with(3), Fill::Uniform(-0.577, 0.577)),
            Operand::filled([images, 3], Fill::Uniform(0.0, 0.5)),
            drawn([images, lights, 3]),
            Operand::filled([images, lights, 3], Fill::Uniform(0.0, 1.0)),
        ];
        operands.extend(harmonics.then(|| drawn([images, 9, 3])));
        cases.push(Case::new(
            "shade",
            if harmonics { "with harmonics" } else { "" },
            operands,
            |_, x| {
                let lights = Lights { ambient: x[2], directions: x[3], colours: x[4], harmonics: x.get(5).copied() };
                lights.shade(x[0], x[1])
            },
            |x| reference::shade(&x[0], &x[1], [&x[2], &x[3], &x[4]], x.get(5)),
        ));
    }
    cases
}

fn meshes() -> Vec<Case> {
    type Build = for<'r> fn(knuckle::Var<'r>, &Arc<TriangleMesh>) -> knuckle::Result<knuckle::Var<'r>>;
    type Reference = fn(&Tensor, &reference::Faces) -> Tensor;
    let operators: [(&str, Build, Reference); 10] = [
        ("face_normals", |x, m| x.face_normals(m), reference::face_normals),
        (
            "face_unit_normals",
            |x, m| x.face_normals(m)?.unit_vectors(),
            |x, f| reference::unit(&reference::face_normals(x, f)),
        ),
        ("face_areas", |x, m| x.face_areas(m), reference::face_areas),
        ("vertex_normals", |x, m| x.vertex_normals(m), reference::vertex_normals),
        ("edge_vectors", |x, m| x.edge_vectors(m), reference::edge_vectors),
        ("edge_lengths", |x, m| x.edge_lengths(m), reference::edge_lengths),
        ("uniform_laplacian", |x, m| x.spmm(m.uniform_laplacian()), reference::uniform_laplacian),
        ("cotangent_laplacian", |x, m| x.cotangent_laplacian(m), reference::cotangent_laplacian),
        ("edge_length", |x, m| edge_length(x, m, 1.25), |x, f| scalar(reference::edge_length(x, f, 1.25))),
        ("normal_consistency", |x, m| normal_consistency(x, m), |x, f| scalar(reference::normal_consistency(x, f))),
    ];
    let mut cases = Vec::new();
    for (name, vertices, faces) in surfaces() {
        let mesh = TriangleMesh::new(vertices, &faces).expect("a mesh");
        for (op, build, reference) in operators {
            if op == "normal_consistency" && faces.len() == 1 {
                continue;
            }
            for n in [1, 2, 3] {
                let (mesh, faces) = (mesh.clone(), faces.clone());
                cases.push(Case::new(
                    op,
                    name,
                    [drawn([n, vertices, 3])],
                    move |_, x| build(x[0], &mesh),
                    move |x| reference(&x[0], &faces),
                ));
            }
        }
        // A gradient of a gradient.
        let mesh = mesh.clone();
        cases.push(Case::new(
            "face_normals_gradient",
            name,
            [drawn([1, vertices, 3])],
            move |_, x| {
                let normals = x[0].face_normals(&mesh)?;
                let square = normals.mul(normals)?.sum_all()?;
                Ok(square.backward_to(&[x[0]])?.of(x[0]).expect("a gradient"))
            },
            move |x| square_normals_gradient(&x[0], &faces),
        ));
    }
    cases
}

/// The gradient of Σ |n|² over faces: each corner gets 2 (p − q) × n of the corners after and before it.
fn square_normals_gradient(x: &Tensor, faces: &reference::Faces) -> Tensor {
    let normals = reference::face_normals(x, faces);
    let mut y = Tensor { dims: x.dims.clone(), data: vec![0.0; x.data.len()] };
    for (f, face) in faces.iter().enumerate() {
        for k in 0..3 {
            let [own, p, q] = [0, 1, 2].map(|i| face[(k + i) % 3] as usize);
            let d = [0, 1, 2].map(|c| x.data[3 * p + c] - x.data[3 * q + c]);
            let n = [0, 1, 2].map(|c| normals.data[3 * f + c]);
            for c in 0..3 {
                let (a, b) = ((c + 1) % 3, (c + 2) % 3);
                y.data[3 * own + c] += 2.0 * (d[a] * n[b] - d[b] * n[a]);
            }
        }
    }
    y
}

fn points() -> Vec<Case> {
    let mut cases = Vec::new();
    for (n, p, q) in [
        (1, 1, 1),
        (1, 1, 9),
        (2, 9, 1),
        (2, 5, 7),
        (1, 65, 33),
        (3, 20, 150),
        (1, 200, 4),
        (2, 1, 2),
        (2, 2, 1),
        (1, 64, 64),
        (5, 3, 3),
        (1, 129, 2),
        (33, 1, 3),
    ] {
        let operands = || [drawn([n, p, 3]), drawn([n, q, 3])];
        cases.push(Case::new(
            "nearest_squared_distances",
            "",
            operands(),
            |_, x| x[0].nearest_squared_distances(x[1]),
            |x| reference::nearest_squared_distances(&x[0], &x[1]),
        ));
        cases.push(Case::new(
            "chamfer",
            "",
            operands(),
            |_, x| chamfer(x[0], x[1]),
            |x| scalar(reference::chamfer(&x[0], &x[1])),
        ));
        // Whole coordinates: equally near points abound, and distances are exact.
        for most in [1, 2, 4] {
            let whole = |points: usize| Operand::filled([n, points, 3], Fill::Whole(most));
            let case = Case::new(
                "nearest_points",
                format!("{most} values an axis"),
                [whole(p), whole(q)],
                |_, x| x[0].nearest_points(x[1]),
                |x| reference::nearest_points(&x[0], &x[1]),
            );
            cases.push(case.forward_only());
        }
    }
    cases
}
