//! Meshes drawn, with gradients: a triangle rasteriser without float atomics, whose results have the same bits on every
//! run.
//!
//! Vertices become homogeneous pixels (`points`), faces are clipped and snapped (`visible`, its setup), a z-buffer of
//! integers finds the face seen in each pixel (`visible`), and everything else looks at that: `depth`, `interpolate`, and
//! the silhouettes `soft` and `edges`. Gradients are summed face by face over the pixels of a face in a fixed order, then
//! vertex by vertex.

mod depth;
mod edges;
mod frame;
mod interpolate;
mod points;
mod soft;
mod visible;

use std::sync::Arc;

use self::depth::Depth;
use self::edges::EdgeSilhouette;
use self::frame::{Frame, MAX_FACES};
use self::interpolate::Interpolate;
use self::points::ImagePoints;
use self::soft::SoftSilhouette;
use self::visible::{Mask, Setup, Visible};
use super::mesh::TriangleMesh;
use super::vectors::batch;
use super::{AvgPool2d, GridPadding, GridSample};
use crate::error::{Mismatch, Result};
use crate::graph::Var;
use crate::shape::{DType, TensorType};

/// What stands in [`Rasterized::face_ids`] where no face is seen.
pub const NO_FACE: u32 = u32::MAX;

/// How meshes are drawn, see [`Var::rasterize`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Raster {
    /// Pixels from left to right, 1 to 4096.
    pub width: usize,
    /// Pixels from top to bottom, 1 to 4096.
    pub height: usize,
    /// The least depth that is drawn, in the unit of the vertices; positive in perspective. Faces are clipped there.
    pub near: f32,
    /// Whether faces seen from behind are left out: those whose corners run clockwise in the image.
    pub cull_back: bool,
    /// Whether four samples of each pixel are drawn and averaged; width and height are then at most 2048.
    pub supersample: bool,
}

impl Raster {
    /// An image of this size: everything farther than 1 is drawn from both sides, one sample a pixel.
    pub fn new(width: usize, height: usize) -> Self {
        Raster { width, height, near: 1.0, cull_back: false, supersample: false }
    }
}

/// A camera for each image, in pixels, x to the right and y down. Every form is differentiable.
#[derive(Debug, Clone, Copy)]
pub enum Projection<'r> {
    /// N×4, fx, fy, cx, cy: `u = fx·x/z + cx`, `v = fy·y/z + cy`.
    Perspective(Var<'r>),
    /// N×3, s, cx, cy: `u = s·x + cx`, `v = s·y + cy`.
    WeakPerspective(Var<'r>),
    /// N×4, sx, sy, cx, cy: `u = sx·x + cx`, `v = sy·y + cy`.
    Orthographic(Var<'r>),
}

/// The faces of a mesh.
#[derive(Debug, Clone)]
pub enum Faces<'r> {
    /// The same for all images.
    Mesh(Arc<TriangleMesh>),
    /// u32 F×3, or N×F×3 for each image its own, read on the device. A face with an index that is no vertex is not drawn.
    Indices(Var<'r>),
}

impl From<&Arc<TriangleMesh>> for Faces<'_> {
    fn from(mesh: &Arc<TriangleMesh>) -> Self {
        Faces::Mesh(mesh.clone())
    }
}

impl<'r> From<Var<'r>> for Faces<'r> {
    fn from(indices: Var<'r>) -> Self {
        Faces::Indices(indices)
    }
}

impl<'r> Faces<'r> {
    /// The rows of x, N×V×C, at each corner of each face, N×3F×C.
    #[track_caller]
    fn corners(&self, x: Var<'r>) -> Result<Var<'r>> {
        match self {
            Faces::Mesh(mesh) => x.gather_rows(mesh.faces().as_flattened()),
            Faces::Indices(indices) => {
                let shape = indices.shape();
                let images = if shape.rank() == 3 { shape.dims()[0] } else { 1 };
                let each = x.shape();
                let x = if each.dims()[0] < images { x.broadcast([&[images], &each.dims()[1..]].concat())? } else { x };
                x.gather(1, indices.reshape([images, shape.numel() / images, 1])?)
            }
        }
    }

    /// Fails unless these can be faces of `n` images.
    fn check(&self, n: usize) -> Result<(), Mismatch> {
        if let Faces::Indices(indices) = self {
            let ty = indices.ty();
            let fits = match *ty.shape.dims() {
                [f, 3] => f > 0,
                [images, f, 3] => images == n && f > 0,
                _ => false,
            };
            Mismatch::unless(fits && ty.dtype == DType::U32, "faces", "u32 F×3 or N×F×3, F at least 1", ty)?;
        }
        Mismatch::unless(self.count() <= MAX_FACES, "faces", format!("at most {MAX_FACES}"), self.count())
    }

    /// How many faces there are.
    fn count(&self) -> usize {
        match self {
            Faces::Mesh(mesh) => mesh.faces().len(),
            Faces::Indices(indices) => indices.shape().dims().iter().rev().nth(1).copied().unwrap_or(0),
        }
    }
}

/// A mesh drawn: which face each pixel shows. Ask it for images, see [`Var::rasterize`].
#[derive(Debug, Clone)]
pub struct Rasterized<'r> {
    raster: Raster,
    frame: Frame,
    faces: Faces<'r>,
    vertices: usize,
    /// N×F×12: homogeneous pixels.
    corners: Var<'r>,
    /// u32 N×F×12.
    setup: Var<'r>,
    /// u32 N×H×W.
    visible: Var<'r>,
}

impl<'r> Var<'r> {
    /// Draws a mesh with these vertices (N×V×3, camera axes: x right, y down, z away; any unit of length) once for each
    /// image: finds the face that each pixel's centre shows, the nearest, and of equally near ones the first. The result
    /// gives depth, interpolated attributes and silhouettes, with gradients to vertices, attributes and cameras.
    ///
    /// Faces that cross the near plane are clipped. Faces without extent in the image, and those with corners that are
    /// not finite, are left out. Pixel (row i, column j) has its centre at (j + 0.5, i + 0.5).
    ///
    /// ```
    /// use knuckle::ops::{Projection, Raster, TriangleMesh};
    /// use knuckle::{Gpu, Recorder, Result};
    /// # fn main() -> Result<()> {
    /// let r = Recorder::new();
    /// let triangle = TriangleMesh::new(3, &[[0, 1, 2]])?;
    /// let vertices = r.constant([1, 3, 3], &[-1.0, -1.0, 4.0, 1.0, -1.0, 4.0, 0.0, 1.0, 4.0])?;
    /// let camera = r.constant([1, 4], &[16.0, 16.0, 8.0, 8.0])?;
    /// let drawn = vertices.rasterize(&triangle, Projection::Perspective(camera), Raster::new(16, 16))?;
    /// let depth = drawn.depth(100.0)?;
    /// let mut program = Gpu::new()?.compile(&r, [depth])?;
    /// let results = program.run(std::iter::empty::<(&str, &[f32])>())?;
    /// assert_eq!((results.f32(0)[0], results.f32(0)[8 * 16 + 8]), (100.0, 4.0));
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn rasterize(
        self,
        faces: impl Into<Faces<'r>>,
        projection: Projection<'r>,
        raster: Raster,
    ) -> Result<Rasterized<'r>> {
        let (r, faces) = (self.recorder(), faces.into());
        let samples = if raster.supersample { 2 } else { 1 };
        let known = match &faces {
            Faces::Mesh(mesh) => Some(mesh.vertices()),
            Faces::Indices(_) => None,
        };
        let [n, vertices] = r.expect("rasterize", &[self], batch("vertices", &self.ty(), known, 3))?;
        r.expect("rasterize", &[self], faces.check(n))?;
        let (camera, perspective) = projection.camera(n, samples as f32)?;
        let frame = Frame {
            width: raster.width.saturating_mul(samples),
            height: raster.height.saturating_mul(samples),
            near: raster.near,
        };
        r.expect("rasterize", &[self], frame.check(perspective))?;
        let points = r.apply(ImagePoints { perspective }, &[self, camera])?;
        let corners = faces.corners(points)?.reshape([n, faces.count(), 12])?;
        let setup = Setup { frame, cull_back: raster.cull_back, vertices };
        let setup = match &faces {
            Faces::Mesh(_) => r.apply(setup, &[corners])?,
            Faces::Indices(indices) => r.apply(setup, &[corners, *indices])?,
        };
        let visible = r.apply(Visible(frame), &[setup, corners])?;
        Ok(Rasterized { raster, frame, faces, vertices, corners, setup, visible })
    }
}

impl<'r> Projection<'r> {
    /// The camera as N×4 in samples, and whether it is one of perspective.
    #[track_caller]
    fn camera(self, n: usize, samples: f32) -> Result<(Var<'r>, bool)> {
        let (given, width, perspective) = match self {
            Projection::Perspective(camera) => (camera, 4, true),
            Projection::WeakPerspective(camera) => (camera, 3, false),
            Projection::Orthographic(camera) => (camera, 4, false),
        };
        let fits = given.ty() == TensorType::f32([n, width]);
        let fits = Mismatch::unless(fits, "camera", TensorType::f32([n, width]), given.ty());
        given.recorder().expect("rasterize", &[given], fits)?;
        let camera = match self {
            // (s, cx, cy) to (s, s, cx, cy).
            Projection::WeakPerspective(_) => given.recorder().concat(&[given.slice(1, 0, 1)?, given], 1)?,
            _ => given,
        };
        Ok((if samples == 1.0 { camera } else { camera.scale(samples)? }, perspective))
    }
}

impl<'r> Rasterized<'r> {
    /// The number of the face that each sample shows, or [`NO_FACE`]: u32 N×H×W, or N×2H×2W with supersampling.
    pub fn face_ids(&self) -> Var<'r> {
        self.visible
    }

    /// How much of each pixel is covered, N×H×W×1: 0 or 1, with supersampling quarters. No gradient reaches the vertices;
    /// see [`Rasterized::soft_silhouette`] and [`Rasterized::edge_silhouette`].
    #[track_caller]
    pub fn mask(&self) -> Result<Var<'r>> {
        self.averaged(self.sampled_mask()?)
    }

    #[track_caller]
    fn sampled_mask(&self) -> Result<Var<'r>> {
        let mask = Mask { frame: self.frame, faces: self.faces.count() };
        self.visible.recorder().apply(mask, &[self.visible])
    }

    /// The depth of what is seen, N×H×W×1, in the vertices' unit; `background` where nothing is, without a gradient. With
    /// supersampling the mean over the covered samples: background is never mixed in.
    #[track_caller]
    pub fn depth(&self, background: f32) -> Result<Var<'r>> {
        if !self.raster.supersample {
            return self.sampled_depth(background);
        }
        let r = self.visible.recorder();
        let finite = Mismatch::unless(background.is_finite(), "background", "a finite number", background);
        r.expect("depth", &[self.corners], finite)?;
        let (sum, covered) = (self.averaged(self.sampled_depth(0.0)?)?, self.mask()?);
        let mean = sum.div(covered.max(r.scalar(0.25))?)?;
        mean.add(r.scalar(1.0).sub(covered.scale(4.0)?.min(r.scalar(1.0))?)?.scale(background)?)
    }

    #[track_caller]
    fn sampled_depth(&self, background: f32) -> Result<Var<'r>> {
        let depth = Depth { frame: self.frame, background };
        self.visible.recorder().apply(depth, &[self.corners, self.setup, self.visible])
    }

    /// What each corner of the face that is seen weighs, N×H×W×3, corrected for perspective; 0 where nothing is seen.
    #[track_caller]
    pub fn barycentrics(&self) -> Result<Var<'r>> {
        let f = self.faces.count();
        let corners = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0].repeat(f);
        self.corner_attributes(self.visible.recorder().constant([1, 3 * f, 3], &corners)?)
    }

    /// What vertices carry (V×C or N×V×C: colours, normals, places), interpolated with correction for perspective: N×H×W×C,
    /// 0 where nothing is seen. Gradients reach the attributes and the vertices.
    #[track_caller]
    pub fn vertex_attributes(&self, attributes: Var<'r>) -> Result<Var<'r>> {
        let (shape, n, v) = (attributes.shape(), self.corners.shape().dims()[0], self.vertices);
        let batched = match *shape.dims() {
            _ if attributes.ty().dtype != DType::F32 || shape.numel() == 0 => None,
            [rows, c] if rows == v => Some(attributes.reshape([1, v, c])?),
            [images, rows, _] if rows == v && (images == n || images == 1) => Some(attributes),
            _ => None,
        };
        let wrong = || Mismatch::new("attributes", format!("{v}×C or {n}×{v}×C"), attributes.ty());
        let batched = attributes.recorder().expect("vertex_attributes", &[attributes], batched.ok_or_else(wrong))?;
        self.corner_attributes(self.faces.corners(batched)?)
    }

    /// As [`Rasterized::vertex_attributes`] for what corners carry, 3F×C or N×3F×C in the order of the faces: texture
    /// coordinates, say, which differ from face to face at a seam.
    #[track_caller]
    pub fn corner_attributes(&self, attributes: Var<'r>) -> Result<Var<'r>> {
        let shape = attributes.shape();
        let batched = match *shape.dims() {
            [corners, c] => attributes.reshape([1, corners, c])?,
            _ => attributes,
        };
        let inputs = [self.corners, self.setup, self.visible, batched];
        self.averaged(self.visible.recorder().apply(Interpolate(self.frame), &inputs)?)
    }

    /// A texture (N×h×w×C) on the mesh, N×H×W×C, bilinear: `uv` N×H×W×2 are the interpolated texture coordinates of
    /// [`Rasterized::corner_attributes`], (0, 0) the texture's upper left corner and (1, 1) its lower right. 0 where nothing is
    /// seen. Gradients reach texture, coordinates and through these the vertices.
    #[track_caller]
    pub fn textured(&self, texture: Var<'r>, uv: Var<'r>) -> Result<Var<'r>> {
        let border = GridSample { padding: GridPadding::Border, ..GridSample::default() };
        let covered = self.mask()?;
        // Where some samples show nothing, their coordinates, 0, are in the mean.
        let uv = if self.raster.supersample { uv.div(covered.max(covered.recorder().scalar(0.25))?)? } else { uv };
        texture.grid_sample(uv.scale(2.0)?.offset(-1.0)?, border)?.mul(covered)
    }

    /// A silhouette that fades at its outline, N×H×W×1: `1 − Π (1 − D)` over all faces with `D = 1 / (1 + exp(∓d²/σ²))`, d being
    /// the distance from the pixel's centre to the face's outline in pixels, + outside (Liu et al., "Soft Rasterizer", 2019,
    /// equations 1 and 4; their σ is `(2·sigma_px / side)²`). A face counts where it covers at least 1e-4, up to 3.03
    /// `sigma_px` away. Faces that cross the near plane are left out. Gradients reach every vertex near enough, hidden ones
    /// too. `sigma_px` is in pixels of the image, also with supersampling.
    #[track_caller]
    pub fn soft_silhouette(&self, sigma_px: f32) -> Result<Var<'r>> {
        let most = self.raster.width.max(self.raster.height) as f32 / 4.0;
        let expected = format!("0.001 to {most} pixels, a quarter of the image");
        let fits = Mismatch::unless((1e-3..=most).contains(&sigma_px), "sigma_px", expected, sigma_px);
        self.visible.recorder().expect("soft_silhouette", &[self.corners], fits)?;
        let samples = if self.raster.supersample { 2.0 } else { 1.0 };
        let soft = SoftSilhouette { frame: self.frame, sigma: sigma_px * samples };
        self.averaged(self.visible.recorder().apply(soft, &[self.corners, self.setup])?)
    }

    /// The hard silhouette of [`Rasterized::mask`] with the approximate gradient of Kato et al., "Neural 3D Mesh Renderer", 2018,
    /// section 3: it pulls edges of visible faces across pixels that would lessen the loss.
    #[track_caller]
    pub fn edge_silhouette(&self) -> Result<Var<'r>> {
        let inputs = [self.corners, self.setup, self.visible];
        self.averaged(self.visible.recorder().apply(EdgeSilhouette(self.frame), &inputs)?)
    }

    #[track_caller]
    fn averaged(&self, samples: Var<'r>) -> Result<Var<'r>> {
        if !self.raster.supersample {
            return Ok(samples);
        }
        samples.avg_pool2d(AvgPool2d::default())
    }
}
