use std::sync::Arc;

use kernels_tests::harness::TRUSTED;
use kernels_tests::{cases, harness};
use knuckle::nn::mesh_losses::{chamfer, edge_length, normal_consistency};
use knuckle::nn::shading::Lights;
use knuckle::nn::skinning::SkinnedModel;
use knuckle::ops::{Rig, RigFrame, Skeleton, SkinWeights, TriangleMesh};
use knuckle::{Error, Recorder, Result, Var};

#[test]
fn agrees_with_the_reference_in_both_directions() {
    harness::prove(&cases::mesh::cases());
}

/// The result for given operands, and the gradients of the sum of its elements with respect to each.
fn run(
    operands: &[(&[usize], &[f32])],
    build: impl for<'r> Fn(&[Var<'r>]) -> Result<Var<'r>>,
) -> Result<(Vec<f32>, Vec<Vec<f32>>)> {
    let r = Recorder::new();
    let names: Vec<String> = (0..operands.len()).map(|i| format!("x{i}")).collect();
    let x: Vec<Var<'_>> = operands.iter().zip(&names).map(|((dims, _), name)| r.input(name, *dims)).collect();
    let y = build(&x)?;
    let gradients = y.sum_all()?.backward_to(&x)?;
    let mut outputs = vec![y];
    outputs.extend(x.iter().map(|x| gradients.of(*x).expect("a gradient")));
    let mut executable = TRUSTED.compile(&r, outputs)?;
    let used = |name: &String| executable.program().inputs.iter().any(|port| port.name == *name);
    let inputs: Vec<_> = names.iter().zip(operands).filter(|(name, _)| used(name)).collect();
    let results = executable.run(inputs.into_iter().map(|(name, (_, values))| (name.as_str(), *values)))?;
    Ok((results.f32(0).to_vec(), (0..operands.len()).map(|i| results.f32(1 + i).to_vec()).collect()))
}

fn assert_finite(what: &str, values: &[f32]) {
    assert!(values.iter().all(|v| v.is_finite()), "{what}: {values:?}");
}

const IDENTITY: [f32; 9] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];

#[test]
fn rotations_that_are_none() -> Result<()> {
    // Of no turn the gradient is that of [x]×, whose elements sum to 0.
    let (y, g) = run(&[(&[1, 3], &[0.0; 3])], |x| x[0].axis_angle_to_matrix())?;
    assert_eq!((y, &g[0][..]), (IDENTITY.to_vec(), &[0.0; 3][..]));
    let (y, g) = run(&[(&[1, 4], &[0.0; 4])], |x| x[0].quaternion_to_matrix())?;
    assert_eq!((y, &g[0][..]), (IDENTITY.to_vec(), &[0.0; 4][..]));
    // A vector of 0, parallel vectors, and both 0: the columns that cannot be told are 0.
    let (y, g) = run(&[(&[1, 6], &[0.0, 0.0, 0.0, 0.0, 2.0, 0.0])], |x| x[0].six_d_to_matrix())?;
    assert_eq!(y, [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_finite("first vector 0", &g[0]);
    let (y, g) = run(&[(&[1, 6], &[2.0, 0.0, 0.0, 3.0, 0.0, 0.0])], |x| x[0].six_d_to_matrix())?;
    assert_eq!(y, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_finite("parallel", &g[0]);
    let (y, g) = run(&[(&[1, 6], &[0.0; 6])], |x| x[0].six_d_to_matrix())?;
    assert_eq!((y, &g[0][..]), (vec![0.0; 9], &[0.0; 6][..]));
    Ok(())
}

/// A turn by π about x and a third of a turn about the diagonal, both ways of writing them.
#[test]
fn rotations_that_are_known() -> Result<()> {
    let third = 2.0 * std::f32::consts::PI / 3.0 / 3.0f32.sqrt();
    let turns = [std::f32::consts::PI, 0.0, 0.0, third, third, third];
    let expected = [1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let close = |y: &[f32]| y.iter().zip(&expected).all(|(y, e)| (y - e).abs() < 1e-6);
    let (y, _) = run(&[(&[2, 3], &turns)], |x| x[0].axis_angle_to_matrix())?;
    assert!(close(&y), "{y:?}");
    let (y, _) = run(&[(&[2, 4], &[0.0, 3.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0])], |x| x[0].quaternion_to_matrix())?;
    assert!(close(&y), "{y:?}");
    Ok(())
}

#[test]
fn meshes_without_area_or_length_have_finite_gradients() -> Result<()> {
    type Build = for<'r> fn(Var<'r>, &Arc<TriangleMesh>) -> Result<Var<'r>>;
    let operators: [(&str, Build); 8] = [
        ("face normals", |x, m| x.face_normals(m)),
        ("unit normals", |x, m| x.face_normals(m)?.unit_vectors()),
        ("areas", |x, m| x.face_areas(m)),
        ("vertex normals", |x, m| x.vertex_normals(m)),
        ("edge lengths", |x, m| x.edge_lengths(m)),
        ("cotangent Laplacian", |x, m| x.cotangent_laplacian(m)),
        ("edge length", |x, m| edge_length(x, m, 1.0)),
        ("normal consistency", |x, m| normal_consistency(x, m)),
    ];
    let mesh = TriangleMesh::new(5, &[[0, 1, 2], [2, 1, 3]])?;
    // All in one place; on one line; two in one place beside a proper face; nearly on a line.
    let places: [[f32; 15]; 4] = [
        [7.5; 15],
        [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 2.0, 4.0, 6.0, -1.0, -2.0, -3.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 2.0, 1e-7, 0.0, 3.0, 0.0, 1e-7, 0.0, 0.0, 0.0],
    ];
    for (name, build) in operators {
        for (i, place) in places.iter().enumerate() {
            let (y, g) = run(&[(&[1, 5, 3], place)], |x| build(x[0], &mesh))?;
            assert_finite(&format!("{name} of {i}"), &y);
            assert_finite(&format!("gradient of {name} of {i}"), &g[0]);
            if i == 0 && name != "edge length" && name != "normal consistency" {
                assert!(y.iter().chain(&g[0]).all(|v| *v == 0.0), "{name}: {y:?}, {g:?}");
            }
        }
    }
    Ok(())
}

/// A regular tetrahedron about the origin: normals point outwards, vertex normals along the vertices.
#[test]
fn a_tetrahedron_is_as_known() -> Result<()> {
    let vertices = [1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, 1.0, -1.0, -1.0, -1.0, 1.0];
    let mesh = TriangleMesh::new(4, &[[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])?;
    assert_eq!(mesh.edges(), [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
    assert_eq!(mesh.face_neighbours().len(), 6);
    let close = |y: &[f32], e: &[f32]| y.len() == e.len() && y.iter().zip(e).all(|(y, e)| (y - e).abs() < 1e-6);
    let of = |build: for<'r> fn(Var<'r>, &Arc<TriangleMesh>) -> Result<Var<'r>>| {
        run(&[(&[1, 4, 3], &vertices)], |x| build(x[0], &mesh)).map(|(y, _)| y)
    };
    assert!(close(&of(|x, m| x.face_areas(m))?, &[12.0f32.sqrt(); 4]));
    assert!(close(&of(|x, m| x.edge_lengths(m))?, &[8.0f32.sqrt(); 6]));
    let along: Vec<f32> = vertices.iter().map(|v| v / 3.0f32.sqrt()).collect();
    assert!(close(&of(|x, m| x.vertex_normals(m))?, &along));
    let outwards: Vec<f32> = [3, 2, 1, 0].iter().flat_map(|v| along[3 * v..3 * v + 3].iter().map(|a| -a)).collect();
    assert!(close(&of(|x, m| x.face_normals(m)?.unit_vectors())?, &outwards));
    // Every cotangent is 1/√3, and the other vertices sum to minus this one.
    let laplacian: Vec<f32> = vertices.iter().map(|v| 4.0 * v / 3.0f32.sqrt()).collect();
    assert!(close(&of(|x, m| x.cotangent_laplacian(m))?, &laplacian));
    assert!(close(&of(|x, m| normal_consistency(x, m))?, &[4.0 / 3.0]));
    Ok(())
}

#[test]
fn points_in_one_place_have_no_distance_and_no_gradient() -> Result<()> {
    let same = [0.25; 12];
    let (y, g) = run(&[(&[1, 4, 3], &same), (&[1, 4, 3], &same)], |x| chamfer(x[0], x[1]))?;
    assert_eq!((&y[..], g), (&[0.0][..], vec![vec![0.0; 12]; 2]));
    // Of equally near points the first is the nearest.
    let (y, g) = run(&[(&[1, 1, 3], &[0.0; 3]), (&[1, 3, 3], &[5.0, 0.0, 0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0])], |x| {
        x[0].nearest_squared_distances(x[1])
    })?;
    assert_eq!(y, [1.0]);
    assert_eq!(g, [vec![-2.0, 0.0, 0.0], vec![0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0]]);
    Ok(())
}

#[test]
fn points_behind_the_camera_count_as_near() -> Result<()> {
    let points = [1.0, 2.0, 0.5, 1.0, 2.0, 0.0, 1.0, 2.0, -3.0, 1.0, 2.0, 4.0];
    let camera = [100.0, 200.0, 8.0, 16.0];
    let (y, g) = run(&[(&[1, 4, 3], &points), (&[1, 4], &camera)], |x| x[0].project_perspective(x[1], 0.5))?;
    assert_eq!(y, [208.0, 816.0, 208.0, 816.0, 208.0, 816.0, 33.0, 116.0]);
    let near = [200.0, 400.0, 0.0];
    assert_eq!(g[0], [near, near, near, [25.0, 50.0, -31.25]].concat());
    assert_eq!(g[1], [6.25, 12.5, 4.0, 4.0]);
    Ok(())
}

#[test]
fn what_kernels_trust_is_checked_first() {
    let invalid = |error: Error, says: &str| {
        let text = error.to_string();
        assert!(matches!(error, Error::Invalid { .. }) && text.contains(says), "{text}");
    };
    invalid(TriangleMesh::new(3, &[]).unwrap_err(), "at least one face");
    invalid(TriangleMesh::new(3, &[[0, 1, 2], [0, 1, 3]]).unwrap_err(), "3 in face 1");
    invalid(TriangleMesh::new(0, &[[0, 1, 2]]).unwrap_err(), "vertices below 0");
    invalid(TriangleMesh::new(3, &[[0, 1, 1]]).unwrap_err(), "three different vertices");
    invalid(TriangleMesh::new(usize::MAX, &[[0, 1, 2]]).unwrap_err(), "at most 16777216 vertices");
    invalid(Skeleton::new(&[]).unwrap_err(), "joints");
    invalid(Skeleton::new(&[0, 2, 2]).unwrap_err(), "2 for joint 1");
    invalid(Skeleton::new(&[usize::MAX]).unwrap_err(), "for joint 0");
    invalid(Skeleton::new(&vec![0; 5000]).unwrap_err(), "5000");
    invalid(SkinWeights::new(2, &[vec![(0, 1.0)], vec![(2, 1.0)]]).unwrap_err(), "2 at vertex 1");
    invalid(SkinWeights::new(2, &[vec![(0, 0.0)], vec![]]).unwrap_err(), "none");
    invalid(SkinWeights::new(usize::MAX, &[vec![(0, 1.0)]]).unwrap_err(), "65535 joints");
    let error = SkinWeights::new(2, &[[(0, f32::INFINITY)]]).unwrap_err();
    assert!(matches!(error, Error::NotFinite { .. }), "{error}");

    let frame = |origin: f64, x: f64| RigFrame {
        origin: [origin; 3],
        axes: [x, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        stretch: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
    };
    let rig = |parents: &[usize], frames: &[RigFrame]| {
        Rig::new(Skeleton::new(parents).expect("a tree"), frames).map(|_| ()).unwrap_err()
    };
    invalid(rig(&[0, 0], &[frame(0.0, 1.0)]), "frames");
    invalid(rig(&[0, 1], &[frame(0.0, 1.0); 2]), "joint 1 too");
    invalid(rig(&[0, 0], &[frame(0.0, 1.0), frame(f64::NAN, 1.0)]), "joint 1");
    for x in [-1.0, 0.0, 1.1, f64::NAN, f64::INFINITY] {
        invalid(rig(&[0], &[frame(0.0, x)]), "rotations");
    }

    let (skeleton, weights) =
        (Skeleton::new(&[0]).expect("a tree"), SkinWeights::new(1, &[[(0, 1.0)]]).expect("weights"));
    let model = |vertices: &[[f32; 3]], frames: &[[f32; 12]]| {
        SkinnedModel::new(vertices, frames, skeleton.clone(), weights.clone()).map(|_| ()).unwrap_err()
    };
    let frame = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    invalid(model(&[], &[frame]), "vertices");
    invalid(model(&[[0.0; 3]], &[frame, frame]), "frames");
    invalid(model(&[[0.0; 3]], &[[0.0; 12]]), "invertible");
    let error = model(&[[f32::NAN, 0.0, 0.0]], &[frame]);
    assert!(matches!(error, Error::NotFinite { .. }), "{error}");
    let other = SkinWeights::new(2, &[[(0, 1.0)]]).expect("weights");
    invalid(
        SkinnedModel::new(&[[0.0; 3]], &[frame], skeleton, other).map(|_| ()).unwrap_err(),
        "joints of the weights",
    );
}

/// Nine coefficients of a lamp's light, as the paper has them, come near the cosine; of a sky of one colour they are the ambient.
#[test]
fn harmonics_light_as_the_environment_they_stand_for() -> Result<()> {
    let lamp = [0.6f32, -0.48, 0.64];
    let (basis, _) = run(&[(&[1, 3], &lamp)], |x| x[0].spherical_harmonics())?;
    let factors = [1.0, 2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 0.25, 0.25, 0.25, 0.25, 0.25];
    // Red: a lamp that lights what faces it with 1. Green: a sky that lights everything with 1.
    let mut coefficients: Vec<f32> = basis.iter().zip(factors).map(|(y, f)| y * f * std::f32::consts::PI).collect();
    coefficients = coefficients.iter().flat_map(|&c| [c, 0.0, 0.0]).collect();
    coefficients[1] = std::f32::consts::PI.sqrt() * 2.0;
    let normals: Vec<f32> = (0..200)
        .flat_map(|i| {
            let (z, turn) = (1.0 - (i as f32 + 0.5) / 100.0, 2.4 * i as f32);
            let across = (1.0 - z * z).sqrt();
            [across * turn.cos(), across * turn.sin(), z]
        })
        .collect();
    let none = [0.0; 3];
    let inputs: [(&[usize], &[f32]); 4] =
        [(&[1, 200, 3], &normals), (&[1, 3], &none), (&[1, 1, 3], &none), (&[1, 9, 3], &coefficients)];
    let (light, _) = run(&inputs, |x| {
        Lights { ambient: x[1], directions: x[2], colours: x[2], harmonics: Some(x[3]) }.irradiance(x[0])
    })?;
    for (normal, light) in normals.chunks(3).zip(light.chunks(3)) {
        let cosine: f32 = normal.iter().zip(lamp).map(|(a, b)| a * b).sum();
        assert!((light[0] - cosine.max(0.0)).abs() < 0.1, "{} against {cosine}", light[0]);
        assert!((light[1] - 1.0).abs() < 1e-5 && light[2] == 0.0, "{light:?}");
    }
    Ok(())
}
