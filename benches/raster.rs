//! The rasteriser against one that looks at every face for every pixel: depth and soft silhouette of a hand that fills
//! nine tenths of the image, forward and with gradients to the vertices. Medians of wall-clock time from submission to
//! completion. `cargo bench --bench raster [-- PART_OF_NAME]`

use std::time::Instant;

use knuckle::exec::{Lowering, Shader};
use knuckle::gpu::Executable;
use knuckle::hand::{Pose, RiggedHand, Shape};
use knuckle::ops::{Operator, Projection, Raster, TriangleMesh, VjpCall};
use knuckle::{Gpu, Recorder, Result, TensorType, Var};

const SIGMA_PX: f32 = 1.0;
/// A face covers less than 1e-4 of a pixel beyond this many σ.
const REACH: f32 = 3.034_84;
/// Pixels a thread of the backward pass looks at.
const BAND: usize = 1 << 14;

const FORWARD: Shader = Shader {
    name: "brute_force/forward.wgsl",
    sources: &[include_str!("brute_force/triangle.wgsl"), include_str!("brute_force/forward.wgsl")],
};
const BACKWARD: Shader = Shader {
    name: "brute_force/backward.wgsl",
    sources: &[include_str!("brute_force/triangle.wgsl"), include_str!("brute_force/backward.wgsl")],
};

/// Depth and soft silhouette, N×S×S×2, from corners N×F×9 in homogeneous pixels.
#[derive(Debug, Clone, Copy)]
struct BruteForce {
    size: usize,
}

/// The gradient with respect to the corners in bands of rows, B×N×F×9.
#[derive(Debug, Clone, Copy)]
struct BruteForceGrad {
    size: usize,
}

impl BruteForceGrad {
    fn rows(&self) -> usize {
        (BAND / self.size).min(self.size)
    }

    fn bands(&self) -> usize {
        self.size.div_ceil(self.rows())
    }
}

fn extents(corners: &TensorType) -> [usize; 2] {
    [corners.shape.dims()[0], corners.shape.dims()[1]]
}

impl Operator for BruteForce {
    fn name(&self) -> &'static str {
        "brute_force"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, knuckle::error::Mismatch> {
        Ok(TensorType::f32([inputs[0].shape.dims()[0], self.size, self.size, 2]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let [n, f] = extents(&call.inputs[0].ty());
        let grad = BruteForceGrad { size: self.size };
        let bands = call.cotangent.recorder().apply(grad, &[call.inputs[0], call.output, call.cotangent])?;
        Ok(vec![Some(bands.sum(&[0])?.reshape([n, f, 9])?)])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (corners, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let ([n, f], pixels) = (extents(&corners.ty), self.size * self.size);
        let dispatch = lowering.dispatch(&FORWARD).define("WG", lanes).bind("corners", corners.buffer).bind("y", y);
        let dispatch = dispatch.param("total", n * pixels).param("pixels", pixels).param("width", self.size);
        let dispatch = dispatch.param("faces", f).param("sharpness", 1.0 / (SIGMA_PX * SIGMA_PX));
        dispatch.param("reach", REACH * SIGMA_PX).threads(n * pixels)
    }
}

impl Operator for BruteForceGrad {
    fn name(&self) -> &'static str {
        "brute_force"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, knuckle::error::Mismatch> {
        let [n, f] = extents(inputs[0]);
        Ok(TensorType::f32([self.bands(), n, f, 9]))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 3])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [corners, y, gy] = [0, 1, 2].map(|i| lowering.input(i));
        let (gx, lanes, [n, f]) = (lowering.output(), lowering.target().lanes(), extents(&corners.ty));
        let dispatch = lowering.dispatch(&BACKWARD).define("WG", lanes).bind("corners", corners.buffer);
        let dispatch = dispatch.bind("y", y.buffer).bind("gy", gy.buffer).bind("gx", gx).param("total", n * f);
        let dispatch = dispatch.param("width", self.size).param("height", self.size).param("rows", self.rows());
        let dispatch = dispatch.param("bands", self.bands()).param("faces", f);
        let dispatch = dispatch.param("sharpness", 1.0 / (SIGMA_PX * SIGMA_PX)).param("reach", REACH * SIGMA_PX);
        dispatch.threads(n * f * self.bands())
    }
}

/// The median time of a run, ms.
fn time(gpu: &Gpu, exe: &mut Executable) -> Result<f64> {
    let none = || std::iter::empty::<(&str, &[f32])>();
    let mut times = Vec::new();
    let begin = Instant::now();
    // The first run compiles and warms up.
    while times.len() < 4 || (times.len() < 100 && begin.elapsed().as_secs_f64() < 3.0) {
        let start = Instant::now();
        exe.submit(none())?;
        gpu.wait()?;
        times.push(1e3 * start.elapsed().as_secs_f64());
    }
    times.remove(0);
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// A picture of the hand: its loss and the gradient with respect to the vertices.
struct Scene {
    vertices: Vec<f32>,
    mesh: std::sync::Arc<TriangleMesh>,
    batch: usize,
    size: usize,
    /// fx, fy, cx, cy.
    camera: [f32; 4],
}

impl Scene {
    fn new(batch: usize, size: usize) -> Result<Self> {
        let hand = RiggedHand::right();
        let pose = Pose { translation_mm: glam::Vec3::new(0.0, 0.0, 500.0), ..Pose::default() };
        let vertices = hand.pose(&pose, &Shape::default()).vertices;
        let slopes: Vec<glam::Vec2> = vertices.iter().map(|v| v.truncate() / v.z).collect();
        let low = slopes.iter().copied().reduce(glam::Vec2::min).expect("vertices");
        let high = slopes.iter().copied().reduce(glam::Vec2::max).expect("vertices");
        let f = 0.9 * size as f32 / (high - low).max_element();
        let centre = glam::Vec2::splat(0.5 * size as f32) - f * 0.5 * (low + high);
        Ok(Scene {
            vertices: vertices.iter().flat_map(|v| v.to_array()).collect::<Vec<_>>().repeat(batch),
            mesh: TriangleMesh::new(vertices.len(), hand.faces())?,
            batch,
            size,
            camera: [f, f, centre.x, centre.y],
        })
    }

    fn time(&self, gpu: &Gpu, brute_force: bool, backward: bool) -> Result<(f64, f32)> {
        let r = Recorder::new();
        let count = self.mesh.vertices();
        let x = r.input("vertices", [self.batch, count, 3]);
        let images = if brute_force {
            let [fx, fy, cx, cy] = self.camera;
            let camera = r.constant([3, 3], &[fx, 0.0, 0.0, 0.0, fy, 0.0, cx, cy, 1.0])?;
            let points = x.reshape([self.batch * count, 3])?.matmul(camera)?.reshape([self.batch, count, 3])?;
            let corners = points.gather_rows(self.mesh.faces().as_flattened())?;
            let corners = corners.reshape([self.batch, self.mesh.faces().len(), 9])?;
            vec![r.apply(BruteForce { size: self.size }, &[corners])?]
        } else {
            let camera = r.constant([self.batch, 4], &self.camera.repeat(self.batch))?;
            let raster = Raster::new(self.size, self.size);
            let drawn = x.rasterize(&self.mesh, Projection::Perspective(camera), raster)?;
            vec![drawn.depth(0.0)?, drawn.soft_silhouette(SIGMA_PX)?]
        };
        let mut loss = r.scalar(0.0);
        for image in &images {
            loss = loss.add(image.sum_all()?)?;
        }
        let mut outputs = images;
        outputs.push(loss);
        if backward {
            outputs.push(loss.backward_to(&[x])?.of(x).expect("a gradient"));
        }
        let last = outputs.len() - 1;
        let mut exe = gpu.compile(&r, outputs)?;
        exe.upload([("vertices", &self.vertices[..])])?;
        let ms = time(gpu, &mut exe)?;
        let results = exe.run(std::iter::empty::<(&str, &[f32])>())?;
        Ok((ms, results.f32(last).iter().map(|v| v.abs()).sum()))
    }
}

fn main() -> Result<()> {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with("--")).unwrap_or_default();
    let gpu = Gpu::new()?;
    println!("{gpu:?}\n{:<20} {:>10} {:>10} {:>12} {:>8}", "case", "forward", "f+b", "brute f+b", "faster");
    for (batch, size) in [(1, 128), (8, 32), (8, 128), (8, 256)] {
        let name = format!("hand@{size} b{batch}");
        if !name.contains(&filter) {
            continue;
        }
        let scene = Scene::new(batch, size)?;
        let (forward, _) = scene.time(&gpu, false, false)?;
        let (both, gradient) = scene.time(&gpu, false, true)?;
        let (brute, same) = scene.time(&gpu, true, true)?;
        if (gradient - same).abs() > 0.02 * same {
            println!("the two disagree: gradients of {gradient} and {same}");
        }
        println!("{name:<20} {forward:>7.2} ms {both:>7.2} ms {brute:>9.2} ms {:>7.1}×", brute / both);
    }
    Ok(())
}
