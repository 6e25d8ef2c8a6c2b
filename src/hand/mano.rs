//! MANO's arrays, read from a user's file; none ship with the crate.
//!
//! Romero, Tzionas and Black, "Embodied Hands: Modeling and Capturing Hands and Bodies Together", SIGGRAPH Asia 2017. The
//! licence of the model forbids passing it on: `tools/mano_to_npz.py` turns the pickle that mano.is.tue.mpg.de gives
//! registered users into a file that is read here.

use std::path::Path;

use super::{Array, HandError, Side};
use crate::error::{Error, Result};

/// How many vertices MANO has.
pub const MANO_VERTICES: usize = 778;
/// How many faces.
pub const MANO_FACES: usize = 1538;
/// How many joints: wrist; index, middle, little, ring finger and thumb, three each, from base to end.
pub const MANO_JOINTS: usize = 16;
/// How many shape parameters.
pub const MANO_SHAPES: usize = 10;
/// How many pose parameters: three for each joint but the wrist.
pub const MANO_POSE: usize = 3 * (MANO_JOINTS - 1);
/// How many elements of the joints' rotations the pose blend shapes follow.
pub const MANO_FEATURES: usize = 9 * (MANO_JOINTS - 1);

/// MANO's arrays in the file's units: metres, radians.
#[derive(Clone, Debug, PartialEq)]
pub struct ManoData {
    side: Side,
    /// 778×3.
    pub(crate) template: Vec<f64>,
    /// 778×3×10.
    pub(crate) shape_dirs: Vec<f64>,
    /// 778×3×135.
    pub(crate) pose_dirs: Vec<f64>,
    /// 16×778.
    pub(crate) regressor: Vec<f64>,
    /// 778×16.
    pub(crate) weights: Vec<f64>,
    /// 45×45, a component a row.
    pub(crate) components: Vec<f64>,
    /// 45.
    pub(crate) mean: Vec<f64>,
    pub(crate) parents: Vec<usize>,
    pub(crate) faces: Vec<[u32; 3]>,
}

impl ManoData {
    /// Reads a `.npz` or `.safetensors` file that holds MANO's arrays under their names: `v_template` 778×3, `shapedirs`
    /// 778×3×10, `posedirs` 778×3×135, `J_regressor` 16×778, `weights` 778×16, `kintree_table` 2×16, `hands_components` 45×45,
    /// `hands_mean` 45 and `f` 1538×3, of any numeric type.
    ///
    /// `side` is the hand that the file is of. The official left file's `shapedirs` move x to the wrong side; they are
    /// mended here, so such a file must come unmended.
    pub fn open(path: impl AsRef<Path>, side: Side) -> Result<Self> {
        let bytes = std::fs::read(&path).map_err(|e| Error::file(&path, e))?;
        let named = |e: HandError| Error::Hand(format!("{}: {e}", path.as_ref().display()));
        Self::from_bytes(&bytes, side).map_err(named)
    }

    /// As [`ManoData::open`], from the bytes of a file of either format.
    pub fn from_bytes(bytes: &[u8], side: Side) -> Result<Self, HandError> {
        Self::from_arrays(side, |name| Array::find(bytes, name))
    }

    /// From arrays that are looked up by name, as [`ManoData::open`] lists them.
    pub fn from_arrays(
        side: Side,
        mut lookup: impl FnMut(&str) -> Result<Option<Array>, HandError>,
    ) -> Result<Self, HandError> {
        let mut array = |name: &'static str, expected: &[usize]| {
            let array = lookup(name)?.ok_or(HandError::MissingArray { name })?;
            if array.shape != expected || array.values.len() != expected.iter().product::<usize>() {
                return Err(wrong(name, extents(expected), extents(&array.shape)));
            }
            match array.values.iter().position(|v| !v.is_finite()) {
                Some(at) => Err(wrong(name, "finite numbers", format!("{} at element {at}", array.values[at]))),
                None => Ok(array.values),
            }
        };
        const V: usize = MANO_VERTICES;
        let template = array("v_template", &[V, 3])?;
        let mut shape_dirs = array("shapedirs", &[V, 3, MANO_SHAPES])?;
        let pose_dirs = array("posedirs", &[V, 3, MANO_FEATURES])?;
        let regressor = array("J_regressor", &[MANO_JOINTS, V])?;
        let weights = array("weights", &[V, MANO_JOINTS])?;
        let components = array("hands_components", &[MANO_POSE, MANO_POSE])?;
        let mean = array("hands_mean", &[MANO_POSE])?;
        let parents = parents(&array("kintree_table", &[2, MANO_JOINTS])?[..MANO_JOINTS])?;
        let faces = faces(&array("f", &[MANO_FACES, 3])?)?;
        for (vertex, weights) in weights.chunks(MANO_JOINTS).enumerate() {
            let sum: f64 = weights.iter().sum();
            if (sum - 1.0).abs() > 0.01 {
                return Err(wrong("weights", "rows that sum to 1", format!("{sum} at vertex {vertex}")));
            }
        }
        if side == Side::Left {
            shape_dirs.chunks_mut(3 * MANO_SHAPES).flat_map(|vertex| &mut vertex[..MANO_SHAPES]).for_each(|x| *x = -*x);
        }
        Ok(ManoData { side, template, shape_dirs, pose_dirs, regressor, weights, components, mean, parents, faces })
    }

    /// Which hand it is.
    pub fn side(&self) -> Side {
        self.side
    }

    /// The other hand: this one in a mirror across x. Its poses are turns of its own joints: where this hand's joint turns by the
    /// axis-angle (x, y, z), the mirrored one's turns by (x, −y, −z). Coefficients of components mean the same on both.
    pub fn mirrored(&self) -> Self {
        // How many of the indices are x: a vector's element changes sign where one is, a matrix's where one of two is.
        let sign = |x: usize| if x % 2 == 1 { -1.0 } else { 1.0 };
        let axis = |i: usize| usize::from(i == 0);
        let by = |values: &[f64], sign_of: &dyn Fn(usize) -> f64| -> Vec<f64> {
            values.iter().enumerate().map(|(i, v)| v * sign_of(i)).collect()
        };
        let vector = |width: usize| move |i: usize| sign(axis(i / width % 3));
        let feature = |i: usize| sign(axis(i / MANO_FEATURES % 3) + axis(i % 9 / 3) + axis(i % 3));
        // An axis-angle is a pseudo-vector: y and z change sign.
        let turn = |i: usize| -sign(axis(i % 3));
        ManoData {
            side: if self.side == Side::Right { Side::Left } else { Side::Right },
            template: by(&self.template, &vector(1)),
            shape_dirs: by(&self.shape_dirs, &vector(MANO_SHAPES)),
            pose_dirs: by(&self.pose_dirs, &feature),
            regressor: self.regressor.clone(),
            weights: self.weights.clone(),
            components: by(&self.components, &turn),
            mean: by(&self.mean, &turn),
            parents: self.parents.clone(),
            faces: self.faces.iter().map(|face| Side::Left.face(*face)).collect(),
        }
    }
}

fn wrong(name: &str, expected: impl Into<String>, got: impl Into<String>) -> HandError {
    HandError::Array { name: name.to_string(), expected: expected.into(), got: got.into() }
}

fn extents(shape: &[usize]) -> String {
    match shape {
        [] => "a number".to_string(),
        _ => shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×"),
    }
}

/// Each joint's parent; the wrist, which has none or any in the file, is its own.
fn parents(row: &[f64]) -> Result<Vec<usize>, HandError> {
    let parent = |joint: usize| match row[joint] {
        _ if joint == 0 => Ok(0),
        p if p >= 0.0 && p < joint as f64 && p.fract() == 0.0 => Ok(p as usize),
        p => Err(wrong("kintree_table", "parents before their children", format!("{p} for joint {joint}"))),
    };
    (0..row.len()).map(parent).collect()
}

fn faces(values: &[f64]) -> Result<Vec<[u32; 3]>, HandError> {
    if let Some(at) = values.iter().position(|&v| !(v >= 0.0 && v < MANO_VERTICES as f64 && v.fract() == 0.0)) {
        let got = format!("{} in face {}", values[at], at / 3);
        return Err(wrong("f", format!("vertices below {MANO_VERTICES}"), got));
    }
    Ok(values.chunks_exact(3).map(|face| [face[0] as u32, face[1] as u32, face[2] as u32]).collect())
}

#[cfg(test)]
#[path = "mano_tests.rs"]
mod tests;
