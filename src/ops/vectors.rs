//! What operators on points, rotations and meshes ask of their operands.

use super::expect_f32;
use crate::error::Mismatch;
use crate::graph::TensorData;
use crate::shape::TensorType;

/// How many rows of `channels` elements an operand has; at least one.
pub(super) fn rows(operand: &'static str, ty: &TensorType, channels: usize) -> Result<usize, Mismatch> {
    expect_f32(operand, ty)?;
    if ty.shape.rank() == 0 || ty.shape.channels() != channels {
        return Err(Mismatch::new(operand, format!("{channels} channels"), ty));
    }
    match ty.shape.rows() {
        0 => Err(Mismatch::new(operand, "extents of at least 1", ty)),
        rows => Ok(rows),
    }
}

/// The first two extents of an operand N×`nodes`×`channels` (any number of nodes if `None`); at least one each.
pub(super) fn batch(
    operand: &'static str,
    ty: &TensorType,
    nodes: Option<usize>,
    channels: usize,
) -> Result<[usize; 2], Mismatch> {
    expect_f32(operand, ty)?;
    match *ty.shape.dims() {
        [n, v, c] if c == channels && nodes.is_none_or(|nodes| nodes == v) => match n > 0 && v > 0 {
            true => Ok([n, v]),
            false => Err(Mismatch::new(operand, "extents of at least 1", ty)),
        },
        _ => {
            let nodes = nodes.map_or("V".to_string(), |nodes| nodes.to_string());
            Err(Mismatch::new(operand, format!("N×{nodes}×{channels}"), ty))
        }
    }
}

/// Indices as constant data.
pub(super) fn words(values: &[u32]) -> TensorData {
    TensorData::u32([values.len()], values).expect("as long as itself")
}

/// Where each of `lists` lists begins in an array of them one after the other, and where the last ends.
pub(super) fn starts(lists: impl IntoIterator<Item = usize>) -> Vec<u32> {
    let ends = lists.into_iter().scan(0, |end, len| {
        *end += len as u32;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}
