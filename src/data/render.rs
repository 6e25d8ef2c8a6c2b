//! Rendering of scenes: recorded as part of any program, or on its own.

use glam::{Vec2, Vec3};

use super::look::LOOK_WIDTH;
use super::mesh::{CAPSULES, SceneMesh};
use super::raster::{Develop, HandChannel, Shade, Surface};
use super::scene::{SceneBatch, SceneSampler};
use crate::error::Result;
use crate::gpu::{Data, Executable, Gpu};
use crate::graph::{Recorder, Var};
use crate::hand::Camera;
use crate::hand::joints::JOINTS;

/// The inputs of a recorded rendering; upload [`SceneBatch::inputs`] under these names.
pub const VERTICES: &str = "scene/vertices";
/// fx, fy, cx, cy.
pub const CAMERA: &str = "scene/camera";
/// Bones as capsules.
pub const CAPSULE_ENDS: &str = "scene/capsules";
/// Looks.
pub const LOOK: &str = "scene/look";

/// What a rendering gives, as part of a program. Without gradients.
#[derive(Clone, Copy, Debug)]
pub struct RenderedVars<'r> {
    /// sRGB in [0, 1], `[N,S,S,3]`.
    pub rgb: Var<'r>,
    /// 1 where the hand is seen, else 0, `[N,S,S,1]`. The arm is not hand.
    pub mask: Var<'r>,
    /// Depth of the hand where it is seen, mm, else 0, `[N,S,S,1]`.
    pub depth: Var<'r>,
    /// The uploaded vertices of hand and arm, mm, `[N,V,3]`; the hand's come first.
    pub vertices: Var<'r>,
}

/// Records the rendering of `batch` scenes of `mesh` in images of `size` pixels. Inputs, all f32: [`VERTICES`] `[N,V,3]`,
/// [`CAMERA`] `[N,4]`, [`CAPSULE_ENDS`] `[N,20,8]` and [`LOOK`] `[N,LOOK_WIDTH]`.
#[track_caller]
pub fn record<'r>(r: &'r Recorder, mesh: &SceneMesh, batch: usize, size: usize) -> Result<RenderedVars<'r>> {
    let vertices = r.input(VERTICES, [batch, mesh.vertices, 3]);
    let camera = r.input(CAMERA, [batch, 4]);
    let capsules = r.input(CAPSULE_ENDS, [batch, CAPSULES, 8]);
    let look = r.input(LOOK, [batch, LOOK_WIDTH]);
    let key = r.apply(mesh.visibility(size), &[vertices, camera])?;
    let surface = Surface { rows: mesh.rows_data(), fans: mesh.fans_data() };
    let surface = r.apply(surface, &[vertices, capsules, look])?;
    let shade = Shade { skins: mesh.skins_data(), hand_faces: mesh.hand_faces };
    let scene = r.apply(shade, &[key, vertices, surface, camera, look])?;
    Ok(RenderedVars {
        rgb: r.apply(Develop, &[scene, look])?,
        mask: r.apply(HandChannel { mask: true }, &[key, scene])?,
        depth: r.apply(HandChannel { mask: false }, &[key, scene])?,
        vertices,
    })
}

impl SceneBatch {
    /// The inputs that [`record`] asks for.
    pub fn inputs(&self) -> [(&'static str, Data<'_>); 4] {
        [
            (VERTICES, (&self.vertices).into()),
            (CAMERA, (&self.camera).into()),
            (CAPSULE_ENDS, (&self.capsules).into()),
            (LOOK, (&self.look).into()),
        ]
    }
}

/// A rendered scene with the truth about it. Pixels are row by row, millimetres in camera axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Side of the image, pixels.
    pub size_px: usize,
    /// sRGB in [0, 1], three a pixel.
    pub rgb: Vec<f32>,
    /// 1 where the hand is seen, else 0.
    pub mask: Vec<f32>,
    /// Depth of the hand where it is seen, mm, else 0.
    pub depth_mm: Vec<f32>,
    /// The 21 joints.
    pub joints_mm: [Vec3; JOINTS],
    /// The 21 joints in the image.
    pub joints_px: [Vec2; JOINTS],
    /// The camera of the image.
    pub camera: Camera,
    /// The hand's vertices, in the order of the rig.
    pub vertices_mm: Vec<Vec3>,
}

/// Renders samples on their own: for data sets, validation and pictures.
pub struct SceneRenderer {
    gpu: Gpu,
    sampler: SceneSampler,
    program: Option<(usize, Executable)>,
}

impl SceneRenderer {
    /// A renderer of the sampler's scenes.
    pub fn new(gpu: &Gpu, sampler: SceneSampler) -> Self {
        SceneRenderer { gpu: gpu.clone(), sampler, program: None }
    }

    /// Where its scenes come from.
    pub fn sampler(&self) -> &SceneSampler {
        &self.sampler
    }

    /// Scenes `first_index` to `first_index + n`, rendered. The program is kept for the next call with the same `n`.
    pub fn render(&mut self, first_index: u64, n: usize) -> Result<Vec<Sample>> {
        self.render_batch(SceneBatch::sample(&self.sampler, first_index, n))
    }

    /// Given scenes of the sampler's hand, rendered.
    pub fn render_batch(&mut self, batch: SceneBatch) -> Result<Vec<Sample>> {
        let (n, size) = (batch.scenes.len(), self.sampler.size_px());
        if n == 0 {
            return Ok(Vec::new());
        }
        let program = match self.program.take() {
            Some((kept, program)) if kept == n => program,
            _ => {
                let r = Recorder::new();
                let rendered = record(&r, self.sampler.mesh(), n, size)?;
                self.gpu.compile(&r, [rendered.rgb, rendered.mask, rendered.depth])?
            }
        };
        let (_, program) = self.program.insert((n, program));
        let out = program.run(batch.inputs())?;
        let pixels = size * size;
        let samples = batch.scenes.into_iter().enumerate().map(|(i, scene)| Sample {
            size_px: size,
            rgb: out.f32(0)[3 * pixels * i..][..3 * pixels].to_vec(),
            mask: out.f32(1)[pixels * i..][..pixels].to_vec(),
            depth_mm: out.f32(2)[pixels * i..][..pixels].to_vec(),
            joints_mm: scene.joints_mm,
            joints_px: scene.joints_px,
            camera: scene.camera,
            vertices_mm: scene.hand_mm().to_vec(),
        });
        Ok(samples.collect())
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
