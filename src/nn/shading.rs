//! Light on what a rasteriser sees: ambient, from directions, and from everywhere as spherical harmonics, with gradients to
//! surface, normals and lights.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::Var;
use crate::ops::{Rasterized, TriangleMesh};

/// The lights of each of N images, or with N = 1 of all images. Colours are linear and of any brightness: a white surface that
/// faces a light of colour 1 shows 1.
///
/// ```
/// use knuckle::nn::shading::{self, Lights};
/// use knuckle::ops::{Projection, Raster, TriangleMesh};
/// use knuckle::{Gpu, Recorder, Result};
/// # fn main() -> Result<()> {
/// let r = Recorder::new();
/// let mesh = TriangleMesh::new(3, &[[0, 2, 1]])?;
/// let vertices = r.constant([1, 3, 3], &[-1.0, -1.0, 4.0, 1.0, -1.0, 4.0, 0.0, 1.0, 4.0])?;
/// let camera = r.constant([1, 4], &[16.0, 16.0, 8.0, 8.0])?;
/// let drawn = vertices.rasterize(&mesh, Projection::Perspective(camera), Raster::new(16, 16))?;
/// let lights = Lights {
///     ambient: r.constant([1, 3], &[0.1; 3])?,
///     // A red lamp behind the camera, and one that the triangle turns its back to.
///     directions: r.constant([1, 2, 3], &[0.0, 0.0, -5.0, 0.0, 0.0, 1.0])?,
///     colours: r.constant([1, 2, 3], &[0.8, 0.0, 0.0, 9.0, 9.0, 9.0])?,
///     harmonics: None,
/// };
/// let picture = lights.shade(drawn.mask()?, shading::normals(&drawn, vertices, &mesh)?)?;
/// let results = Gpu::new()?.compile(&r, [picture])?.run(std::iter::empty::<(&str, &[f32])>())?;
/// let pixel = |row: usize, column: usize| &results.f32(0)[3 * (16 * row + column)..][..3];
/// assert!(pixel(8, 8).iter().zip([0.9, 0.1, 0.1]).all(|(got, want)| (got - want).abs() < 1e-6));
/// assert_eq!(pixel(0, 0), [0.0; 3]);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Lights<'r> {
    /// Light that is everywhere the same, N×3.
    pub ambient: Var<'r>,
    /// Where each of L lights is, seen from the surface, N×L×3, of any length: one of 0 lights nothing.
    pub directions: Var<'r>,
    /// Their colours, N×L×3.
    pub colours: Var<'r>,
    /// Light from everywhere, N×9×3: what [`Var::spherical_harmonics`] of a normal are multiplied by for the light that arrives
    /// there. Of radiance L_lm from an environment these are L_lm, ⅔ L_lm and ¼ L_lm for degrees 0, 1 and 2 (Ramamoorthi and
    /// Hanrahan 2001, "An Efficient Representation for Irradiance Environment Maps", equations 7 to 9, over π).
    pub harmonics: Option<Var<'r>>,
}

/// The unit normals of what each pixel shows, N×H×W×3, of vertices N×V×3: those of the vertices, interpolated. 0 where nothing
/// is seen. Faces are anticlockwise seen from outside.
#[track_caller]
pub fn normals<'r>(drawn: &Rasterized<'r>, vertices: Var<'r>, mesh: &Arc<TriangleMesh>) -> Result<Var<'r>> {
    drawn.vertex_attributes(vertices.vertex_normals(mesh)?)?.unit_vectors()
}

impl<'r> Lights<'r> {
    /// The light that arrives at surfaces with these unit normals n, N×…×3 to the same:
    /// `ambient + Σ_l max(n·direction_l, 0) · colour_l + Σ_k Y_k(n) · harmonics_k`, directions made unit.
    #[track_caller]
    pub fn irradiance(&self, normals: Var<'r>) -> Result<Var<'r>> {
        normals.irradiance(self.ambient, self.directions.unit_vectors()?, self.colours, self.harmonics)
    }

    /// A matt surface in this light (Lambert): albedo times [`Lights::irradiance`], N×H×W×3. The albedo is N×H×W×3, or has fewer
    /// channels or axes to be repeated over. Where it comes from [`Rasterized::vertex_attributes`] or
    /// [`Rasterized::textured`], or is a colour times [`Rasterized::mask`], it is already 0 where nothing is seen and a part
    /// where a part of the pixel is covered, and so is the result: what lies behind is added times 1 − mask.
    #[track_caller]
    pub fn shade(&self, albedo: Var<'r>, normals: Var<'r>) -> Result<Var<'r>> {
        self.irradiance(normals)?.mul(albedo)
    }
}
