//! A mesh on a turntable: pictures from all around, drawn by the rasteriser in the light of a small studio.

use std::f32::consts::TAU;
use std::sync::Arc;

use glam::{DMat3, DVec3, Vec3};

use crate::data::Photo;
use crate::error::{Error, Result};
use crate::gpu::{Executable, Gpu};
use crate::graph::{Recorder, Var};
use crate::nn::shading::{self, Lights};
use crate::ops::{AvgPool2d, Projection, Raster, Rasterized, Resize, TriangleMesh};

/// How a mesh is shown.
///
/// ```
/// use knuckle::hand::RiggedHand;
/// use knuckle::output::{Turntable, save_gif};
/// # fn main() -> knuckle::Result<()> {
/// let hand = RiggedHand::right();
/// let turn = Turntable { size: 64, frames: 3, ..Turntable::default() };
/// let pictures = turn.draw(&knuckle::Gpu::new()?, hand.rest_vertices(), hand.faces())?;
/// # let path = std::env::temp_dir().join("knuckle-doc-turn.gif");
/// save_gif(&path, &pictures, 25)?;
/// # std::fs::remove_file(path).unwrap();
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turntable {
    /// Width and height of each picture, pixels: 16 to [`Turntable::MAX_SIZE`].
    pub size: usize,
    /// Pictures of a whole turn, 1 to [`Turntable::MAX_FRAMES`].
    pub frames: usize,
    /// From where the first picture is seen, radians around the vertical axis: 0 as the camera saw it, positive from the right.
    pub azimuth: f32,
    /// How high above the mesh's middle the camera stands, radians.
    pub elevation: f32,
}

impl Default for Turntable {
    /// 36 pictures of 512 × 512 pixels, from a little to the left and above.
    fn default() -> Self {
        Turntable { size: 512, frames: 36, azimuth: -0.45, elevation: 0.25 }
    }
}

/// How far the camera is away, in radii of the mesh.
const DISTANCE: f64 = 4.0;
/// How much of half the picture the mesh fills.
const FILLS: f64 = 0.88;
/// Samples drawn at once: what bounds the memory.
const MAX_SAMPLES: usize = 1 << 22;

impl Turntable {
    /// The largest [`Turntable::size`]: normals at four samples a pixel then fit in the 128 MiB that every adapter binds.
    pub const MAX_SIZE: usize = 1600;
    /// The most [`Turntable::frames`].
    pub const MAX_FRAMES: usize = 360;

    /// The pictures, of a mesh in camera axes (x right, y down, z away) and any unit. All have the same camera, in which the whole
    /// mesh is seen in each. Faces may be wound either way, but all the same.
    ///
    /// Several pictures are drawn by one program, as many as memory allows, and further ones by running it again.
    /// [`Error::Invalid`] for sizes, counts and angles out of range and meshes without extent or with indices of no vertex,
    /// [`Error::NotFinite`] for coordinates that are not finite.
    pub fn draw(&self, gpu: &Gpu, vertices: &[Vec3], faces: &[[u32; 3]]) -> Result<Vec<Photo>> {
        self.check()?;
        let mesh = TriangleMesh::new(vertices.len(), &outwards(vertices, faces)?)?;
        let poses = self.turned(&centred(vertices, &mesh)?);
        let camera = self.camera(&poses, &mesh);
        let at_once = (MAX_SAMPLES / (4 * self.size * self.size)).clamp(1, self.frames);
        let mut program = self.program(gpu, &mesh, camera, at_once)?;
        let (curve, mut photos) = (Curve::srgb(), Vec::with_capacity(self.frames));
        for batch in poses.chunks(at_once) {
            let missing = at_once - batch.len();
            let views: Vec<f32> =
                batch.iter().chain(std::iter::repeat_n(&batch[0], missing)).flatten().copied().collect();
            let results = program.run([("vertices", &views[..])])?;
            for picture in results.f32(0).chunks(3 * self.size * self.size).take(batch.len()) {
                let side = self.size as u32;
                photos.push(Photo::from_rgb(side, side, picture.iter().map(|&v| curve.of(v)).collect())?);
            }
        }
        Ok(photos)
    }

    fn check(&self) -> Result<()> {
        let ranges = [("size", self.size, 16, Self::MAX_SIZE), ("frames", self.frames, 1, Self::MAX_FRAMES)];
        for (what, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(Error::invalid(format!("turntable: {what}"), format!("{least} to {most}"), value));
            }
        }
        let angles = [self.azimuth, self.elevation];
        if angles.iter().any(|angle| !angle.is_finite()) {
            return Err(Error::invalid("turntable: azimuth and elevation", "finite angles", format!("{angles:?}")));
        }
        Ok(())
    }

    /// The vertices as each picture's camera has them.
    fn turned(&self, vertices: &[DVec3]) -> Vec<Vec<f32>> {
        let pose = |frame: usize| {
            let around = self.azimuth + TAU * frame as f32 / self.frames as f32;
            let turn = DMat3::from_rotation_x(self.elevation.into()) * DMat3::from_rotation_y(around.into());
            let seen = vertices.iter().map(|v| turn * *v + DVec3::new(0.0, 0.0, DISTANCE));
            seen.flat_map(|v| v.as_vec3().to_array()).collect()
        };
        (0..self.frames).map(pose).collect()
    }

    /// fx, fy, cx, cy with which the mesh fills the picture and never leaves it.
    fn camera(&self, poses: &[Vec<f32>], mesh: &TriangleMesh) -> [f32; 4] {
        let used = mesh.faces().as_flattened();
        let mut low = f64::INFINITY;
        let (mut high, mut aside) = (-low, 0.0f64);
        for pose in poses {
            for &v in used {
                let [x, y, z] = [0, 1, 2].map(|k| f64::from(pose[3 * v as usize + k]));
                (low, high, aside) = (low.min(y / z), high.max(y / z), aside.max((x / z).abs()));
            }
        }
        let half = 0.5 * self.size as f64;
        let focal = FILLS * half / aside.max(0.5 * (high - low)).max(1e-6);
        [focal, focal, half, half - focal * 0.5 * (low + high)].map(|v| v as f32)
    }

    fn program(&self, gpu: &Gpu, mesh: &Arc<TriangleMesh>, camera: [f32; 4], views: usize) -> Result<Executable> {
        let (r, size) = (Recorder::new(), self.size);
        let vertices = r.input("vertices", [views, mesh.vertices(), 3]);
        let camera = Projection::Perspective(r.constant([views, 4], &camera.repeat(views))?);
        let raster = Raster { supersample: true, ..Raster::new(size, size) };
        let drawn = vertices.rasterize(mesh, camera, raster)?;
        let mask = drawn.mask()?;
        let seen = studio(&drawn, shading::normals(&drawn, vertices, mesh)?, mask)?;
        let behind = r.constant([1, size, size, 3], &backdrop(size))?;
        gpu.compile(&r, [seen.add(r.scalar(1.0).sub(mask)?.mul(behind)?)?])
    }
}

/// Colour of the material, linear.
const CLAY: [f32; 3] = [0.70, 0.55, 0.46];

/// Clay in the light of a warm lamp above the camera's left, a cool one at its right, one from behind that draws the outline, and
/// a room that is brighter above than below; darker where something near stands before it.
fn studio<'r>(drawn: &Rasterized<'r>, normals: Var<'r>, mask: Var<'r>) -> Result<Var<'r>> {
    let r = mask.recorder();
    let mut room = [0.0; 27];
    room[..3].copy_from_slice(&[0.42, 0.44, 0.48]);
    room[3..6].copy_from_slice(&[-0.18, -0.19, -0.21]);
    let lights = Lights {
        ambient: r.constant([1, 3], &[0.03; 3])?,
        directions: r.constant([1, 3, 3], &[-0.55, -0.75, -0.75, 0.9, -0.1, -0.45, 0.35, -0.6, 0.9])?,
        colours: r.constant([1, 3, 3], &[1.08, 1.02, 0.94, 0.16, 0.19, 0.24, 0.6, 0.6, 0.62])?,
        harmonics: Some(r.constant([1, 9, 3], &room)?),
    };
    let clay = lights.shade(r.constant([3], &CLAY)?, normals)?;
    clay.add(sheen(normals)?)?.mul(occlusion(drawn)?.mul(mask)?)
}

/// The lamp's soft reflection: Blinn's highlight, the camera far away. N×H×W×1.
fn sheen(normals: Var<'_>) -> Result<Var<'_>> {
    let halfway = Vec3::new(-0.55, -0.75, -0.75).normalize() - Vec3::Z;
    let shape = normals.shape();
    let towards = normals.recorder().constant([3, 1], &halfway.normalize().to_array())?;
    normals.matmul(towards)?.relu()?.power(24.0)?.scale(0.09)?.reshape(shape.with_channels(1))
}

/// How much of the room is seen from each pixel, N×H×W×1: less where the surroundings are nearer than the pixel itself (Luft et
/// al. 2006, "Image Enhancement by Unsharp Masking the Depth Buffer", equation 1).
fn occlusion<'r>(drawn: &Rasterized<'r>) -> Result<Var<'r>> {
    let depth = drawn.depth(DISTANCE as f32 + 1.0)?;
    let side = depth.shape().dims()[1];
    // A coarse image is enough for what is blurred, and a box twice is smooth enough.
    let coarse = side.div_ceil(4).min(128);
    let kernel = (coarse / 12).max(1) | 1;
    let blur = AvgPool2d { kernel, stride: 1, padding: kernel / 2, count_include_pad: false };
    let around = depth.adaptive_avg_pool2d(coarse, coarse)?.avg_pool2d(blur)?.avg_pool2d(blur)?;
    let around = around.resize(side, side, Resize::Bilinear { align_corners: false })?;
    around.sub(depth)?.scale(5.0)?.clamp(-0.6, 0.0)?.offset(1.0)
}

/// A wall lit from above, linear.
fn backdrop(size: usize) -> Vec<f32> {
    let (middle, edge) = (DVec3::new(0.86, 0.87, 0.89), DVec3::new(0.47, 0.50, 0.55));
    let pixel = |i: usize| {
        let [x, y] = [i % size, i / size].map(|k| 2.0 * (k as f64 + 0.5) / size as f64 - 1.0);
        let far = ((x * x + (y + 0.25) * (y + 0.25)).sqrt() / 1.6).min(1.0);
        middle.lerp(edge, far * far * (3.0 - 2.0 * far)).as_vec3().to_array()
    };
    (0..size * size).flat_map(pixel).collect()
}

/// sRGB bytes of linear values (IEC 61966-2-1), by a table fine enough to be at most one level off.
struct Curve(Vec<u8>);

impl Curve {
    fn srgb() -> Self {
        const STEPS: usize = 1 << 13;
        let byte = |i: usize| {
            let v = i as f64 / (STEPS - 1) as f64;
            let curved = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
            (255.0 * curved).round() as u8
        };
        Curve((0..STEPS).map(byte).collect())
    }

    fn of(&self, v: f32) -> u8 {
        self.0[(v.clamp(0.0, 1.0) * (self.0.len() - 1) as f32 + 0.5) as usize]
    }
}

/// The faces, turned round if more of the mesh's volume is outside than inside.
fn outwards(vertices: &[Vec3], faces: &[[u32; 3]]) -> Result<Vec<[u32; 3]>> {
    if let Some(i) = vertices.iter().position(|v| !v.is_finite()) {
        let detail = format!("vertex {i} is {}", vertices[i]);
        return Err(Error::NotFinite { what: "mesh".into(), detail });
    }
    let volume = |face: &[u32; 3]| -> Option<f64> {
        let [a, b, c] = face.map(|v| vertices.get(v as usize).map(|p| p.as_dvec3()));
        let origin = vertices[0].as_dvec3();
        Some((a? - origin).dot((b? - origin).cross(c? - origin)))
    };
    let inside_out = faces.iter().filter_map(volume).sum::<f64>() < 0.0;
    Ok(faces.iter().map(|&[a, b, c]| if inside_out { [a, c, b] } else { [a, b, c] }).collect())
}

/// The vertices about the middle of the mesh's box, the farthest at 1.
fn centred(vertices: &[Vec3], mesh: &TriangleMesh) -> Result<Vec<DVec3>> {
    let used = || mesh.faces().iter().flatten().map(|&v| vertices[v as usize].as_dvec3());
    let low = used().fold(DVec3::INFINITY, DVec3::min);
    let high = used().fold(DVec3::NEG_INFINITY, DVec3::max);
    let centre = 0.5 * (low + high);
    let radius = used().map(|v| v.distance(centre)).fold(0.0, f64::max);
    if radius == 0.0 {
        return Err(Error::invalid("mesh", "vertices in more than one place", centre));
    }
    Ok(vertices.iter().map(|v| (v.as_dvec3() - centre) / radius).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::RiggedHand;

    #[test]
    fn what_cannot_be_shown_is_told_before_anything_is_drawn() {
        let gpu = Gpu::new().unwrap();
        let triangle = [Vec3::ZERO, Vec3::X, Vec3::Y];
        let draw = |turn: Turntable, vertices: &[Vec3], face: [u32; 3]| {
            turn.draw(&gpu, vertices, &[face]).map(|_| ()).unwrap_err().to_string()
        };
        let small = Turntable { size: 16, frames: 1, ..Turntable::default() };
        for size in [0, 15, 1601, usize::MAX] {
            assert!(draw(Turntable { size, ..small }, &triangle, [0, 1, 2]).contains("size: expected 16 to 1600"));
        }
        for frames in [0, 361] {
            assert!(draw(Turntable { frames, ..small }, &triangle, [0, 1, 2]).contains("frames: expected 1 to 360"));
        }
        assert!(draw(Turntable { azimuth: f32::NAN, ..small }, &triangle, [0, 1, 2]).contains("finite angles"));
        assert!(draw(small, &triangle, [0, 1, 3]).contains("vertices below 3"));
        assert!(draw(small, &[Vec3::ZERO; 3], [0, 1, 2]).contains("more than one place"));
        assert!(draw(small, &[Vec3::NAN, Vec3::X, Vec3::Y], [0, 1, 2]).contains("vertex 0"));
        assert!(small.draw(&gpu, &triangle, &[]).is_err() && small.draw(&gpu, &[], &[]).is_err());
    }

    #[test]
    fn the_hand_is_whole_in_every_picture_and_lit_whichever_way_its_faces_turn() {
        let (gpu, hand) = (Gpu::new().unwrap(), RiggedHand::right());
        let turn = Turntable { size: 48, frames: 5, azimuth: 0.0, elevation: 0.2 };
        let flipped: Vec<[u32; 3]> = hand.faces().iter().map(|&[a, b, c]| [a, c, b]).collect();
        let pictures = turn.draw(&gpu, hand.rest_vertices(), hand.faces()).unwrap();
        assert_eq!(pictures, turn.draw(&gpu, hand.rest_vertices(), &flipped).unwrap());
        assert!(pictures.len() == 5 && pictures[0] != pictures[1]);
        let (empty, curve) = (backdrop(48), Curve::srgb());
        for picture in &pictures {
            let shown = |i: usize| (0..3).any(|c| picture.rgb()[3 * i + c].abs_diff(curve.of(empty[3 * i + c])) > 2);
            let covered = (0..48 * 48).filter(|&i| shown(i)).count();
            assert!((150..1500).contains(&covered), "{covered}");
            assert!((0..48).all(|k| !shown(k) && !shown(47 * 48 + k) && !shown(48 * k) && !shown(48 * k + 47)));
        }
        // Any unit: what counts is the shape.
        let large: Vec<Vec3> = hand.rest_vertices().iter().map(|v| *v * 1e20 + 1e18).collect();
        let pictures_of_large = turn.draw(&gpu, &large, hand.faces()).unwrap();
        let differ =
            pictures[1].rgb().iter().zip(pictures_of_large[1].rgb()).filter(|(a, b)| a.abs_diff(**b) > 8).count();
        assert!(differ < 30, "{differ} bytes");
    }
}
