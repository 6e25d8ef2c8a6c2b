//! What is known to go wrong in other rasterisers, a test or two each: holes at shared edges, NaN of edge-on and zero-area faces,
//! meshes that cross the camera's plane, bins that overflow, gradients that differ from run to run, silhouettes that never
//! reach 1, gradients of tiny images, and empty images at odd batch sizes.

use super::*;

#[test]
fn a_quad_has_neither_holes_nor_double_hits_on_its_diagonal() -> Result<()> {
    let quad = [[-1.0, -1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]];
    let raster = Raster { near: 0.1, ..Raster::new(8, 8) };
    // Alone, the halves cover each pixel exactly once.
    let mut times = vec![0.0; 64];
    for half in [[0, 1, 2], [0, 2, 3]] {
        let scene = Scene { vertices: &quad, faces: &[half], camera: ndc(8), perspective: false, raster };
        let results = run(&scene, |_, _, drawn| Ok(vec![drawn.mask()?]))?;
        times.iter_mut().zip(&results[0]).for_each(|(t, m)| *t += m);
    }
    assert_eq!(times, [1.0; 64]);
    let pixels = [[0.5, 0.49993896, 1.0], [0.5, 6.5, 1.0], [6.500061, 0.49993896, 1.0], [6.500061, 6.5, 1.0]];
    let scene = Scene {
        vertices: &pixels,
        faces: &[[0, 1, 2], [3, 2, 1]],
        camera: [1.0, 1.0, 0.0, 0.0],
        perspective: false,
        raster,
    };
    let results = run(&scene, |_, _, drawn| Ok(vec![drawn.mask()?]))?;
    for k in 1..6 {
        assert_eq!(results[0][k * 8 + (6 - k)], 1.0, "the diagonal at row {k}");
    }
    Ok(())
}

/// How many of the faces cover each pixel: every face is drawn to an image of its own.
fn covered_times(vertices: &[[f32; 3]], faces: &[[u32; 3]], camera: [f32; 4], raster: Raster) -> Result<Vec<f32>> {
    let r = Recorder::new();
    let (n, v) = (faces.len(), vertices.len());
    let x = r.constant([1, v, 3], vertices.as_flattened())?.broadcast([n, v, 3])?;
    let camera = Projection::Perspective(r.constant([1, 4], &camera)?.broadcast([n, 4])?);
    let times = x.rasterize(listed(&r, &[n, 1, 3], faces.as_flattened()), camera, raster)?.mask()?.sum(&[0])?;
    Ok(TRUSTED.compile(&r, [times])?.run::<&[f32]>([])?.f32(0).to_vec())
}

#[test]
fn meshes_have_no_holes_at_shared_edges() -> Result<()> {
    // A grid of squares with its inner nodes moved about, split along either diagonal; nothing of it overlaps.
    const SIDE: usize = 9;
    let mut rng = Rng::new(8, 0);
    let mut grid = |depth: &dyn Fn(f32, f32) -> f32| -> Vec<[f32; 3]> {
        let mut node = |i: usize| {
            let inner = |k: usize| k > 0 && k < SIDE - 1;
            let [x, y] = [i % SIDE, i / SIDE].map(|k| {
                let by = if inner(k) { rng.range(-0.3, 0.3) } else { 0.0 };
                2.0 * (k as f32 + by) / (SIDE - 1) as f32 - 1.0
            });
            let z = depth(x, y);
            [x * z, y * z, z]
        };
        (0..SIDE * SIDE).map(&mut node).collect()
    };
    let mut faces = Vec::new();
    for corner in (0..SIDE * (SIDE - 1)).filter(|i| i % SIDE < SIDE - 1) {
        let [a, b, c, d] = [0, 1, SIDE + 1, SIDE].map(|by| (corner + by) as u32);
        faces.extend(if corner % 3 == 0 { [[a, b, c], [a, c, d]] } else { [[a, b, d], [b, c, d]] });
    }
    let raster = Raster { near: 0.1, ..Raster::new(64, 64) };
    // Larger than the image, as large, and so large that most faces leave the guard band and are clipped there.
    for half in [40.0, 32.0, 700.0, 20_000.0] {
        for depth in [|_: f32, _: f32| 2.0, |x: f32, y: f32| 3.0 + x - 0.7 * y] {
            let times = covered_times(&grid(&depth), &faces, [half, half, 32.0, 32.0], raster)?;
            assert!(times.iter().all(|t| *t == 1.0), "{half}: {:?}", times.iter().filter(|t| **t != 1.0).count());
        }
    }
    // A floor of as many squares that begins behind the camera: what is below the horizon is covered once.
    let floor: Vec<[f32; 3]> = (0..SIDE * SIDE)
        .map(|i| [60.0 * ((i % SIDE) as f32 - 4.0), 1.0, 5.0 * ((i / SIDE) as f32 - 2.0) + 0.37])
        .collect();
    let times = covered_times(&floor, &faces, [32.0, 32.0, 32.0, 16.0], raster)?;
    for (i, t) in times.iter().enumerate() {
        // The farthest row of nodes is 30.37 away.
        let row = (i / 64) as f32 + 0.5 - 16.0;
        let below = row > 32.0 / 30.37;
        assert_eq!(*t, f32::from(u8::from(below)), "pixel {i}");
    }
    Ok(())
}

/// A mesh's depth, all silhouettes and gradients of their sum, all finite.
fn everything_finite(scene: &Scene<'_>) -> Result<Vec<Vec<f32>>> {
    let results = run(scene, |r, vertices, drawn| {
        let attributes = r.constant([3 * scene.faces.len(), 2], &vec![0.5; 6 * scene.faces.len()])?;
        let images = [
            drawn.mask()?,
            drawn.depth(10.0)?,
            drawn.corner_attributes(attributes)?,
            drawn.soft_silhouette(1.5)?,
            drawn.edge_silhouette()?,
        ];
        let mut outputs = images.to_vec();
        for image in &images[1..] {
            let loss = image.square()?.sum_all()?;
            outputs.push(loss.backward_to(&[vertices])?.of(vertices).expect("a gradient"));
        }
        Ok(outputs)
    })?;
    for (i, values) in results.iter().enumerate() {
        assert!(values.iter().all(|v| v.is_finite()), "output {i} of {:?}: {values:?}", scene.vertices);
    }
    Ok(results)
}

#[test]
fn edge_on_and_zero_area_faces_give_no_nan() -> Result<()> {
    let whole = [-0.9f32, -0.9, 4.0];
    let meshes: [[[f32; 3]; 3]; 12] = [
        // Seen edge-on, nearly.
        [[0.7922, -0.1992, 6.8850], [0.8408, -0.1622, 6.8568], [0.7922, -0.1992, 6.89]],
        // No area: a point, a line, two corners the same.
        [[0.1, 0.1, 3.0]; 3],
        [[0.0, 0.0, 3.0], [0.5, 0.5, 3.0], [1.0, 1.0, 3.0]],
        [[0.0, 0.0, 3.0], [0.0, 0.0, 3.0], [1.0, 1.0, 3.0]],
        // Seen from behind.
        [[0.0, 0.0, 3.0], [0.0, 1.0, 3.0], [1.0, 0.0, 3.0]],
        // All behind the camera, one corner on its plane, one at its centre.
        [[0.0, 0.0, -3.0], [1.0, 0.0, -3.0], [0.0, 1.0, -2.0]],
        [[0.3, 0.0, 0.0], [1.0, 0.0, 3.0], [0.0, 1.0, 2.0]],
        [[0.0, 0.0, 0.0], [1.0, 0.0, 3.0], [0.0, 1.0, 2.0]],
        // Not finite.
        [[f32::NAN, 0.0, 3.0], [1.0, 0.0, 3.0], [0.0, 1.0, 2.0]],
        [[f32::INFINITY, 0.0, 3.0], [1.0, 0.0, 3.0], [0.0, 1.0, 2.0]],
        [[1e30, 0.0, 3.0], [-1e30, 2.0, 3.0], [0.0, -1e30, 2.0]],
        // Far larger than the image.
        [[-1e6, -1e6, 3.0], [1e6, -1e6, 3.0], [0.0, 1e6, 3.0]],
    ];
    for perspective in [true, false] {
        for mesh in &meshes {
            // Beside it one that is well.
            let mut vertices = mesh.to_vec();
            vertices.extend([whole, [-0.2, -0.9, 4.0], [-0.9, -0.2, 4.0]]);
            let raster = Raster { near: 0.1, ..Raster::new(33, 20) };
            let camera = [16.0, 16.0, 16.0, 10.0];
            let scene = Scene { vertices: &vertices, faces: &[[0, 1, 2], [3, 4, 5]], camera, perspective, raster };
            let results = everything_finite(&scene)?;
            assert!(results[0].contains(&1.0), "{vertices:?}");
        }
    }
    // What is far larger than the image covers all of it.
    let raster = Raster { near: 0.1, ..Raster::new(33, 20) };
    let scene = Scene {
        vertices: &meshes[11],
        faces: &[[0, 1, 2]],
        camera: [16.0, 16.0, 16.0, 10.0],
        perspective: true,
        raster,
    };
    assert!(everything_finite(&scene)?[0].iter().all(|m| *m == 1.0));
    Ok(())
}

#[test]
fn meshes_that_cross_the_camera_plane_are_clipped() -> Result<()> {
    // A floor that begins behind the camera.
    let vertices = [[-1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [1.0, 1.0, 9.0], [-1.0, 1.0, 9.0]];
    let camera = [16.0, 16.0, 16.0, 8.0];
    let raster = Raster { near: 0.01, ..Raster::new(32, 32) };
    let scene = Scene { vertices: &vertices, faces: &[[0, 1, 2], [0, 2, 3]], camera, perspective: true, raster };
    let results = run(&scene, |_, _, drawn| Ok(vec![drawn.mask()?, drawn.depth(0.0)?]))?;
    for (i, (mask, depth)) in results[0].iter().zip(&results[1]).enumerate() {
        let ray = [((i % 32) as f32 + 0.5 - 16.0) / 16.0, ((i / 32) as f32 + 0.5 - 8.0) / 16.0];
        let z = 1.0 / ray[1];
        let aside = (ray[0] * z).abs();
        let hit = ray[1] > 0.0 && z < 9.0 && aside <= 1.0;
        // Centres on the outline are one side's or the other's.
        assert!((*mask == 1.0) == hit || aside == 1.0, "pixel {i}");
        if *mask == 1.0 {
            assert!((depth - z).abs() < 1e-4 * z, "pixel {i}: {depth} against {z}");
        }
    }
    // Orthographic: the part before the plane is cut off at x = ±0.495, which half a pixel is wide enough to tell.
    let vertices = [[-1.0, -1.0, 0.0], [0.0, 1.0, 0.0], [1.0, -1.0, 0.0]];
    let vertices = vertices.map(|[x, y, _]: [f32; 3]| [x, 0.0, y]);
    let tilted = vertices.map(|[x, _, z]| [x, z, z]);
    let raster = Raster { near: 0.01, ..Raster::new(200, 200) };
    let scene = Scene { vertices: &tilted, faces: &[[0, 1, 2]], camera: ndc(200), perspective: false, raster };
    let results = run(&scene, |_, _, drawn| Ok(vec![drawn.mask()?]))?;
    let rows: Vec<(usize, usize)> = covered(&results[0], 200);
    let bottom = rows.iter().map(|(row, _)| *row).max().expect("covered");
    assert_eq!(bottom, 98, "y = 0.01 is the lower edge of row 98");
    let widest: Vec<usize> = rows.iter().filter(|(row, _)| *row == 98).map(|(_, column)| *column).collect();
    // At the row's centre, y = 0.015, the face reaches from −0.4925 to 0.4925.
    assert_eq!((widest[0], *widest.last().expect("covered")), (51, 148));
    Ok(())
}

/// Soft silhouette and depth at the middle of an image, of squares of this half side one behind the other.
fn stacked(layers: usize, half: f32, beside: usize, sigma: f32) -> Result<[Vec<f32>; 3]> {
    let mut vertices = Vec::new();
    let mut faces = Vec::new();
    for k in 0..layers {
        let z = 2.0 + (layers - k) as f32 * 1e-3;
        let first = vertices.len() as u32;
        vertices.extend([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]]);
        faces.extend([[first, first + 1, first + 2], [first, first + 2, first + 3]]);
    }
    // Faces that nothing reaches, before the others in every list.
    faces.splice(0..0, vec![[vertices.len() as u32, vertices.len() as u32 + 1, vertices.len() as u32 + 2]; beside]);
    vertices.extend([[1e3, 1e3, 2.0], [1.1e3, 1e3, 2.0], [1e3, 1.1e3, 2.0]]);
    let camera = [1.0, 1.0, 200.5, 200.5];
    let raster = Raster { near: 0.1, ..Raster::new(401, 401) };
    let scene = Scene { vertices: &vertices, faces: &faces, camera, perspective: false, raster };
    let results = run(&scene, |_, vertices, drawn| {
        let (soft, depth) = (drawn.soft_silhouette(sigma)?, drawn.depth(0.0)?);
        let loss = soft.sum_all()?;
        Ok(vec![soft, depth, loss.backward_to(&[vertices])?.of(vertices).expect("a gradient")])
    })?;
    Ok([0, 1, 2].map(|i| results[i].clone()))
}

#[test]
fn bins_do_not_overflow_however_many_faces_meet_in_one() -> Result<()> {
    // 4,000 faces over the same pixels: the last pair is the nearest and must not be lost.
    let [soft, depth, _] = stacked(2_000, 6.0, 0, 1.0)?;
    let middle = 200 * 401 + 200;
    assert!((depth[middle] - 2.001).abs() < 1e-6, "{}", depth[middle]);
    assert_eq!(soft[middle], 1.0);
    assert_eq!(depth.iter().filter(|d| **d > 0.0).count(), 144, "12 by 12 pixels");
    // Three pixels beyond the right side one face of each pair counts for 1/(1 + e⁹), and all of these together for a fifth.
    let beside = f64::from(soft[200 * 401 + 209]);
    let want = 1.0 - (1.0 - 1.0 / (1.0 + 9f64.exp())).powi(2_000);
    assert!((beside - want).abs() < 1e-3, "{beside} against {want}");
    Ok(())
}

#[test]
fn tiles_are_made_larger_for_many_faces_and_nothing_changes() -> Result<()> {
    // So many faces that lists for tiles of four pixels would take more memory than they may.
    let (few, many) = (stacked(3, 40.0, 0, 2.0)?, stacked(3, 40.0, 20_000, 2.0)?);
    for k in 0..3 {
        assert_eq!(few[k], many[k], "{k}");
    }
    assert!(few[2].iter().any(|g| g.abs() > 0.1));
    Ok(())
}

#[test]
fn gradients_have_the_same_bits_on_every_run() -> Result<()> {
    let r = Recorder::new();
    let vertices = heap(9, 60);
    let x = r.input("vertices", [1, 180, 3]);
    let camera = r.input("camera", [1, 4]);
    let drawn = x.rasterize(&TriangleMesh::new(180, &apart(60))?, Projection::Perspective(camera), SMALL)?;
    let images = [drawn.depth(9.0)?, drawn.barycentrics()?, drawn.soft_silhouette(2.0)?, drawn.edge_silhouette()?];
    let mut outputs = Vec::new();
    for image in images {
        let gradients = image.square()?.sum_all()?.backward_to(&[x, camera])?;
        outputs.extend([image, gradients.of(x).expect("a gradient"), gradients.of(camera).expect("a gradient")]);
    }
    let count = outputs.len();
    let mut executable = TRUSTED.compile(&r, outputs)?;
    let mut first: Option<Vec<Vec<u32>>> = None;
    for poison in [0, 0x7fc0_dead, 0x7e5a_5a5a, u32::MAX, 1, 2, 3, 4] {
        executable.poison(poison)?;
        let results = executable.run([("vertices", vertices.as_flattened()), ("camera", &CAMERA)])?;
        let bits: Vec<Vec<u32>> = (0..count).map(|i| results.f32(i).iter().map(|v| v.to_bits()).collect()).collect();
        assert!(*first.get_or_insert_with(|| bits.clone()) == bits);
    }
    Ok(())
}

#[test]
fn silhouettes_reach_1_however_many_layers_make_them() -> Result<()> {
    // Where the hand is several layers thick and where each covers little: a product over all faces, not the nearest few.
    for layers in [1, 8, 50, 400] {
        let [soft, ..] = stacked(layers, 6.0, 0, 1.0)?;
        // √2 pixels from the diagonal: within one face, outside of the other.
        let [within, outside] = [-2.0f64, 2.0].map(|square| 1.0 / (1.0 + square.exp()));
        let want = 1.0 - ((1.0 - within) * (1.0 - outside)).powi(layers as i32);
        let inside = soft[200 * 401 + 198];
        assert!((f64::from(inside) - want).abs() < 1e-6, "{layers} layers: {inside} against {want}");
        assert!(layers < 50 || inside == 1.0, "{layers} layers: {inside}");
        // Two pixels beyond the middle of the right side: the other face of each pair does not reach there.
        let at = soft[197 * 401 + 208];
        let want = 1.0 - (1.0 - 1.0 / (1.0 + 4f64.exp())).powi(layers as i32);
        assert!((f64::from(at) - want).abs() < 1e-4 * want.max(0.01), "{layers} layers: {at} against {want}");
    }
    Ok(())
}

#[test]
fn the_smallest_images_have_gradients() -> Result<()> {
    for [width, height] in [[1, 1], [2, 1], [1, 2], [3, 3], [1, 7]] {
        let raster = Raster { near: 0.1, ..Raster::new(width, height) };
        let vertices = [[-30.0, -30.0, 2.0], [30.0, -31.0, 3.0], [0.0, 32.0, 4.0]];
        let camera = [1.0, 1.0, 0.5, 0.5];
        let scene = Scene { vertices: &vertices, faces: &[[0, 1, 2]], camera, perspective: false, raster };
        let results = run(&scene, |r, vertices, drawn| {
            let attributes = drawn.vertex_attributes(r.constant([3, 1], &[1.0, 2.0, 4.0])?)?;
            [drawn.depth(0.0)?, attributes]
                .map(|image| Ok(image.sum_all()?.backward_to(&[vertices])?.of(vertices).expect("a gradient")))
                .into_iter()
                .collect()
        })?;
        // The pixels' depths have the vertices' as parts of 1.
        let of_z: f32 = (0..3).map(|k| results[0][3 * k + 2]).sum();
        assert!((of_z - (width * height) as f32).abs() < 1e-4, "{width}×{height}: {of_z}");
        assert!(results[1].iter().any(|g| g.abs() > 1e-3), "{width}×{height}: {:?}", results[1]);
    }
    // Silhouettes at an edge that passes through the only pixel, or by it.
    let raster = Raster { near: 0.1, ..Raster::new(1, 1) };
    let vertices = [[0.4, -30.0, 2.0], [0.4, 30.0, 2.0], [30.0, 0.0, 2.0]];
    let scene =
        Scene { vertices: &vertices, faces: &[[0, 1, 2]], camera: [1.0, 1.0, 0.0, 0.0], perspective: false, raster };
    let results = run(&scene, |_, vertices, drawn| {
        let loss = drawn.soft_silhouette(0.25)?.sum_all()?;
        Ok(vec![loss, loss.backward_to(&[vertices])?.of(vertices).expect("a gradient")])
    })?;
    // d = 0.1 within: 1 / (1 + exp(−0.01 / 0.0625)), whose slope by the edge's place is −2d/σ² · D (1 − D).
    let covered = 1.0 / (1.0 + (-0.16f32).exp());
    assert!((results[0][0] - covered).abs() < 1e-5, "{:?}", results[0]);
    let of_edge = results[1][0] + results[1][3];
    assert!((of_edge + 3.2 * covered * (1.0 - covered)).abs() < 1e-4, "{:?}", results[1]);
    Ok(())
}

#[test]
fn no_image_is_empty_at_odd_batch_sizes() -> Result<()> {
    let faces = Faces32::Mesh(apart(5));
    let raster = Raster { width: 19, height: 23, ..SMALL };
    let camera = [30.0, 30.0, 9.5, 11.5];
    let scenes: Vec<Vec<f32>> = (0..13).map(|seed| heap(20 + seed, 5).concat()).collect();
    let alone: Vec<_> =
        scenes.iter().map(|s| images_and_gradients(s, 1, &faces, camera, raster)).collect::<Result<_>>()?;
    for images in [2, 3, 5, 7, 13] {
        let together = images_and_gradients(&scenes[..images].concat(), images, &faces, camera, raster)?;
        for (k, values) in together.iter().enumerate() {
            for (image, part) in values.chunks(values.len() / images).enumerate() {
                assert!(part.iter().any(|v| *v != 0.0), "output {k} of image {image} of {images} is empty");
                assert_eq!(part, alone[image][k], "output {k} of image {image} of {images}");
            }
        }
    }
    Ok(())
}
