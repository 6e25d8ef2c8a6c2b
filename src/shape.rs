//! Tensor shapes and element types.

use std::fmt;

/// The element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision: for storage; kernels compute in f32. Needs an adapter that has it.
    F16,
    /// Unsigned 32-bit integer: indices and keys; never differentiated.
    U32,
}

impl DType {
    /// Bytes an element takes.
    pub const fn bytes(self) -> usize {
        match self {
            DType::F32 | DType::U32 => 4,
            DType::F16 => 2,
        }
    }

    /// Whether it holds real numbers, so that gradients exist.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F16)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::U32 => "u32",
        })
    }
}

/// The extents of a tensor, outermost first. The last axis is channels: images are N×H×W×C, meshes
/// N×V×C, vectors N×C. A scalar is `[1]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

/// The most elements a tensor may have. Kernels count elements in 32 bits: an index this large and what a window reaches
/// beyond it still fit 31, so signed ones too. It is 4 GiB of f32, more than adapters bind at once.
pub const MAX_ELEMENTS: usize = 1 << 30;

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

    /// The number of elements (`usize::MAX` if they are more).
    pub fn numel(&self) -> usize {
        count(&self.0)
    }

    /// Whether there are at most [`MAX_ELEMENTS`] elements, axes of extent 0 counted as 1: any product of extents is then
    /// as small. The recorder refuses operands and results of other shapes.
    pub fn is_countable(&self) -> bool {
        self.0.iter().fold(1, |n: usize, &d| n.saturating_mul(d.max(1))) <= MAX_ELEMENTS
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

/// How many elements extents make (`usize::MAX` if they are more).
pub(crate) fn count(extents: &[usize]) -> usize {
    if extents.contains(&0) { 0 } else { extents.iter().fold(1, |n, &d| n.saturating_mul(d)) }
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

    /// An f16 tensor.
    pub fn f16(shape: impl Into<Shape>) -> Self {
        TensorType { shape: shape.into(), dtype: DType::F16 }
    }

    /// A u32 tensor.
    pub fn u32(shape: impl Into<Shape>) -> Self {
        TensorType { shape: shape.into(), dtype: DType::U32 }
    }

    /// Bytes the tensor takes, in whole words (`u64::MAX` if they are more).
    pub fn bytes(&self) -> u64 {
        let bytes = (self.shape.numel() as u64).saturating_mul(self.dtype.bytes() as u64);
        bytes.checked_next_multiple_of(4).unwrap_or(u64::MAX)
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
    }

    #[test]
    fn extents_of_any_size_are_counted() {
        let huge = Shape::from([usize::MAX, usize::MAX]);
        assert_eq!(
            (huge.numel(), huge.rows(), TensorType::f32(huge.clone()).bytes()),
            (usize::MAX, usize::MAX, u64::MAX)
        );
        let none = Shape::from([usize::MAX, 2, 0]);
        assert_eq!((none.numel(), none.rows()), (0, usize::MAX));
        assert!(!huge.is_countable() && !none.is_countable());
        assert!(Shape::from([1 << 15, 1 << 15, 0]).is_countable());
        assert!(!Shape::from([(1 << 30) + 1]).is_countable());
    }
}
