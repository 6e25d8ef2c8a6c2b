//! Reads the one skinned mesh of a glTF binary, as the file has it: its units, axes and vertex order.

use glam::{Mat4, Vec3};
use gltf::accessor::{Accessor, DataType, Dimensions};
use gltf::mesh::{Mode, Primitive, Semantic};

use super::HandError;

/// A skinned mesh as stored: metres, one vertex per UV or normal corner.
pub(super) struct SkinnedMesh {
    pub positions: Vec<Vec3>,
    pub faces: Vec<[u32; 3]>,
    /// Up to four (joint of the skin, weight) a vertex.
    pub influences: Vec<[(usize, f32); 4]>,
    /// Name and inverse bind matrix of every joint of the skin.
    pub joints: Vec<(String, Mat4)>,
}

impl SkinnedMesh {
    pub fn read(bytes: &[u8]) -> Result<Self, HandError> {
        let gltf = parse(bytes)?;
        let blob = gltf.blob.as_deref().unwrap_or_default();

        let mut nodes = gltf.nodes().filter(|n| n.mesh().is_some()).peekable();
        nodes.peek().ok_or(HandError::NoMesh)?;
        let pair = nodes.find_map(|n| n.mesh().zip(n.skin()));
        let (mesh, skin) = pair.ok_or(HandError::NoSkin)?;
        let mut primitives = mesh.primitives();
        let got = primitives.len();
        let (Some(primitive), 1) = (primitives.next(), got) else {
            return Err(HandError::Primitives { got });
        };
        if primitive.mode() != Mode::Triangles {
            let got = format!("{:?}", primitive.mode());
            return Err(HandError::NotTriangles { got });
        }
        if primitive.get(&Semantic::Joints(1)).is_some() || primitive.get(&Semantic::Weights(1)).is_some() {
            let sets = primitive.attributes().filter(|(s, _)| matches!(s, Semantic::Joints(_))).count();
            return Err(HandError::TooManyInfluences { got: 4 * sets.max(2) });
        }

        let positions: Vec<[f32; 3]> =
            read(&attribute(&primitive, Semantic::Positions, "POSITION")?, blob, "POSITION")?;
        let joints: Vec<[f32; 4]> = read(&attribute(&primitive, Semantic::Joints(0), "JOINTS_0")?, blob, "JOINTS_0")?;
        let weights: Vec<[f32; 4]> =
            read(&attribute(&primitive, Semantic::Weights(0), "WEIGHTS_0")?, blob, "WEIGHTS_0")?;
        for (what, got) in [("JOINTS_0", joints.len()), ("WEIGHTS_0", weights.len())] {
            same_length(what, positions.len(), got)?;
        }
        finite("POSITION", &positions)?;
        finite("WEIGHTS_0", &weights)?;

        let indices = primitive.indices().ok_or(HandError::MissingAttribute { name: "indices" })?;
        let indices: Vec<[f32; 1]> = read(&indices, blob, "indices")?;
        if !indices.len().is_multiple_of(3) {
            return Err(HandError::PartialTriangle { got: indices.len() });
        }

        let names: Vec<String> = skin.joints().map(|n| n.name().unwrap_or_default().to_owned()).collect();
        let matrices = skin.inverse_bind_matrices();
        let matrices = matrices.ok_or(HandError::MissingAttribute { name: "inverseBindMatrices" })?;
        let matrices: Vec<[f32; 16]> = read(&matrices, blob, "inverseBindMatrices")?;
        same_length("inverseBindMatrices", names.len(), matrices.len())?;
        finite("inverseBindMatrices", &matrices)?;

        let influence = |(j, w): (&[f32; 4], &[f32; 4])| std::array::from_fn(|k| (j[k] as usize, w[k]));
        Ok(Self {
            positions: positions.into_iter().map(Vec3::from).collect(),
            faces: indices.chunks_exact(3).map(|f| std::array::from_fn(|k| f[k][0] as u32)).collect(),
            influences: joints.iter().zip(&weights).map(influence).collect(),
            joints: names.into_iter().zip(matrices.iter().map(Mat4::from_cols_array)).collect(),
        })
    }
}

/// The file's contents, of which every index exists.
pub(crate) fn parse(bytes: &[u8]) -> Result<gltf::Gltf, HandError> {
    check_length(bytes)?;
    // The crate's own check looks up the accessors of positions before it knows that they exist.
    let unchecked = gltf::Gltf::from_slice_without_validation(bytes)?;
    let json = unchecked.as_json();
    let mut accessors = json.meshes.iter().flat_map(|m| &m.primitives).flat_map(|p| p.attributes.values());
    if let Some(missing) = accessors.find(|accessor| accessor.value() >= json.accessors.len()) {
        let expected = format!("one of {} accessors", json.accessors.len());
        return Err(HandError::Accessor { what: "attribute", expected, got: missing.to_string() });
    }
    Ok(gltf::Gltf::from_slice(bytes)?)
}

/// The header's length against the bytes there are; the `gltf` crate subtracts from it unchecked.
fn check_length(bytes: &[u8]) -> Result<(), HandError> {
    const HEADER: usize = 12;
    let truncated = |what, expected, got| Err(HandError::Truncated { what, expected, got });
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return truncated("the file", HEADER, bytes.len());
    };
    let declared = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
    match declared {
        _ if !header.starts_with(b"glTF") => Ok(()),
        0..HEADER => truncated("the length in the header", HEADER, declared),
        _ if bytes.len() < declared => truncated("the file", declared, bytes.len()),
        _ => Ok(()),
    }
}

pub(crate) fn attribute<'a>(
    primitive: &Primitive<'a>,
    semantic: Semantic,
    name: &'static str,
) -> Result<Accessor<'a>, HandError> {
    primitive.get(&semantic).ok_or(HandError::MissingAttribute { name })
}

pub(crate) fn same_length(what: &'static str, expected: usize, got: usize) -> Result<(), HandError> {
    if expected == got {
        return Ok(());
    }
    let [expected, got] = [expected, got].map(|n| format!("{n} elements"));
    Err(HandError::Accessor { what, expected, got })
}

fn finite<const N: usize>(what: &'static str, values: &[[f32; N]]) -> Result<(), HandError> {
    match values.iter().position(|v| v.iter().any(|x| !x.is_finite())) {
        Some(index) => Err(HandError::NotFinite { what, index }),
        None => Ok(()),
    }
}

/// The elements of an accessor as `N` floats each. Indices stay exact: no mesh here comes near 2²⁴ vertices, and a
/// larger index fails the check against the vertex count.
pub(crate) fn read<const N: usize>(
    accessor: &Accessor<'_>,
    blob: &[u8],
    what: &'static str,
) -> Result<Vec<[f32; N]>, HandError> {
    let wanted = match N {
        1 => Dimensions::Scalar,
        3 => Dimensions::Vec3,
        4 => Dimensions::Vec4,
        _ => Dimensions::Mat4,
    };
    let unsigned = matches!(accessor.data_type(), DataType::U8 | DataType::U16 | DataType::U32);
    let float = accessor.data_type() == DataType::F32;
    let type_ok = match what {
        "POSITION" | "inverseBindMatrices" => float,
        "WEIGHTS_0" => float || unsigned && accessor.normalized(),
        _ => unsigned && !accessor.normalized(),
    };
    let view = accessor.view().filter(|v| accessor.sparse().is_none() && v.buffer().index() == 0);
    let (Some(view), true, true) = (view, type_ok, accessor.dimensions() == wanted) else {
        let (kind, shape) = (accessor.data_type(), accessor.dimensions());
        return Err(HandError::Accessor {
            what,
            expected: format!("{wanted:?} stored densely in the binary chunk"),
            got: format!(
                "{shape:?} of {kind:?}, normalized {}, sparse {}",
                accessor.normalized(),
                accessor.sparse().is_some()
            ),
        });
    };
    let stride = view.stride().unwrap_or(0).max(accessor.size());
    let start = view.offset().saturating_add(accessor.offset());
    let reach = accessor.count().saturating_sub(1).saturating_mul(stride);
    let expected = start.saturating_add(reach).saturating_add(accessor.size());
    if expected > blob.len() {
        return Err(HandError::Truncated { what, expected, got: blob.len() });
    }
    let component = accessor.data_type().size();
    let decode = |bytes: &[u8]| match (accessor.data_type(), bytes) {
        (DataType::U8, &[a]) => a as f32 / if accessor.normalized() { 255.0 } else { 1.0 },
        (DataType::U16, &[a, b]) => {
            u16::from_le_bytes([a, b]) as f32 / if accessor.normalized() { 65_535.0 } else { 1.0 }
        }
        (DataType::U32, &[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]) as f32,
        (DataType::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
        _ => f32::NAN, // other types were refused above
    };
    let element = |i: usize| {
        let base = start + i * stride;
        std::array::from_fn(|k| decode(&blob[base + k * component..base + (k + 1) * component]))
    };
    Ok((0..accessor.count()).map(element).collect())
}
