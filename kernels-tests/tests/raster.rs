//! The rasteriser: numbers that other renderers agree on, exact coverage, and properties of pictures. What is known to go wrong
//! in others is in `raster/failures.rs`.

use kernels_tests::harness::TRUSTED;
use kernels_tests::{cases, harness};
use knuckle::exec::{CompileOptions, Target, compile};
use knuckle::graph::TensorData;
use knuckle::ops::{NO_FACE, Projection, Raster, Rasterized, TriangleMesh};
use knuckle::rng::Rng;
use knuckle::{Recorder, Result, Var};

#[path = "raster/failures.rs"]
mod failures;

#[test]
fn agrees_with_the_reference_in_both_directions() {
    harness::prove(&cases::raster::cases());
}

/// A mesh seen by a camera: the same list of vertices for every image.
struct Scene<'a> {
    vertices: &'a [[f32; 3]],
    faces: &'a [[u32; 3]],
    /// fx, fy, cx, cy.
    camera: [f32; 4],
    perspective: bool,
    raster: Raster,
}

/// Runs a program that only has constants and one input, the vertices; gives its outputs' words.
fn run(
    scene: &Scene<'_>,
    build: impl for<'r> Fn(&'r Recorder, Var<'r>, Rasterized<'r>) -> Result<Vec<Var<'r>>>,
) -> Result<Vec<Vec<f32>>> {
    let r = Recorder::new();
    let vertices = r.input("vertices", [1, scene.vertices.len(), 3]);
    let mesh = TriangleMesh::new(scene.vertices.len(), scene.faces)?;
    let camera = r.constant([1, 4], &scene.camera)?;
    let projection = if scene.perspective { Projection::Perspective(camera) } else { Projection::Orthographic(camera) };
    let outputs = build(&r, vertices, vertices.rasterize(&mesh, projection, scene.raster)?)?;
    let count = outputs.len();
    let mut executable = TRUSTED.compile(&r, outputs)?;
    let results = executable.run([("vertices", scene.vertices.as_flattened())])?;
    Ok((0..count).map(|i| results.f32(i).to_vec()).collect())
}

/// Pixel coordinates that run from −1 to 1 over a square image, y up, seen from afar.
fn ndc(size: usize) -> [f32; 4] {
    let half = size as f32 / 2.0;
    [half, -half, half, half]
}

fn assert_near(got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len());
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * w.abs().max(1.0), "{i}: {g} against {w}\n{got:?}\n{want:?}");
    }
}

/// |silhouette at a pixel − target| and its gradient with respect to the vertices, and how many pixels are covered.
fn edge_gradient(vertices: &[[f32; 3]], pixel: [usize; 2], target: f32) -> Result<(f32, Vec<f32>)> {
    let moved: Vec<[f32; 3]> = vertices.iter().map(|&[x, y, z]| [x, y, z + 2.732]).collect();
    let raster = Raster { near: 0.1, ..Raster::new(64, 64) };
    let scene = Scene { vertices: &moved, faces: &[[0, 1, 2]], camera: ndc(64), perspective: false, raster };
    let results = run(&scene, |r, vertices, drawn| {
        let alpha = drawn.edge_silhouette()?;
        let at = alpha.slice(1, pixel[0], 1)?.slice(2, pixel[1], 1)?;
        let loss = at.sub(r.scalar(target))?.abs()?.sum_all()?;
        let gradient = loss.backward_to(&[vertices])?.of(vertices).expect("a gradient");
        Ok(vec![alpha.sum_all()?, gradient])
    })?;
    Ok((results[0][0], results[1].clone()))
}

#[test]
fn edges_are_pulled_outward_to_a_pixel() -> Result<()> {
    let (covered, gradient) = edge_gradient(&[[0.8, 0.8, 1.0], [0.0, -0.5, 1.0], [0.2, -0.4, 1.0]], [25, 35], 1.0)?;
    assert_eq!(covered, 100.0);
    let want = [1.6725862, -0.26021874, 0.0, 1.419867, -1.6428493, 0.0, 0.0, 0.0, 0.0];
    assert_near(&gradient, &want, 1e-4);
    Ok(())
}

#[test]
fn edges_are_pulled_inward_from_a_pixel() -> Result<()> {
    let (covered, gradient) = edge_gradient(&[[0.8, 0.8, 1.0], [-0.5, -0.8, 1.0], [0.8, -0.8, 1.0]], [40, 50], 0.0)?;
    assert_eq!(covered, 1101.0);
    let want = [0.9864687, 1.046289, 0.0, -1.0341567, -0.10403691, 0.0, 3.0009446, -1.5517318, 0.0];
    assert_near(&gradient, &want, 1e-4);
    Ok(())
}

#[test]
fn depth_and_its_gradient() -> Result<()> {
    // In image coordinates from −1 to 1: points of homogeneous pixels, so x and y go in multiplied by z.
    let ndc_vertices = [[-0.9f32, -0.9, 2.0], [-0.8, 0.8, 1.0], [0.8, 0.8, 0.5]];
    let vertices = ndc_vertices.map(|[x, y, z]| [x * z, y * z, z]);
    let raster = Raster { near: 0.1, ..Raster::new(64, 64) };
    let scene = Scene { vertices: &vertices, faces: &[[0, 1, 2]], camera: ndc(64), perspective: true, raster };
    let results = run(&scene, |r, vertices, drawn| {
        let depth = drawn.depth(100.0)?.slice(1, 15, 1)?.slice(2, 20, 1)?;
        let weights = drawn.barycentrics()?.slice(1, 15, 1)?.slice(2, 20, 1)?;
        let loss = depth.sub(r.scalar(1.0))?.square()?.sum_all()?;
        let gradient = loss.backward_to(&[vertices])?.of(vertices).expect("a gradient");
        Ok(vec![depth, weights, gradient])
    })?;
    assert_near(&results[0], &[0.8318043], 1e-5);
    // The weights given are those in the image: corrected for perspective they are multiplied by depth over z.
    let weights: Vec<f32> =
        [0.1672794, 0.546875, 0.28584559].iter().zip(ndc_vertices).map(|(w, v)| w * 0.8318043 / v[2]).collect();
    assert_near(&results[1], &weights, 1e-5);
    // x = X z: gradients in image coordinates are those of x times z, and z's takes x along.
    let g = &results[2];
    let in_image: Vec<f32> = (0..3)
        .flat_map(|k| {
            let [x, y, z] = ndc_vertices[k];
            [g[3 * k] * z, g[3 * k + 1] * z, g[3 * k] * x + g[3 * k + 1] * y + g[3 * k + 2]]
        })
        .collect();
    let want = [
        -0.02433379,
        -0.0100198,
        -0.00973352,
        -0.07955277,
        -0.03275702,
        -0.12728444,
        -0.04158137,
        -0.01712174,
        -0.26612074,
    ];
    assert_near(&in_image, &want, 1e-5);
    Ok(())
}

/// Columns of each row in which something is seen.
fn covered(mask: &[f32], width: usize) -> Vec<(usize, usize)> {
    mask.iter().enumerate().filter(|(_, m)| **m == 1.0).map(|(i, _)| (i / width, i % width)).collect()
}

#[test]
fn covers_the_pixels_whose_centres_lie_inside() -> Result<()> {
    let vertices = [[-0.3, -0.4, 0.1], [0.0, 0.6, 0.1], [0.9, -0.4, 0.1]];
    let raster = Raster { near: 0.01, ..Raster::new(10, 10) };
    // x to the left.
    let camera = [-5.0, -5.0, 5.0, 5.0];
    let scene = Scene { vertices: &vertices, faces: &[[1, 0, 2]], camera, perspective: false, raster };
    let results = run(&scene, |_, _, drawn| Ok(vec![drawn.mask()?, drawn.depth(-1.0)?]))?;
    let want: Vec<(usize, usize)> = [(3, 4, 4), (4, 3, 5), (5, 2, 5), (6, 1, 5)]
        .iter()
        .flat_map(|&(row, a, b)| (a..=b).map(move |c| (row, c)))
        .collect();
    assert_eq!(covered(&results[0], 10), want);
    for (depth, mask) in results[1].iter().zip(&results[0]) {
        assert!((depth - if *mask == 1.0 { 0.1 } else { -1.0 }).abs() < 1e-6);
    }
    Ok(())
}

#[test]
fn perspective_is_corrected() -> Result<()> {
    let corners = [[-0.4f32, -0.4, 10.0], [0.4, -0.4, 10.0], [0.0, 0.4, 20.0]];
    let affine = [24.0909, 21.8182, 19.5455, 17.2727, 15.0, 12.7273, 10.4545, 8.1818, 5.9091];
    let corrected = [33.8462, 24.4444, 19.1304, 15.7143, 13.3333, 11.5789, 10.2326, 9.1667, 8.3019];
    for perspective in [false, true] {
        let vertices = corners.map(|[x, y, z]| if perspective { [x * z, y * z, z] } else { [x, y, z] });
        let camera = [-5.5, -5.5, 5.5, 5.5];
        let raster = Raster { near: 0.01, ..Raster::new(11, 11) };
        let scene = Scene { vertices: &vertices, faces: &[[0, 1, 2]], camera, perspective, raster };
        let results = run(&scene, |_, _, drawn| Ok(vec![drawn.mask()?, drawn.depth(0.0)?]))?;
        let want = if perspective { corrected } else { affine };
        let mut seen = 0;
        for row in 1..10 {
            if results[0][row * 11 + 5] == 1.0 {
                assert_near(&results[1][row * 11 + 5..][..1], &want[row - 1..row], 1e-5);
                seen += 1;
            }
        }
        // The rows beyond are outside the face; a blur radius would show them.
        assert_eq!(seen, 5, "{:?}", results[0]);
    }
    Ok(())
}

#[test]
fn of_equally_near_faces_the_first_is_seen() -> Result<()> {
    let vertices = [[-0.8, -0.7, 1.5], [0.9, -0.3, 1.2], [0.1, 0.8, 2.0]];
    let faces = vec![[0, 1, 2]; 100];
    let raster = Raster { near: 0.1, ..Raster::new(28, 28) };
    let scene = Scene { vertices: &vertices, faces: &faces, camera: ndc(28), perspective: false, raster };
    let results = run(&scene, |_, _, drawn| Ok(vec![drawn.face_ids(), drawn.mask()?]))?;
    let ids: Vec<u32> = results[0].iter().map(|v| v.to_bits()).collect();
    assert!(ids.iter().zip(&results[1]).all(|(id, mask)| *id == if *mask == 1.0 { 0 } else { NO_FACE }));
    assert!(ids.contains(&0));
    Ok(())
}

#[test]
fn attributes_and_their_gradients() -> Result<()> {
    let colours = [[0.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]];
    // Two pixels, each in its own face where the weights are as wanted: corner k of a face at these places.
    let place = |weights: [f32; 3], centre: [f32; 2]| -> [[f32; 3]; 3] {
        // Corners 1 and 2 at fixed offsets, corner 0 so that the weighted mean is the centre.
        let (b, c) = ([centre[0] + 1.0, centre[1] - 0.5], [centre[0] - 0.25, centre[1] + 1.0]);
        let a = [0, 1].map(|k| (centre[k] - weights[1] * b[k] - weights[2] * c[k]) / weights[0]);
        [[a[0], a[1], 1.0], [b[0], b[1], 1.0], [c[0], c[1], 1.0]]
    };
    let (first, second) = (place([0.5, 0.3, 0.2], [4.5, 4.5]), place([0.3, 0.6, 0.1], [20.5, 20.5]));
    let corners: Vec<[f32; 3]> = first.into_iter().chain(second).collect();
    let order = [2, 1, 0, 3, 1, 0];
    let raster = Raster { near: 0.1, ..Raster::new(32, 32) };
    let scene = Scene {
        vertices: &corners,
        faces: &[[0, 1, 2], [3, 4, 5]],
        camera: [1.0, 1.0, 0.0, 0.0],
        perspective: false,
        raster,
    };
    let results = run(&scene, |r, _, drawn| {
        let vertices = r.constant([1, 4, 3], colours.as_flattened())?;
        let image = drawn.corner_attributes(vertices.gather_rows(&order)?)?;
        let at = |row| image.slice(1, row, 1)?.slice(2, row, 1);
        let (a, b) = (at(4)?, at(20)?);
        let loss = a.add(b)?.sum_all()?;
        let gradient = loss.backward_to(&[vertices])?.of(vertices).expect("a gradient");
        Ok(vec![a, b, gradient])
    })?;
    assert_near(&results[0], &[0.5, 1.0, 0.3], 1e-5);
    assert_near(&results[1], &[0.3, 1.0, 0.9], 1e-5);
    let want: Vec<f32> = [0.3, 0.9, 0.5, 0.3].iter().flat_map(|g| [*g; 3]).collect();
    assert_near(&results[2], &want, 1e-5);
    Ok(())
}

/// A hand-like heap of faces: random ones around the middle of the picture.
fn heap(seed: u64, faces: usize) -> Vec<[f32; 3]> {
    let mut rng = Rng::new(seed, 0);
    let mut vertices = Vec::new();
    for _ in 0..faces {
        let middle = [rng.range(-0.6, 0.6), rng.range(-0.6, 0.6), rng.range(2.0, 3.0)];
        vertices.extend((0..3).map(|_| middle.map(|m| m + rng.range(-0.3, 0.3))));
    }
    vertices
}

fn apart(faces: usize) -> Vec<[u32; 3]> {
    (0..faces as u32).map(|f| [3 * f, 3 * f + 1, 3 * f + 2]).collect()
}

/// Depth, attributes and both silhouettes with the gradient of each's weighted sum with respect to vertices (N×V×3) in one list.
fn images_and_gradients(
    vertices: &[f32],
    images: usize,
    faces: &Faces32,
    camera: [f32; 4],
    raster: Raster,
) -> Result<Vec<Vec<f32>>> {
    let r = Recorder::new();
    let count = vertices.len() / 3 / images;
    let x = r.input("vertices", [images, count, 3]);
    let camera = r.constant([images, 4], &camera.repeat(images))?;
    let projection = Projection::Perspective(camera);
    let drawn = match faces {
        Faces32::Mesh(faces) => x.rasterize(&TriangleMesh::new(count, faces)?, projection, raster)?,
        Faces32::Listed(dims, indices) => x.rasterize(listed(&r, dims, indices), projection, raster)?,
    };
    let colours: Vec<f32> = (0..count * 2).map(|i| (i as f32 * 0.37).sin()).collect();
    let images_drawn = [
        drawn.depth(0.0)?,
        drawn.vertex_attributes(r.constant([count, 2], &colours)?)?,
        drawn.soft_silhouette(1.0)?,
        drawn.edge_silhouette()?,
    ];
    let mut outputs = images_drawn.to_vec();
    for image in &images_drawn {
        let loss = image.square()?.sum_all()?;
        outputs.push(loss.backward_to(&[x])?.of(x).expect("a gradient"));
    }
    let count = outputs.len();
    let mut executable = TRUSTED.compile(&r, outputs)?;
    let results = executable.run([("vertices", vertices)])?;
    Ok((0..count).map(|i| results.f32(i).to_vec()).collect())
}

fn listed<'r>(r: &'r Recorder, dims: &[usize], indices: &[u32]) -> Var<'r> {
    r.constant_data(TensorData::u32(dims, indices).expect("as many as the shape says"))
}

enum Faces32 {
    Mesh(Vec<[u32; 3]>),
    Listed(Vec<usize>, Vec<u32>),
}

const CAMERA: [f32; 4] = [60.0, 60.0, 24.0, 20.0];
const SMALL: Raster = Raster { width: 48, height: 40, near: 0.1, cull_back: false, supersample: false };

#[test]
fn faces_listed_on_the_device_are_drawn_alike() -> Result<()> {
    let vertices = heap(1, 20).concat();
    let known = images_and_gradients(&vertices, 1, &Faces32::Mesh(apart(20)), CAMERA, SMALL)?;
    let listed = Faces32::Listed(vec![20, 3], apart(20).concat());
    let on_device = images_and_gradients(&vertices, 1, &listed, CAMERA, SMALL)?;
    for (a, b) in known.iter().zip(&on_device) {
        assert_near(b, a, 1e-6);
    }
    // Each image its own: the second draws the first ten only, for the others have a corner that is no vertex.
    let mut second = apart(20).concat();
    second[30..].iter_mut().for_each(|v| *v += 60);
    let each = Faces32::Listed(vec![2, 20, 3], [apart(20).concat(), second].concat());
    let both = images_and_gradients(&vertices.repeat(2), 2, &each, CAMERA, SMALL)?;
    let half = images_and_gradients(&vertices[..90], 1, &Faces32::Mesh(apart(10)), CAMERA, SMALL)?;
    for k in [0, 2, 3] {
        let (first, second) = both[k].split_at(both[k].len() / 2);
        assert_eq!(first, known[k], "{k}");
        assert_eq!(second, half[k], "{k}");
        let (first, second) = both[4 + k].split_at(both[4 + k].len() / 2);
        assert_near(first, &known[4 + k], 1e-6);
        assert_near(&second[..90], &half[4 + k], 1e-6);
        assert!(second[90..].iter().all(|g| *g == 0.0));
    }
    Ok(())
}

#[test]
fn images_do_not_depend_on_their_neighbours() -> Result<()> {
    let scenes = [heap(1, 15).concat(), heap(2, 15).concat(), heap(3, 15).concat()];
    let faces = Faces32::Mesh(apart(15));
    let alone: Vec<_> =
        scenes.iter().map(|s| images_and_gradients(s, 1, &faces, CAMERA, SMALL)).collect::<Result<_>>()?;
    for order in [[0, 1, 2], [2, 0, 1]] {
        let batch: Vec<f32> = order.iter().flat_map(|&s| scenes[s].clone()).collect();
        let together = images_and_gradients(&batch, 3, &faces, CAMERA, SMALL)?;
        for (k, values) in together.iter().enumerate() {
            let each = values.len() / 3;
            for (place, &scene) in order.iter().enumerate() {
                assert_eq!(values[place * each..(place + 1) * each], alone[scene][k], "output {k} of scene {scene}");
            }
        }
    }
    Ok(())
}

#[test]
fn moving_by_whole_pixels_moves_the_picture() -> Result<()> {
    let vertices = heap(4, 15).concat();
    let faces = Faces32::Mesh(apart(15));
    let here = images_and_gradients(&vertices, 1, &faces, CAMERA, SMALL)?;
    let there = [CAMERA[0], CAMERA[1], CAMERA[2] + 3.0, CAMERA[3] - 2.0];
    let moved = images_and_gradients(&vertices, 1, &faces, there, SMALL)?;
    for (k, channels) in [(0, 1), (1, 2), (2, 1), (3, 1)] {
        for row in 2..40 {
            let line = &here[k][(row * 48) * channels..(row * 48 + 45) * channels];
            let shifted = &moved[k][((row - 2) * 48 + 3) * channels..((row - 2) * 48 + 48) * channels];
            assert_near(shifted, line, 2e-5);
        }
    }
    Ok(())
}

#[test]
fn bands_change_nothing() -> Result<()> {
    // The same picture in the corner of one that takes several bands of rows.
    let vertices = heap(5, 15).concat();
    let faces = Faces32::Mesh(apart(15));
    let small = images_and_gradients(&vertices, 1, &faces, CAMERA, SMALL)?;
    let large = Raster { width: 300, height: 290, ..SMALL };
    let banded = images_and_gradients(&vertices, 1, &faces, CAMERA, large)?;
    for row in 0..40 {
        // Corners are snapped more coarsely, so only what does not depend on that is alike.
        let (a, b) = (&small[2][row * 48..row * 48 + 40], &banded[2][row * 300..row * 300 + 40]);
        assert_near(b, a, 1e-5);
    }
    // Where a band has four rows the sums are taken in another order.
    let wide = |width| images_and_gradients(&vertices, 1, &faces, CAMERA, Raster { width, ..SMALL });
    assert_near(&wide(4096)?[6], &wide(300)?[6], 1e-4);
    Ok(())
}

#[test]
fn silhouette_gradients_pass_through_perspective() -> Result<()> {
    // The same triangle in the image, with and without perspective.
    let pixels = [[10.3f32, 8.2], [30.1, 12.6], [17.7, 31.4]];
    let depths = [2.0f32, 3.0, 5.0];
    let gradient = |perspective: bool, soft: bool| {
        let vertices: Vec<[f32; 3]> = pixels
            .iter()
            .zip(depths)
            .map(|(p, z)| if perspective { [p[0] * z, p[1] * z, z] } else { [p[0], p[1], z] })
            .collect();
        let camera = [1.0, 1.0, 0.0, 0.0];
        let scene = Scene { vertices: &vertices, faces: &[[0, 1, 2]], camera, perspective, raster: SMALL };
        run(&scene, |r, vertices, drawn| {
            let image = if soft { drawn.soft_silhouette(2.0)? } else { drawn.edge_silhouette()? };
            let target: Vec<f32> = (0..48 * 40).map(|i| f32::from(u8::from(i % 48 > 15 && i / 48 < 25))).collect();
            let loss = image.sub(r.constant([1, 40, 48, 1], &target)?)?.square()?.sum_all()?;
            Ok(vec![loss.backward_to(&[vertices])?.of(vertices).expect("a gradient")])
        })
    };
    for soft in [false, true] {
        let (flat, deep) = (&gradient(false, soft)?[0], &gradient(true, soft)?[0]);
        assert!(flat.iter().any(|g| g.abs() > 0.1));
        for k in 0..3 {
            let (z, p) = (depths[k], pixels[k]);
            let (gu, gv) = (flat[3 * k], flat[3 * k + 1]);
            assert_near(&deep[3 * k..3 * k + 3], &[gu / z, gv / z, -(gu * p[0] + gv * p[1]) / z], 1e-3);
        }
    }
    Ok(())
}

#[test]
fn supersampling_averages_samples_and_never_mixes_in_background() -> Result<()> {
    let vertices = [[10.25, 8.0, 2.0], [30.25, 8.0, 2.0], [10.25, 28.0, 2.0]];
    let camera = [1.0, 1.0, 0.0, 0.0];
    let raster = Raster { supersample: true, ..SMALL };
    let scene = Scene { vertices: &vertices, faces: &[[0, 1, 2]], camera, perspective: false, raster };
    let results = run(&scene, |r, vertices, drawn| {
        let depth = drawn.depth(100.0)?;
        let colours = drawn.vertex_attributes(r.constant([3, 1], &[1.0; 3])?)?;
        let loss = depth.sum_all()?;
        let gradient = loss.backward_to(&[vertices])?.of(vertices).expect("a gradient");
        Ok(vec![drawn.mask()?, depth, colours, drawn.soft_silhouette(1.0)?, drawn.edge_silhouette()?, gradient])
    })?;
    // The left edge at 10.25 lies on the first samples' centres, which a left edge owns.
    assert_eq!(results[0][12 * 48 + 9..12 * 48 + 12], [0.0, 1.0, 1.0]);
    assert!(results[0].contains(&0.75), "the diagonal");
    for (mask, depth) in results[0].iter().zip(&results[1]) {
        assert_eq!(*depth, if *mask == 0.0 { 100.0 } else { 2.0 });
    }
    assert_eq!(results[2], results[0]);
    assert_eq!(results[4], results[0]);
    let gz: f32 = (0..3).map(|k| results[5][3 * k + 2]).sum();
    let covered = results[0].iter().filter(|m| **m > 0.0).count() as f32;
    assert!((gz - covered).abs() < 1e-2 * covered, "{gz} of {covered} pixels");
    // σ is in pixels of the image: on the outline, far from corners, half is covered.
    let across: Vec<f32> = (8..13).map(|column| results[3][18 * 48 + column]).collect();
    for (column, got) in across.iter().enumerate() {
        let d: f32 = 8.0 + column as f32 + 0.5 - 10.25;
        let want = 1.0 / (1.0 + (-d * d.abs()).exp());
        assert!((got - want).abs() < 0.03, "{column}: {got} against {want}");
    }
    Ok(())
}

#[test]
fn textures_follow_their_coordinates() -> Result<()> {
    // A square of 16 pixels that shows a texture of 4 texels a side: each texel covers 4 pixels.
    let vertices = [[4.0, 4.0, 2.0], [20.0, 4.0, 2.0], [20.0, 20.0, 2.0], [4.0, 20.0, 2.0]];
    let camera = [1.0, 1.0, 0.0, 0.0];
    let scene =
        Scene { vertices: &vertices, faces: &[[0, 1, 2], [0, 2, 3]], camera, perspective: false, raster: SMALL };
    let texels: Vec<f32> = (0..16).map(|i| i as f32).collect();
    let results = run(&scene, |r, _, drawn| {
        let texture = r.constant([1, 4, 4, 1], &texels)?;
        let uv = drawn.vertex_attributes(r.constant([4, 2], &[0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0])?)?;
        let image = drawn.textured(texture, uv)?;
        let gradient = image.sum_all()?.backward_to(&[texture])?.of(texture).expect("a gradient");
        Ok(vec![image, gradient])
    })?;
    // Pixel centres (5.5, 5.5) of the first texel and (17.5, 13.5) of the last column, third row: bilinear between texels.
    let at = |row: usize, column: usize| results[0][row * 48 + column];
    let bilinear = |row: f32, column: f32| {
        let place = |p: f32| ((p - 4.0) / 4.0 - 0.5).clamp(0.0, 3.0);
        4.0 * place(row + 0.5) + place(column + 0.5)
    };
    for (row, column) in [(5, 5), (13, 17), (19, 4), (10, 10)] {
        assert!((at(row, column) - bilinear(row as f32, column as f32)).abs() < 1e-3, "{row}, {column}");
    }
    assert_eq!((at(3, 10), at(10, 20)), (0.0, 0.0));
    let total: f32 = results[1].iter().sum();
    assert!((total - 256.0).abs() < 1e-2, "each pixel is spread over texels: {total}");
    Ok(())
}

#[test]
fn several_views_of_one_mesh_in_one_call() -> Result<()> {
    let vertices = heap(6, 12);
    let r = Recorder::new();
    let mesh = TriangleMesh::new(36, &apart(12))?;
    let x = r.input("vertices", [1, 36, 3]);
    // Two cameras: the one itself, and one a quarter turn about the line of sight.
    let turns = [[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], [0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]];
    let views = r.constant([2, 9], turns.as_flattened())?.rotate(x.broadcast([2, 36, 3])?)?;
    let camera = r.constant([2, 4], &[60.0, 60.0, 20.0, 20.0].repeat(2))?;
    let raster = Raster { width: 40, height: 40, ..SMALL };
    let depth = views.rasterize(&mesh, Projection::Perspective(camera), raster)?.depth(0.0)?;
    let mut executable = TRUSTED.compile(&r, [depth])?;
    let results = executable.run([("vertices", vertices.as_flattened())])?;
    let (first, second) = results.f32(0).split_at(1600);
    let turned: Vec<f32> = (0..1600).map(|i| first[(39 - i % 40) * 40 + i / 40]).collect();
    let differ = turned.iter().zip(second).filter(|(a, b)| (**a - **b).abs() > 1e-3).count();
    // Centres on outlines fall to the other side when turned.
    assert!(differ < 16, "{differ} pixels differ");
    Ok(())
}

#[test]
fn many_images_fit_the_smallest_binding() -> Result<()> {
    // 32 images of 512 × 512: 32 MiB of numbers of faces, 100.7 million bytes of barycentrics.
    let r = Recorder::new();
    let x = r.input("vertices", [32, 36, 3]);
    let camera = r.constant([32, 4], &[300.0, 300.0, 256.0, 256.0].repeat(32))?;
    let raster = Raster { near: 0.1, ..Raster::new(512, 512) };
    let drawn = x.rasterize(&TriangleMesh::new(36, &apart(12))?, Projection::Perspective(camera), raster)?;
    let images = [drawn.depth(0.0)?, drawn.soft_silhouette(2.0)?, drawn.barycentrics()?];
    let loss = images.iter().try_fold(r.scalar(0.0), |sum, image| sum.add(image.square()?.sum_all()?))?;
    let gradient = loss.backward_to(&[x])?.of(x).expect("a gradient");
    let outputs: Vec<_> = [loss, gradient].iter().map(|v| (String::new(), v.id())).collect();
    let options = CompileOptions::default();
    let program = r.with_graph(|graph| compile(graph, &outputs, &Target::webgpu_defaults(), options))?;
    let largest = program.plan.slots.iter().max().expect("slots");
    assert!(*largest <= 128 << 20, "{largest} bytes");
    Ok(())
}

#[test]
fn what_cannot_be_drawn_is_refused() -> Result<()> {
    let r = Recorder::new();
    let mesh = TriangleMesh::new(3, &[[0, 1, 2]])?;
    let (x, camera) = (r.input("vertices", [2, 3, 3]), r.input("camera", [2, 4]));
    let fine = Raster::new(8, 8);
    let perspective = Projection::Perspective(camera);
    let refused = |drawn: Result<Rasterized<'_>>, words: &[&str]| {
        let error = drawn.expect_err("refused").to_string();
        words
            .iter()
            .chain(&["rasterize", "raster.rs:"])
            .for_each(|word| assert!(error.contains(word), "{error}: {word}"));
    };
    for (size, what) in [([0, 8], "width"), ([8, 0], "height"), ([16384, 8], "width"), ([8, 4097], "height")] {
        refused(x.rasterize(&mesh, perspective, Raster::new(size[0], size[1])), &[what, "1 to 4096"]);
    }
    let twice = Raster { supersample: true, ..Raster::new(2049, 8) };
    refused(x.rasterize(&mesh, perspective, twice), &["width", "4098"]);
    for near in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        refused(x.rasterize(&mesh, perspective, Raster { near, ..fine }), &["near"]);
    }
    refused(r.input("few", [2, 2, 3]).rasterize(&mesh, perspective, fine), &["vertices", "N×3×3"]);
    refused(r.input("flat", [2, 3, 2]).rasterize(&mesh, perspective, fine), &["vertices", "N×3×3"]);
    refused(x.rasterize(&mesh, Projection::WeakPerspective(camera), fine), &["camera", "[2,3]"]);
    refused(x.rasterize(r.input("listed", [4, 3]), perspective, fine), &["faces", "u32 F×3"]);
    refused(x.rasterize(listed(&r, &[3, 1, 3], &[0; 9]), perspective, fine), &["faces", "u32 F×3"]);
    let drawn = x.rasterize(&mesh, perspective, fine)?;
    for sigma in [0.0, -1.0, 100.0, f32::NAN] {
        let error = drawn.soft_silhouette(sigma).unwrap_err().to_string();
        assert!(error.contains("sigma_px") && error.contains("raster.rs:"), "{error}");
    }
    assert!(drawn.depth(f32::NAN).unwrap_err().to_string().contains("background"));
    let error = drawn.vertex_attributes(r.input("colours", [4, 3])).unwrap_err().to_string();
    assert!(error.contains("3×C or 2×3×C") && error.contains("raster.rs:"), "{error}");
    let error = drawn.corner_attributes(r.input("corners", [2, 4, 3])).unwrap_err().to_string();
    assert!(error.contains("attributes") && error.contains("2×3×C"), "{error}");
    assert!(TriangleMesh::new(0, &[]).is_err() && TriangleMesh::new(3, &[[0, 1, 3]]).is_err());
    Ok(())
}
