//! Triangle meshes from OBJ and GLB files, and from the JSON of hands that `knuckle infer` writes.

use std::collections::HashMap;
use std::path::Path;

use glam::{DMat4, DVec3, Vec3};
use gltf::mesh::{Mode, Primitive, Semantic};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::hand::HandError;
use crate::hand::glb;

/// A triangle mesh in camera axes (x right, y down, z away). Vertices in one place are one vertex, all of them are used, and no
/// face has a corner twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Surface {
    /// Places of the vertices.
    pub vertices: Vec<Vec3>,
    /// Faces, anticlockwise seen from outside if the file's are.
    pub faces: Vec<[u32; 3]>,
}

/// Meshes as files have them: not yet checked.
#[derive(Default)]
struct Soup {
    vertices: Vec<Vec3>,
    faces: Vec<[u32; 3]>,
}

impl Surface {
    /// Reads a mesh; its kind is told from the ending. Of several meshes in a file, all are taken as one.
    ///
    /// - `.obj`: Wavefront, y up and in any unit; polygons are cut into fans. Only places and faces are read.
    /// - `.glb`: glTF binary, y up and in metres, which become millimetres; meshes of triangles where their nodes are, skinned
    ///   ones as their joints stand.
    /// - `.json`: the first hand with a mesh that `knuckle infer --json FILE --with-mesh` wrote, `{"images": [{"vertices_mm": V×3,
    ///   "faces": F×3}]}`, or the one of `knuckle fit`, `{"vertices_mm", "faces"}`.
    ///
    /// [`Error::File`] if the file cannot be read, [`Error::Mesh`] if it holds no such mesh or no triangle, with the place where it
    /// is wrong; a NaN or infinite coordinate and an index of no vertex are wrong too.
    ///
    /// ```
    /// use knuckle::data::Surface;
    /// let path = std::env::temp_dir().join("knuckle-doc-quad.obj");
    /// std::fs::write(&path, "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n").unwrap();
    /// let quad = Surface::open(&path)?;
    /// assert_eq!(quad.faces, [[0, 1, 2], [0, 2, 3]]);
    /// assert_eq!(quad.vertices[2].to_array(), [1.0, -1.0, 0.0]);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), knuckle::Error>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let read: fn(&[u8]) -> Result<Soup, String> = match ending.as_str() {
            "obj" => |bytes| obj(&String::from_utf8_lossy(bytes)),
            "glb" => |bytes| scene(bytes).map_err(without_subject),
            "json" => json,
            _ => return Err(wrong(path, format!("expected a name that ends in .obj, .glb or .json, got `{ending}`"))),
        };
        let bytes = std::fs::read(path).map_err(|e| Error::file(path, e))?;
        read(&bytes).and_then(Soup::checked).map_err(|message| wrong(path, message))
    }
}

fn wrong(path: &Path, message: String) -> Error {
    Error::Mesh { file: path.display().to_string(), message }
}

/// The file is named already, and need not be a hand's.
fn without_subject(error: HandError) -> String {
    let message = error.to_string();
    message.strip_prefix("hand file: ").map_or(message.clone(), str::to_string)
}

impl Soup {
    fn checked(self) -> Result<Surface, String> {
        if let Some(i) = self.vertices.iter().position(|v| !v.is_finite()) {
            return Err(format!("expected finite coordinates, got {} at vertex {i}", self.vertices[i]));
        }
        let count = self.vertices.len();
        for (i, face) in self.faces.iter().enumerate() {
            if let Some(v) = face.iter().find(|v| **v as usize >= count) {
                return Err(format!("expected vertices below {count}, got {v} in face {i}"));
            }
        }
        let mut of_place = HashMap::new();
        let mut vertices = Vec::new();
        let mut vertex = |v: u32| {
            let place = self.vertices[v as usize] + 0.0; // + 0.0 makes −0 the same place as 0
            *of_place.entry(place.to_array().map(f32::to_bits)).or_insert_with(|| {
                vertices.push(place);
                vertices.len() as u32 - 1
            })
        };
        let faces: Vec<_> = self.faces.iter().map(|face| face.map(&mut vertex)).collect();
        let faces: Vec<_> = faces.into_iter().filter(|[a, b, c]| a != b && b != c && c != a).collect();
        if faces.is_empty() {
            let given = self.faces.len();
            return Err(format!(
                "expected a triangle with corners in three places, got {count} vertices, {given} faces"
            ));
        }
        Ok(Surface { vertices, faces })
    }
}

/// Places and faces of an OBJ file, turned as [`crate::output::save_obj`] turned them.
fn obj(text: &str) -> Result<Soup, String> {
    let mut soup = Soup::default();
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let parsed = match words.next() {
            Some("v") => obj_vertex(words).map(|[x, y, z]| soup.vertices.push(Vec3::new(x, -y, -z))),
            Some("f") => obj_face(words, soup.vertices.len()).map(|corners| {
                let fan = (2..corners.len()).map(|k| [corners[0], corners[k - 1], corners[k]]);
                soup.faces.extend(fan);
            }),
            _ => Ok(()),
        };
        parsed.map_err(|expected| format!("line {}: expected {expected}, got `{line}`", number + 1))?;
    }
    Ok(soup)
}

fn obj_vertex<'a>(words: impl Iterator<Item = &'a str>) -> Result<[f32; 3], String> {
    let numbers: Vec<f32> = words.take(3).map_while(|word| word.parse().ok()).collect();
    numbers.try_into().map_err(|_| "three coordinates".to_string())
}

/// Corners from 0. The file counts from 1, or with a minus from the last vertex so far; textures and normals follow after a slash.
fn obj_face<'a>(words: impl Iterator<Item = &'a str>, vertices: usize) -> Result<Vec<u32>, String> {
    let corner = |word: &str| match word.split('/').next()?.parse::<i64>().ok()? {
        0 => None,
        back @ ..0 => u32::try_from(vertices as i64 + back).ok(),
        number => u32::try_from(number - 1).ok(),
    };
    let corners: Option<Vec<u32>> = words.map(corner).collect();
    corners.filter(|c| c.len() >= 3).ok_or_else(|| "at least three vertices, numbered from 1".to_string())
}

/// All meshes of a glTF binary where its nodes put them.
fn scene(bytes: &[u8]) -> Result<Soup, HandError> {
    const MILLIMETRES_PER_METRE: f64 = 1000.0;
    let gltf = glb::parse(bytes)?;
    let blob = gltf.blob.as_deref().unwrap_or_default();
    let places = places_of_nodes(&gltf);
    let mut soup = Soup::default();
    for node in gltf.nodes() {
        let Some(mesh) = node.mesh() else { continue };
        for primitive in mesh.primitives() {
            if primitive.mode() != Mode::Triangles {
                return Err(HandError::NotTriangles { got: format!("{:?}", primitive.mode()) });
            }
            let first = soup.vertices.len() as u32;
            let transforms = match node.skin() {
                Some(skin) => skinned(&primitive, &skin, blob, &places)?,
                None => vec![places[node.index()]],
            };
            let positions: Vec<[f32; 3]> =
                glb::read(&glb::attribute(&primitive, Semantic::Positions, "POSITION")?, blob, "POSITION")?;
            soup.vertices.extend(positions.iter().enumerate().map(|(i, &p)| {
                let of_vertex = &transforms[i.min(transforms.len() - 1)];
                let placed = of_vertex.transform_point3(Vec3::from(p).as_dvec3()) * MILLIMETRES_PER_METRE;
                (placed * DVec3::new(1.0, -1.0, -1.0)).as_vec3()
            }));
            let indices = match primitive.indices() {
                Some(indices) => glb::read::<1>(&indices, blob, "indices")?.iter().map(|i| i[0] as u32).collect(),
                None => (0..positions.len() as u32).collect::<Vec<_>>(),
            };
            if !indices.len().is_multiple_of(3) {
                return Err(HandError::PartialTriangle { got: indices.len() });
            }
            // A mirroring node turns faces inside out.
            let mirrored = transforms[0].determinant() < 0.0;
            let face = |f: &[u32]| if mirrored { [f[0], f[2], f[1]] } else { [f[0], f[1], f[2]] };
            soup.faces.extend(indices.chunks_exact(3).map(|f| face(f).map(|v| v.saturating_add(first))));
        }
    }
    if soup.vertices.is_empty() { Err(HandError::NoMesh) } else { Ok(soup) }
}

/// Each node's map to the scene. A file whose nodes are no tree leaves the rest of them where they are at first.
fn places_of_nodes(gltf: &gltf::Gltf) -> Vec<DMat4> {
    let local: Vec<DMat4> = gltf
        .nodes()
        .map(|node| DMat4::from_cols_array_2d(&node.transform().matrix().map(|column| column.map(f64::from))))
        .collect();
    let mut has_parent = vec![false; local.len()];
    gltf.nodes().flat_map(|node| node.children()).for_each(|child| has_parent[child.index()] = true);
    let mut places = local.clone();
    let mut met = has_parent.iter().map(|child| !child).collect::<Vec<_>>();
    let nodes: Vec<_> = gltf.nodes().collect();
    let mut open: Vec<usize> = (0..local.len()).filter(|&i| met[i]).collect();
    while let Some(parent) = open.pop() {
        for child in nodes[parent].children().map(|child| child.index()) {
            if !std::mem::replace(&mut met[child], true) {
                places[child] = places[parent] * local[child];
                open.push(child);
            }
        }
    }
    places
}

/// The map of each vertex of a skinned mesh, as its joints stand.
fn skinned(
    primitive: &Primitive<'_>,
    skin: &gltf::Skin<'_>,
    blob: &[u8],
    places: &[DMat4],
) -> Result<Vec<DMat4>, HandError> {
    let [joints, weights] = [(Semantic::Joints(0), "JOINTS_0"), (Semantic::Weights(0), "WEIGHTS_0")]
        .map(|(semantic, name)| glb::attribute(primitive, semantic, name).and_then(|a| glb::read::<4>(&a, blob, name)));
    let (joints, weights) = (joints?, weights?);
    let vertices = glb::attribute(primitive, Semantic::Positions, "POSITION")?.count();
    glb::same_length("JOINTS_0", vertices, joints.len())?;
    glb::same_length("WEIGHTS_0", vertices, weights.len())?;
    let nodes: Vec<usize> = skin.joints().map(|node| node.index()).collect();
    let inverse = match skin.inverse_bind_matrices() {
        Some(accessor) => glb::read::<16>(&accessor, blob, "inverseBindMatrices")?,
        None => vec![glam::Mat4::IDENTITY.to_cols_array(); nodes.len()],
    };
    glb::same_length("inverseBindMatrices", nodes.len(), inverse.len())?;
    let of_joint: Vec<DMat4> = nodes
        .iter()
        .zip(&inverse)
        .map(|(&node, inverse)| places[node] * DMat4::from_cols_array(&inverse.map(f64::from)))
        .collect();
    let blend = |(vertex, (joints, weights)): (usize, (&[f32; 4], &[f32; 4]))| {
        let mut sum = DMat4::ZERO;
        for (&joint, &weight) in joints.iter().zip(weights).filter(|(_, w)| **w != 0.0) {
            let joint = joint as usize;
            sum += *of_joint.get(joint).ok_or(HandError::UnknownJoint { vertex, joint })? * f64::from(weight);
        }
        Ok(sum)
    };
    joints.iter().zip(&weights).enumerate().map(blend).collect()
}

/// What `knuckle infer` writes of its photos, or `knuckle fit` of its one, as far as a mesh needs it.
#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    images: Vec<Found>,
    #[serde(flatten)]
    fitted: Found,
}

#[derive(Deserialize)]
struct Found {
    vertices_mm: Option<Vec<[f32; 3]>>,
    faces: Option<Vec<[u32; 3]>>,
}

fn json(bytes: &[u8]) -> Result<Soup, String> {
    let expected = "expected {\"images\": [{\"vertices_mm\", \"faces\"}]} as `knuckle infer --with-mesh` writes it, or one such hand as \
                    `knuckle fit` does";
    let report: Report = serde_json::from_slice(bytes).map_err(|e| format!("{expected}: {e}"))?;
    let found = report.images.into_iter().chain([report.fitted]).find_map(|hand| hand.vertices_mm.zip(hand.faces));
    let (vertices, faces) = found.ok_or_else(|| format!("{expected}, got no hand with a mesh"))?;
    Ok(Soup { vertices: vertices.into_iter().map(Vec3::from).collect(), faces })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(name: &str, bytes: &[u8]) -> Result<Surface> {
        let folder = crate::files::tests::scratch(&format!("surface-{name}"));
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        let surface = Surface::open(&path);
        std::fs::remove_dir_all(folder).unwrap();
        surface
    }

    fn complaint(name: &str, bytes: &[u8]) -> String {
        let error = opened(name, bytes).unwrap_err();
        assert!(matches!(&error, Error::Mesh { file, .. } if file.ends_with(name)), "{error:?}");
        error.to_string()
    }

    #[test]
    fn obj_files_of_all_kinds_are_read() {
        let text = "# a comment\nmtllib x.mtl\nv 0 0 0\nv 1 0 0 0.5 0.5 0.5\nv 1 1 0\nv 0 1 -2\nv 0 0 0\nvt 0 0\nvn 0 0 1\n\
                    f 1/1/1 2//1 3/1 4\nf -1 -4 -3\nf 1 5 2\n";
        let mesh = opened("all.obj", text.as_bytes()).unwrap();
        assert_eq!(mesh.vertices[3], Vec3::new(0.0, -1.0, 2.0));
        // The fifth vertex lies where the first does, so that the last face has no extent.
        assert_eq!((mesh.vertices.len(), mesh.faces), (4, vec![[0, 1, 2], [0, 2, 3], [0, 1, 2]]));
    }

    #[test]
    fn what_is_no_mesh_is_told_with_its_place() {
        let cases: [(&str, &[u8], &str); 13] = [
            ("empty.obj", b"", "got 0 vertices, 0 faces"),
            ("points.obj", b"v 0 0 0\nv 1 0 0\n", "got 2 vertices, 0 faces"),
            ("flat.obj", b"v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 3", "three places"),
            ("nan.obj", b"v 0 0 0\nv 0 nan 0\nv 1 0 0\nf 1 2 3", "vertex 1"),
            ("huge.obj", b"v 0 0 0\nv 0 1e99 0\nv 1 0 0\nf 1 2 3", "finite"),
            ("range.obj", b"v 0 0 0\nv 0 1 0\nv 1 0 0\nf 1 2 4", "below 3, got 3 in face 0"),
            ("zero.obj", b"v 0 0 0\nf 0 1 1", "line 2"),
            ("back.obj", b"v 0 0 0\nf -2 1 1", "line 2"),
            ("word.obj", b"v 0 zero 0\n", "line 1: expected three coordinates"),
            ("short.glb", b"glTF", "needs 12 bytes, got 4"),
            ("text.glb", b"no glTF at all, but long enough", "not valid glTF"),
            ("joints.json", br#"{"images": [{"joints_mm": [], "vertices": 3}]}"#, "no hand with a mesh"),
            ("other.json", b"[1, 2]", "--with-mesh"),
        ];
        for (name, bytes, says) in cases {
            let error = complaint(name, bytes);
            assert!(error.contains(says), "{error}");
        }
        assert!(complaint("x.stl", b"").contains("`stl`"));
        assert!(matches!(Surface::open("missing/x.obj"), Err(Error::File { .. })));
        let whole = include_bytes!("../../assets/hand/right.glb");
        for length in [13, 100, 5000, whole.len() - 1] {
            assert!(complaint("cut.glb", &whole[..length]).contains("needs"));
        }
    }

    #[test]
    fn damaged_files_are_errors_or_other_meshes_but_never_panics() {
        let whole = include_bytes!("../../assets/hand/right.glb");
        let text = 20..20 + u32::from_le_bytes(whole[12..16].try_into().unwrap()) as usize;
        let mut rng = crate::rng::Rng::new(31, 0);
        let mut refused = 0;
        for i in 0..600 {
            let mut bytes = whole.to_vec();
            for _ in 0..1 + rng.below(3) {
                let at = text.start + rng.below(text.len());
                // Often a digit in the place of another: an index that exists no more, or another's.
                let digits = (at..text.end).find(|&k| bytes[k].is_ascii_digit()).filter(|_| i % 2 == 0);
                bytes[digits.unwrap_or(at)] =
                    if i % 2 == 0 { b'0' + rng.below(10) as u8 } else { rng.below(128) as u8 };
            }
            let read = scene(&bytes).map_err(without_subject).and_then(Soup::checked);
            refused += usize::from(read.is_err());
        }
        assert!((100..600).contains(&refused), "{refused}");
    }

    #[test]
    fn the_shipped_hand_is_read_as_its_rig_reads_it() {
        let hand = crate::hand::RiggedHand::right();
        let mesh = opened("hand.glb", include_bytes!("../../assets/hand/right.glb")).unwrap();
        assert_eq!((mesh.vertices.len(), mesh.faces.len()), (hand.rest_vertices().len(), hand.faces().len()));
        let size = |points: &[Vec3]| points.iter().map(|p| p.distance(points[0])).fold(0.0, f32::max);
        let of = |faces: &[[u32; 3]], points: &[Vec3]| {
            size(&faces.iter().flatten().map(|&v| points[v as usize]).collect::<Vec<_>>())
        };
        let (got, want) = (of(&mesh.faces, &mesh.vertices), of(hand.faces(), hand.rest_vertices()));
        assert!((got - want).abs() < 0.1, "{got} mm against {want} mm");
    }

    #[test]
    fn json_of_a_hand_is_in_camera_axes_already() {
        let text = r#"{"images": [{"vertices": 3}, {"vertices_mm": [[0,0,0],[1,0,0],[0,2,0]], "faces": [[0,1,2]]}]}"#;
        let mesh = opened("hands.json", text.as_bytes()).unwrap();
        assert_eq!((mesh.vertices[2], mesh.faces), (Vec3::new(0.0, 2.0, 0.0), vec![[0, 1, 2]]));
    }
}
