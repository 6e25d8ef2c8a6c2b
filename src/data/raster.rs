//! The operators that render scenes: visibility by a z-buffer, surface data at the vertices, shading, and the camera's
//! response. They are part of the program they feed, so a training step is one submission; none has a gradient.

use crate::error::{Mismatch, Result};
use crate::exec::{AdapterClass, Lowering, Shader, Target};
use crate::graph::{TensorData, Var};
use crate::ops::{Operator, VjpCall, fill};
use crate::shader;
use crate::shape::{DType, TensorType};

use super::look::LOOK_WIDTH;
use super::mesh::SceneMesh;

const VISIBILITY: Shader = shader!("render/visibility.wgsl", with "common/index.wgsl");
const SURFACE: Shader = shader!("render/surface.wgsl", with "common/index.wgsl", with "render/look.wgsl");
const SHADE: Shader = shader!("render/shade.wgsl", with "render/look.wgsl", with "render/noise.wgsl");
const DEVELOP: Shader = shader!("render/develop.wgsl", with "render/look.wgsl", with "render/noise.wgsl");
const CHANNEL: Shader = shader!("render/channel.wgsl", with "common/index.wgsl");

/// Invocations a workgroup: more than [`crate::exec::Target::lanes`] for software, as images make many workgroups and each has a price.
const LANES: u32 = 32;
/// Pixels of a row that a thread develops.
const PIXELS: u32 = 8;

/// Pixels of a column that a thread shades: many where loads are dear, few where threads are many.
fn rows_per_thread(target: &Target) -> u32 {
    match target.class {
        AdapterClass::Software => 16,
        AdapterClass::Hardware => 2,
    }
}

/// The key of a pixel that shows no face.
pub const NO_FACE: u32 = u32::MAX;
/// Faces a key has room for.
pub const MAX_FACES: usize = 1 << FACE_BITS;
/// Low bits of a key that hold the face; the others hold the depth in 1/256 mm.
pub const FACE_BITS: u32 = 12;
/// Faces that reach nearer than this or farther than [`FAR_MM`] are not drawn.
pub const NEAR_MM: f32 = 20.0;
/// See [`NEAR_MM`].
pub const FAR_MM: f32 = 4095.0;

/// The nearest face in each pixel: vertices `[N,V,3]` (mm, camera axes) and cameras `[N,4]` (fx, fy, cx, cy in pixels) to keys u32
/// `[N,S,S]`: depth in 1/256 mm shifted left by [`FACE_BITS`], or'ed with the face's index; [`NO_FACE`] where nothing is.
///
/// Of faces at one depth the lowest wins. Faces of no area, nearer than [`NEAR_MM`] or farther than [`FAR_MM`] are skipped.
#[derive(Debug, Clone)]
pub struct Visibility {
    /// Three vertices and a tag for each face, `[F,4]` u32.
    pub faces: TensorData,
    /// Side of the image, pixels.
    pub size: usize,
    /// Skip faces seen from behind: right for closed meshes.
    pub cull_back: bool,
}

fn expect<'a, const N: usize>(
    inputs: &[&'a TensorType],
    wanted: [(&'static str, DType, &[Option<usize>]); N],
) -> Result<[&'a TensorType; N], Mismatch> {
    let types: [&TensorType; N] = inputs.try_into().map_err(|_| Mismatch::new("operands", N, inputs.len()))?;
    for ((name, dtype, extents), ty) in wanted.iter().zip(types) {
        let dims = ty.shape.dims();
        let fits = ty.dtype == *dtype
            && dims.len() == extents.len()
            && dims.iter().zip(*extents).all(|(d, e)| e.is_none_or(|e| e == *d));
        if !fits {
            let extents: Vec<String> = extents.iter().map(|e| e.map_or("·".into(), |e| e.to_string())).collect();
            return Err(Mismatch::new(name, format!("{dtype} [{}]", extents.join(",")), ty));
        }
    }
    Ok(types)
}

fn no_gradient<'r>(call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
    Ok(vec![None; call.inputs.len()])
}

impl Operator for Visibility {
    fn name(&self) -> &'static str {
        "visibility"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let images = inputs.first().and_then(|t| t.shape.dims().first().copied());
        let wanted =
            [("vertices", DType::F32, &[images, None, Some(3)][..]), ("camera", DType::F32, &[images, Some(4)][..])];
        let [vertices, _] = expect(inputs, wanted)?;
        let corners: &[u32] = bytemuck::cast_slice(self.faces.bytes());
        let faces = self.faces.ty.shape.rows();
        if self.faces.ty != TensorType::u32([faces, 4]) || faces > MAX_FACES {
            return Err(Mismatch::new("faces", format!("u32 [F,4], F at most {MAX_FACES}"), &self.faces.ty));
        }
        let count = vertices.shape.dims()[1];
        if let Some(bad) = corners.chunks_exact(4).flat_map(|f| &f[..3]).find(|&&v| v as usize >= count) {
            return Err(Mismatch::new("faces", format!("vertices below {count}"), bad));
        }
        if self.size == 0 || self.size > 4096 {
            return Err(Mismatch::new("size", "1 to 4096 pixels", self.size));
        }
        Ok(TensorType::u32([vertices.shape.dims()[0], self.size, self.size]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        no_gradient(call)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (vertices, camera) = (lowering.input(0), lowering.input(1));
        let faces = lowering.constant(self.faces.clone());
        let (key, lanes) = (lowering.output(), LANES);
        let pixels = lowering.output_ty().shape.numel();
        fill(lowering, key, pixels, NO_FACE)?;
        let dims = vertices.ty.shape.dims();
        let face_count = self.faces.ty.shape.rows();
        // Sub-pixel bits such that a box as large as the image keeps edge products within 2³⁰.
        let bits = (15 - (self.size.max(2) - 1).ilog2() - 1).min(8);
        lowering
            .dispatch(&VISIBILITY)
            .define("WG", lanes)
            .bind("vertices", vertices.buffer)
            .bind("camera", camera.buffer)
            .bind("faces", faces)
            .bind("key", key)
            .param("images", dims[0])
            .param("faces", face_count)
            .param("vertices", dims[1])
            .param("size", self.size)
            .param("bits", bits)
            .param("cull", u32::from(self.cull_back))
            .param("near", NEAR_MM)
            .param("far", FAR_MM)
            .threads(dims[0] * face_count)
    }
}

/// Normals, ambient visibility and the light of two lamps at each vertex: vertices `[N,V,3]`, capsules `[N,C,8]`, looks to
/// u32 `[N,V,2]`, packed.
#[derive(Debug, Clone)]
pub(super) struct Surface {
    pub rows: TensorData,
    pub fans: TensorData,
}

impl Operator for Surface {
    fn name(&self) -> &'static str {
        "surface"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let images = inputs.first().and_then(|t| t.shape.dims().first().copied());
        let vertices = Some(self.rows.ty.shape.rows() - 1);
        let wanted = [
            ("vertices", DType::F32, &[images, vertices, Some(3)][..]),
            ("capsules", DType::F32, &[images, None, Some(8)][..]),
            ("look", DType::F32, &[images, Some(LOOK_WIDTH)][..]),
        ];
        let [vertices, ..] = expect(inputs, wanted)?;
        Ok(TensorType::u32(vertices.shape.with_channels(2)))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        no_gradient(call)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [vertices, capsules, looks] = [0, 1, 2].map(|i| lowering.input(i));
        let (rows, fans) = (lowering.constant(self.rows.clone()), lowering.constant(self.fans.clone()));
        let (surface, lanes) = (lowering.output(), LANES);
        let dims = vertices.ty.shape.dims();
        lowering
            .dispatch(&SURFACE)
            .define("WG", lanes)
            .bind("vertices", vertices.buffer)
            .bind("capsules", capsules.buffer)
            .bind("looks", looks.buffer)
            .bind("rows", rows)
            .bind("fans", fans)
            .bind("surface", surface)
            .param("vertices", dims[1])
            .param("capsules", capsules.ty.shape.dims()[1])
            .groups([dims[1].div_ceil(4 * lanes as usize), dims[0], 1])
    }
}

/// Linear colour and where the hand is seen, packed in u32 `[N,S,S,2]`, from keys, vertices, surface data, cameras and looks.
#[derive(Debug, Clone)]
pub(super) struct Shade {
    pub skins: TensorData,
    pub hand_faces: usize,
}

impl Operator for Shade {
    fn name(&self) -> &'static str {
        "shade"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let dims = inputs.first().map(|t| t.shape.dims().to_vec()).unwrap_or_default();
        let (images, size) = (dims.first().copied(), dims.get(1).copied());
        let vertices = inputs.get(1).and_then(|t| t.shape.dims().get(1).copied());
        let wanted = [
            ("key", DType::U32, &[images, size, size][..]),
            ("vertices", DType::F32, &[images, vertices, Some(3)][..]),
            ("surface", DType::U32, &[images, vertices, Some(2)][..]),
            ("camera", DType::F32, &[images, Some(4)][..]),
            ("look", DType::F32, &[images, Some(LOOK_WIDTH)][..]),
        ];
        let [key, ..] = expect(inputs, wanted)?;
        let [n, s, _] = [0, 1, 2].map(|i| key.shape.dims()[i]);
        Ok(TensorType::u32([n, s, s, 2]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        no_gradient(call)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [key, vertices, surface, camera, look] = [0, 1, 2, 3, 4].map(|i| lowering.input(i));
        let skins = lowering.constant(self.skins.clone());
        let rows = rows_per_thread(lowering.target());
        let (scene, lanes) = (lowering.output(), LANES);
        let [n, s, _, _] = lowering.output_ty().shape.nhwc().expect("inferred so");
        lowering
            .dispatch(&SHADE)
            .define("WG", lanes)
            .define("ROWS", rows)
            .bind("key", key.buffer)
            .bind("vertices", vertices.buffer)
            .bind("surface", surface.buffer)
            .bind("camera", camera.buffer)
            .bind("skins", skins)
            .bind("looks", look.buffer)
            .bind("scene", scene)
            .param("size", s)
            .param("vertices", vertices.ty.shape.dims()[1])
            .param("hand_faces", self.hand_faces)
            .groups([s.div_ceil(lanes as usize), s.div_ceil(rows as usize), n])
    }
}

/// Scene u32 `[N,S,S,2]` and looks to sRGB `[N,S,S,3]` in [0, 1].
#[derive(Debug, Clone, Copy)]
pub(super) struct Develop;

impl Operator for Develop {
    fn name(&self) -> &'static str {
        "develop"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let images = inputs.first().and_then(|t| t.shape.dims().first().copied());
        let wanted = [
            ("scene", DType::U32, &[images, None, None, Some(2)][..]),
            ("look", DType::F32, &[images, Some(LOOK_WIDTH)][..]),
        ];
        let [scene, _] = expect(inputs, wanted)?;
        Ok(TensorType::f32(scene.shape.with_channels(3)))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        no_gradient(call)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (scene, look) = (lowering.input(0), lowering.input(1));
        let (rgb, lanes) = (lowering.output(), LANES);
        let [n, s, _, _] = lowering.output_ty().shape.nhwc().expect("inferred so");
        let dispatch = lowering.dispatch(&DEVELOP).define("WG", lanes).define("PIXELS", PIXELS);
        let dispatch = dispatch.bind("scene", scene.buffer).bind("looks", look.buffer).bind("rgb", rgb);
        dispatch.param("size", s).groups([s.div_ceil((PIXELS * lanes) as usize), s, n])
    }
}

/// The hand's depth in mm, or with `mask` 1 where the hand is seen, from keys and scene: `[N,S,S,1]`, 0 elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct HandChannel {
    pub mask: bool,
}

impl Operator for HandChannel {
    fn name(&self) -> &'static str {
        if self.mask { "hand_mask" } else { "hand_depth" }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let dims = inputs.first().map(|t| t.shape.dims().to_vec()).unwrap_or_default();
        let (images, size) = (dims.first().copied(), dims.get(1).copied());
        let wanted =
            [("key", DType::U32, &[images, size, size][..]), ("scene", DType::U32, &[images, size, size, Some(2)][..])];
        let [_, scene] = expect(inputs, wanted)?;
        Ok(TensorType::f32(scene.shape.with_channels(1)))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        no_gradient(call)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [key, scene] = [0, 1].map(|i| lowering.input(i).buffer);
        let (y, pixels) = (lowering.output(), lowering.output_ty().shape.numel());
        let dispatch = lowering.dispatch(&CHANNEL).define("WG", LANES).define("MASK", self.mask);
        let dispatch = dispatch.bind("key", key).bind("scene", scene).bind("y", y);
        dispatch.param("pixels", pixels).threads(pixels.div_ceil(4))
    }
}

impl SceneMesh {
    /// The operator that finds the nearest face of this mesh in each pixel.
    pub fn visibility(&self, size: usize) -> Visibility {
        Visibility { faces: self.faces_data(), size, cull_back: true }
    }
}
