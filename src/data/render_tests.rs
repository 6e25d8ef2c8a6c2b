//! Rendering held against a plain reference on the CPU, and what every sample must satisfy.

use glam::{Vec2, Vec3};

use super::*;
use crate::data::raster::{FACE_BITS, FAR_MM, NEAR_MM, NO_FACE, Visibility};
use crate::data::{Framing, Views, mesh::SceneMesh};
use crate::error::Error;
use crate::gpu::GpuOptions;
use crate::graph::TensorData;
use crate::hand::RiggedHand;

fn gpu() -> Gpu {
    Gpu::open(&GpuOptions::default()).expect("an adapter (on Debian: mesa-vulkan-drivers)")
}

fn renderer(size: usize, seed: u64) -> SceneRenderer {
    SceneRenderer::new(&gpu(), SceneSampler::new(&RiggedHand::right(), size, seed))
}

/// Keys of triangles seen by one camera.
fn keys(size: usize, camera: &Camera, vertices: &[Vec3], faces: &[[u32; 3]], cull_back: bool) -> Vec<u32> {
    let tagged: Vec<u32> = faces.iter().flat_map(|f| [f[0], f[1], f[2], 0]).collect();
    let faces = TensorData::u32([faces.len(), 4], &tagged).unwrap();
    let r = Recorder::new();
    let (v, c) = (r.input("v", [1, vertices.len(), 3]), r.input("c", [1, 4]));
    let key = r.apply(Visibility { faces, size, cull_back }, &[v, c]).unwrap();
    let mut program = gpu().compile(&r, [key]).unwrap();
    let flat: Vec<f32> = vertices.iter().flat_map(|v| v.to_array()).collect();
    let lens = [camera.fx, camera.fy, camera.cx, camera.cy];
    program.run([("v", flat.as_slice()), ("c", lens.as_slice())]).unwrap().u32(0).to_vec()
}

fn face_of(key: u32) -> Option<usize> {
    (key != NO_FACE).then_some((key & ((1 << FACE_BITS) - 1)) as usize)
}

/// A camera that maps millimetres at depth 100 to pixels one to one.
fn flat_camera() -> Camera {
    Camera::new(100.0, 100.0, 0.0, 0.0).unwrap()
}

fn at(x: f32, y: f32) -> Vec3 {
    Vec3::new(x, y, 100.0)
}

/// Every pixel's ray against every face, in f64: the nearest depth and its face, and how near the ray comes to an edge.
fn brute_force(
    camera: &Camera,
    vertices: &[Vec3],
    faces: &[[u32; 4]],
    x: usize,
    y: usize,
) -> (Option<usize>, f64, f64) {
    let ray = camera.unproject(Vec2::new(x as f32 + 0.5, y as f32 + 0.5), 1.0).as_dvec3();
    let (mut best, mut depth, mut clearance) = (None, f64::MAX, f64::MAX);
    for (i, face) in faces.iter().enumerate() {
        let [a, b, c] = [face[0], face[1], face[2]].map(|v| vertices[v as usize].as_dvec3());
        let weights = [ray.dot(b.cross(c)), ray.dot(c.cross(a)), ray.dot(a.cross(b))];
        let sum: f64 = weights.iter().sum();
        // Faces seen from behind are culled; their determinant is positive.
        if sum >= 0.0 {
            continue;
        }
        let least = weights.iter().map(|w| w / sum).fold(f64::MAX, f64::min);
        clearance = clearance.min(least.abs());
        let z = a.dot(b.cross(c)) / sum;
        if least >= 0.0 && z < depth {
            (best, depth) = (Some(i), z);
        }
    }
    (best, depth, clearance)
}

#[test]
fn the_nearest_surface_wins_as_in_a_brute_force_search() {
    let sampler = SceneSampler::new(&RiggedHand::right(), 32, 11);
    let mut compared = 0;
    for index in 0..3 {
        let scene = sampler.sample(index);
        let faces = &sampler.mesh().faces;
        let corners: Vec<[u32; 3]> = faces.iter().map(|f| [f[0], f[1], f[2]]).collect();
        let keys = keys(32, &scene.camera, &scene.vertices_mm, &corners, true);
        for (i, key) in keys.iter().enumerate() {
            let (face, depth, clearance) = brute_force(&scene.camera, &scene.vertices_mm, faces, i % 32, i / 32);
            // Corners are snapped to 1/256 pixel, so rays along an edge may fall to either side, and steep faces move.
            if clearance < 0.02 {
                continue;
            }
            compared += 1;
            let got = face_of(*key).map(|_| f64::from(key >> FACE_BITS) / 256.0);
            match (face, got) {
                (None, None) => {}
                (Some(_), Some(z)) => assert!((z - depth).abs() < 2.0, "scene {index} pixel {i}: {z} mm, not {depth}"),
                other => panic!("scene {index} pixel {i}: {other:?}"),
            }
        }
    }
    assert!(compared > 1000, "only {compared} pixels away from edges");
}

#[test]
fn ties_go_to_the_lowest_face() {
    let vertices = [at(2.0, 2.0), at(2.0, 26.0), at(26.0, 2.0)];
    let found = keys(28, &flat_camera(), &vertices, &[[0, 1, 2]; 100], true);
    let covered: Vec<usize> = found.into_iter().filter_map(face_of).collect();
    assert!(covered.len() > 200, "{} pixels", covered.len());
    assert!(covered.iter().all(|&f| f == 0));
}

#[test]
fn shared_edges_have_neither_holes_nor_double_hits() {
    // A quad of two faces over the whole image, and the diagonal that passes through pixel centres.
    let quad = [at(0.0, 0.0), at(0.0, 8.0), at(8.0, 8.0), at(8.0, 0.0)];
    let both = keys(8, &flat_camera(), &quad, &[[0, 1, 2], [0, 2, 3]], true);
    assert!(both.iter().all(|&k| k != NO_FACE));
    let one = keys(8, &flat_camera(), &quad, &[[0, 1, 2]], true);
    let other = keys(8, &flat_camera(), &quad, &[[0, 2, 3]], true);
    assert!(one.iter().zip(&other).all(|(a, b)| (*a == NO_FACE) != (*b == NO_FACE)));
    // Corners a hair off pixel centres.
    let (low, high) = (0.499_938_96, 6.500_061);
    let hair = [at(0.5, low), at(0.5, 6.5), at(high, low), at(high, 6.5)];
    let diagonal = keys(8, &flat_camera(), &hair, &[[0, 1, 2], [3, 2, 1]], true);
    for i in 1..6 {
        assert!((1..6).all(|j| diagonal[8 * i + j] != NO_FACE), "row {i}: {:?}", &diagonal[8 * i..8 * i + 8]);
    }
}

#[test]
fn faces_without_area_behind_the_camera_or_seen_from_behind_are_skipped() {
    let fine = [at(1.0, 1.0), at(1.0, 15.0), at(15.0, 1.0)];
    let drawn = |v: &[Vec3], cull| keys(16, &flat_camera(), v, &[[0, 1, 2]], cull).iter().any(|&k| k != NO_FACE);
    assert!(drawn(&fine, true));
    let mut behind = fine;
    behind[2].z = -100.0;
    assert!(!drawn(&behind, false));
    behind[2].z = NEAR_MM - 1.0;
    assert!(!drawn(&behind, false));
    behind[2].z = FAR_MM + 1.0;
    assert!(!drawn(&behind, false));
    for axis in 0..3 {
        let mut nan = fine;
        nan[2][axis] = f32::NAN;
        assert!(!drawn(&nan, false), "axis {axis}");
    }
    assert!(!drawn(&[at(1.0, 1.0), at(5.0, 5.0), at(9.0, 9.0)], false));
    let turned = [fine[0], fine[2], fine[1]];
    assert!(!drawn(&turned, true));
    assert!(drawn(&turned, false));
    // Far outside the image, where fixed point would overflow.
    assert!(!drawn(&fine.map(|v| v + Vec3::X * 1e9), false));
    assert!(!drawn(&[at(1.0, 1.0), at(1.0, 1e7), at(1e7, 1.0)], false));
}

#[test]
fn depth_is_perspective_correct() {
    // A face that recedes from 100 to 200 mm.
    let camera = Camera::new(100.0, 100.0, 16.0, 16.0).unwrap();
    let vertices = [Vec3::new(-60.0, 10.0, 100.0), Vec3::new(60.0, 10.0, 100.0), Vec3::new(0.0, -20.0, 200.0)];
    let found = keys(32, &camera, &vertices, &[[0, 1, 2]], false);
    for (i, key) in found.iter().enumerate().filter(|(_, k)| **k != NO_FACE) {
        // The plane through the corners: y = 40 − 0.3 z, so z = 40 / (ray.y + 0.3).
        let ray_y = ((i / 32) as f32 + 0.5 - 16.0) / 100.0;
        let z = (key >> FACE_BITS) as f32 / 256.0;
        assert!((z - 40.0 / (ray_y + 0.3)).abs() < 0.1, "row {}: {z}", i / 32);
    }
    assert!(found.iter().filter(|k| **k != NO_FACE).count() > 100);
}

#[test]
fn what_does_not_fit_is_refused() {
    let r = Recorder::new();
    let (v, c) = (r.input("v", [2, 3, 3]), r.input("c", [3, 4]));
    let faces = TensorData::u32([1, 4], &[0, 1, 2, 0]).unwrap();
    let op = Visibility { faces, size: 8, cull_back: true };
    let refused = |op: &Visibility, inputs: &[crate::Var<'_>]| match r.apply(op.clone(), inputs) {
        Err(Error::Operand { operand, .. }) => operand,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&op, &[v, c]), "camera");
    assert_eq!(refused(&op, &[c, c]), "vertices");
    let c = r.input("c2", [2, 4]);
    assert_eq!(refused(&Visibility { size: 0, ..op.clone() }, &[v, c]), "size");
    let outside = TensorData::u32([1, 4], &[0, 1, 3, 0]).unwrap();
    assert_eq!(refused(&Visibility { faces: outside, ..op.clone() }, &[v, c]), "faces");
    let many = TensorData::u32([4097, 4], &vec![0; 4 * 4097]).unwrap();
    assert_eq!(refused(&Visibility { faces: many, ..op.clone() }, &[v, c]), "faces");
    assert!(r.apply(op, &[v, c]).is_ok());
}

#[test]
fn one_seed_gives_the_same_bits_in_any_batch() {
    let (mut one, mut other) = (renderer(48, 5), renderer(48, 5));
    let three = one.render(7, 3).unwrap();
    assert_eq!(three, one.render(7, 3).unwrap());
    assert_eq!(three[2..], other.render(9, 1).unwrap());
    let another = renderer(48, 6).render(7, 1).unwrap();
    assert_ne!(three[0].rgb, another[0].rgb);
    assert_ne!(three[0].joints_mm, another[0].joints_mm);
}

#[test]
fn samples_agree_with_their_truth() {
    let size = 64;
    let (mut visible, mut inside, mut in_front, mut joints) = (0, 0, 0, 0);
    for sample in renderer(size, 3).render(0, 24).unwrap() {
        assert!(sample.rgb.iter().all(|v| (0.0..=1.0).contains(v)));
        let mean = sample.rgb.iter().sum::<f32>() / sample.rgb.len() as f32;
        let spread = sample.rgb.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / sample.rgb.len() as f32;
        assert!(spread > 1e-4, "a picture of nothing");
        for (mask, depth) in sample.mask.iter().zip(&sample.depth_mm) {
            assert_eq!(*mask, if *depth > 0.0 { 1.0 } else { 0.0 });
        }
        // Where a vertex lies at the depth that is seen in its pixel, that pixel must be hand.
        for v in &sample.vertices_mm {
            let uv = sample.camera.project(*v);
            assert!(uv.x > 0.0 && uv.y > 0.0 && uv.x < size as f32 && uv.y < size as f32, "hand outside the crop");
            let pixel = uv.y as usize * size + uv.x as usize;
            inside += u32::from(sample.mask[pixel] == 1.0);
            visible += 1;
            let depth = sample.depth_mm[pixel];
            in_front += u32::from(depth > 0.0 && v.z < depth - 10.0);
        }
        for (mm, px) in sample.joints_mm.iter().zip(&sample.joints_px) {
            assert!(sample.camera.project(*mm).distance(*px) < 1e-3);
            joints += u32::from(px.min_element() >= 0.0 && px.max_element() <= size as f32);
        }
    }
    // Nothing of the hand is before what is seen, but for outlines that miss a pixel's centre.
    let before = f64::from(in_front) / f64::from(visible);
    assert!(before < 0.02, "{before} of the vertices lie before the surface");
    let share = f64::from(inside) / f64::from(visible);
    assert!(share > 0.75, "{share} of the vertices project into the mask");
    assert_eq!(joints, 24 * 21);
}

#[test]
fn without_occluders_the_hand_lies_in_its_mask() {
    let sampler = SceneSampler::new(&RiggedHand::right(), 96, 8);
    let mut batch: Vec<_> = (0..8).map(|i| sampler.sample(i)).collect();
    batch.iter_mut().for_each(|scene| scene.look.before = Default::default());
    let mut renderer = SceneRenderer::new(&gpu(), sampler);
    for sample in renderer.render_batch(SceneBatch::of(batch)).unwrap() {
        let near_mask = |uv: Vec2| {
            let (x, y) = (uv.x as i32, uv.y as i32);
            let pixels = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (x + dx, y + dy)));
            let mut inside = pixels.filter(|(x, y)| (0..96).contains(x) && (0..96).contains(y));
            inside.any(|(x, y)| sample.mask[y as usize * 96 + x as usize] == 1.0)
        };
        let found = sample.vertices_mm.iter().filter(|v| near_mask(sample.camera.project(**v))).count();
        // An arm towards the camera may hide part of the hand.
        let share = found as f64 / sample.vertices_mm.len() as f64;
        assert!(share > 0.6, "{share}");
    }
}

#[test]
fn free_views_are_spread_over_all_directions() {
    let sampler = SceneSampler::new(&RiggedHand::right(), 64, 1).with_views(Views::Free);
    let fingers: Vec<Vec3> = (0..400).map(|i| sampler.sample(i).pose.rotation * Vec3::NEG_Y).collect();
    let mean = fingers.iter().sum::<Vec3>() / 400.0;
    // The mean of 400 uniform directions is 0.03 long on each axis.
    assert!(mean.length() < 0.17, "{mean}");
    let squares = fingers.iter().map(|v| *v * *v).sum::<Vec3>() / 400.0;
    assert!((squares - Vec3::splat(1.0 / 3.0)).abs().max_element() < 0.06, "{squares}");
}

/// The part of the image that the hand of a scene fills, and how far from the middle it is, in sides of the image.
fn framed(sampler: &SceneSampler, index: u64) -> (f32, f32) {
    let (scene, size) = (sampler.sample(index), sampler.size_px() as f32);
    let seen = || scene.hand_mm().iter().map(|v| scene.camera.project(*v) / size);
    let (low, high) = (seen().fold(Vec2::INFINITY, Vec2::min), seen().fold(Vec2::NEG_INFINITY, Vec2::max));
    ((high - low).max_element(), (0.5 * (low + high) - 0.5).abs().max_element())
}

#[test]
fn hands_are_framed_as_asked() {
    let loose = SceneSampler::new(&RiggedHand::right(), 64, 7);
    let around = loose.clone().with_framing(Framing::Around(0.65));
    let mut fills = Vec::new();
    for index in 0..200 {
        let (fill, aside) = framed(&around, index);
        if index % 4 == 0 {
            assert_eq!((fill, aside), framed(&loose, index), "one of four is loose");
            continue;
        }
        assert!((0.515..0.785).contains(&fill) && aside < 0.0701, "scene {index}: {fill}, {aside}");
        fills.push(fill);
        assert_eq!(around.sample(index).look, loose.sample(index).look, "all else is the same");
    }
    let mean = fills.iter().sum::<f32>() / fills.len() as f32;
    assert!((mean - 0.65).abs() < 0.03 && fills.iter().any(|f| *f < 0.55) && fills.iter().any(|f| *f > 0.75));
    let wide = (0..200).map(|index| framed(&loose, index)).collect::<Vec<_>>();
    assert!(wide.iter().all(|(fill, aside)| (0.49..0.93).contains(fill) && *aside < 0.2));
    assert!(wide.iter().any(|(_, aside)| *aside > 0.12));
}

#[test]
fn the_arm_continues_the_rim() {
    let hand = RiggedHand::right();
    let mesh = SceneMesh::new(&hand);
    assert!(mesh.hand_faces < hand.faces().len() && mesh.hand_faces > hand.faces().len() - 100);
    assert!(mesh.faces.len() <= 1 << FACE_BITS);
    let sampler = SceneSampler::new(&hand, 64, 4);
    for index in 0..20 {
        let scene = sampler.sample(index);
        assert_eq!(scene.vertices_mm.len(), mesh.vertices);
        assert!(scene.vertices_mm.iter().all(|v| v.is_finite()));
        // The hand's rim (edges of one face only) lies on the arm's first rings.
        let mut edges = std::collections::HashMap::new();
        for &[a, b, c, _] in &mesh.faces[..mesh.hand_faces] {
            for (p, q) in [(a, b), (b, c), (c, a)] {
                *edges.entry((p.min(q), p.max(q))).or_insert(0) += 1;
            }
        }
        let rim: Vec<u32> = edges.iter().filter(|(_, n)| **n == 1).map(|((p, _), _)| *p).collect();
        assert!(rim.len() > 10);
        let arm = &scene.vertices_mm[mesh.hand_vertices..];
        for v in rim {
            let v = scene.vertices_mm[v as usize];
            let nearest = arm.iter().map(|a| a.distance(v)).fold(f32::MAX, f32::min);
            assert!(nearest < 9.0, "scene {index}: rim {nearest} mm from the arm");
        }
    }
}
