//! Light on what a rasteriser sees: ambient, from directions, and from everywhere as spherical harmonics, with gradients to
//! surface, normals and lights.

use std::sync::Arc;

use crate::error::{Mismatch, Result};
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
        let (shape, lights) = (normals.shape(), self.check(normals)?);
        let rows = normals.reshape([lights, shape.rows() / lights, 3])?;
        let cosines = rows.batch_matmul(self.directions.unit_vectors()?, false, true)?.relu()?;
        let mut light = cosines.batch_matmul(self.colours, false, false)?;
        if let Some(harmonics) = self.harmonics {
            light = rows.spherical_harmonics()?.batch_matmul(harmonics, false, false)?.add(light)?;
        }
        light.add(self.ambient.reshape([lights, 1, 3])?)?.reshape(shape)
    }

    /// A matt surface in this light (Lambert): albedo times [`Lights::irradiance`], N×H×W×3. The albedo is N×H×W×3, or has fewer
    /// channels or axes to be repeated over. Where it comes from [`Rasterized::vertex_attributes`] or
    /// [`Rasterized::textured`], or is a colour times [`Rasterized::mask`], it is already 0 where nothing is seen and a part
    /// where a part of the pixel is covered, and so is the result: what lies behind is added times 1 − mask.
    #[track_caller]
    pub fn shade(&self, albedo: Var<'r>, normals: Var<'r>) -> Result<Var<'r>> {
        self.irradiance(normals)?.mul(albedo)
    }

    /// For how many images there are lights, if all operands fit.
    #[track_caller]
    fn check(&self, normals: Var<'r>) -> Result<usize> {
        let images = normals.shape().dims().first().copied().unwrap_or(0);
        let sound = normals.shape().rank() >= 2 && normals.shape().channels() == 3 && normals.shape().numel() > 0;
        let checked = match *self.directions.shape().dims() {
            _ if !sound => Err(Mismatch::new("normals", "N×…×3, extents of at least 1", normals.ty())),
            [n, l, 3] if (n == images || n == 1) && n > 0 && l > 0 => Ok([n, l]),
            _ => Err(Mismatch::new("directions", format!("{images}×L×3 or 1×L×3"), self.directions.ty())),
        };
        let r = normals.recorder();
        let [n, l] = r.expect("irradiance", &[normals, self.directions], checked)?;
        let others = [("ambient", Some(self.ambient), vec![n, 3]), ("colours", Some(self.colours), vec![n, l, 3])];
        for (name, given, dims) in others.into_iter().chain([("harmonics", self.harmonics, vec![n, 9, 3])]) {
            let Some(given) = given.filter(|v| v.shape().dims() != dims) else { continue };
            let wrong = Mismatch::new(name, crate::shape::Shape::from(dims.as_slice()), given.ty());
            r.expect("irradiance", &[normals, given], Err(wrong))?;
        }
        Ok(n)
    }
}
