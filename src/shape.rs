//! Tensor shapes and element types.

use std::fmt;

/// The element type of a tensor. Every element is four bytes wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE 754 single precision.
    F32,
    /// Unsigned 32-bit integer: indices and keys; never differentiated.
    U32,
}

impl DType {
    /// Bytes an element takes.
    pub const fn bytes(self) -> usize {
        4
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::U32 => "u32",
        })
    }
}

/// The extents of a tensor, outermost first. The last axis is channels: images are N×H×W×C, meshes
/// N×V×C, vectors N×C. A scalar is `[1]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// The shape `[1]`.
    pub fn scalar() -> Self {
        Shape(vec![1])
    }

    /// The extents.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// How many axes there are.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements; the largest number if there are more.
    pub fn numel(&self) -> usize {
        count(&self.0)
    }

    /// The last extent (1 for the empty shape).
    pub fn channels(&self) -> usize {
        self.0.last().copied().unwrap_or(1)
    }

    /// The product of all extents but the last: the tensor as a matrix is `rows × channels`.
    pub fn rows(&self) -> usize {
        self.0.split_last().map_or(1, |(_, rest)| count(rest))
    }

    /// The same shape with another last extent.
    pub fn with_channels(&self, channels: usize) -> Shape {
        let mut dims = self.0.clone();
        match dims.last_mut() {
            Some(last) => *last = channels,
            None => dims.push(channels),
        }
        Shape(dims)
    }

    /// The extents as `[n, h, w, c]`, if there are four.
    pub fn nhwc(&self) -> Option<[usize; 4]> {
        self.0.as_slice().try_into().ok()
    }
}

/// How many elements extents make; the largest number if there are more, so that absurd shapes are refused rather than wrapped.
pub(crate) fn count(extents: &[usize]) -> usize {
    if extents.contains(&0) { 0 } else { extents.iter().fold(1, |n, &extent| n.saturating_mul(extent)) }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Shape(dims.to_vec())
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Shape(dims.to_vec())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Self {
        Shape(dims)
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Self {
        shape.clone()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{d}")?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Shape and element type: what an operator's `infer` maps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// The extents.
    pub shape: Shape,
    /// The element type.
    pub dtype: DType,
}

impl TensorType {
    /// An f32 tensor.
    pub fn f32(shape: impl Into<Shape>) -> Self {
        TensorType { shape: shape.into(), dtype: DType::F32 }
    }

    /// A u32 tensor.
    pub fn u32(shape: impl Into<Shape>) -> Self {
        TensorType { shape: shape.into(), dtype: DType::U32 }
    }

    /// Bytes the tensor takes.
    pub fn bytes(&self) -> u64 {
        self.shape.numel().saturating_mul(self.dtype.bytes()) as u64
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dtype {
            DType::F32 => write!(f, "{}", self.shape),
            other => write!(f, "{}{}", other, self.shape),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_times_channels_is_numel() {
        let s = Shape::from([2, 3, 5, 7]);
        assert_eq!((s.rows(), s.channels(), s.numel()), (30, 7, 210));
        assert_eq!(s.to_string(), "[2,3,5,7]");
        assert_eq!(Shape::scalar().numel(), 1);
        assert_eq!(s.with_channels(1).numel(), 30);
        assert_eq!(Shape::from([usize::MAX, 2, 3]).numel(), usize::MAX);
        assert_eq!(Shape::from([usize::MAX, 2, 0]).numel(), 0);
    }
}
