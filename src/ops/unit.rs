//! What a thread of a kernel that reduces groups of elements takes at once, so that memory is read four elements at a time where it can be.

/// A unit of memory; indexes the shaders of [`by_unit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// One element.
    One,
    /// Four elements of one group, which lie beside each other.
    FourAlong,
    /// One element of each of four groups.
    FourAcross,
}

/// A shader for each [`Unit`].
macro_rules! by_unit {
    ($file:literal) => {
        [
            crate::shader!($file, with "common/index.wgsl", with "common/unit_one.wgsl"),
            crate::shader!($file, with "common/index.wgsl", with "common/unit_four_along.wgsl"),
            crate::shader!($file, with "common/index.wgsl", with "common/unit_four_across.wgsl"),
        ]
    };
}
pub(super) use by_unit;

impl Unit {
    /// The largest for reductions over the middle axis of outer × length × inner, and length and inner in such units.
    pub(super) fn of_axis(length: usize, inner: usize) -> (Self, [usize; 2]) {
        match (length, inner) {
            (_, inner) if inner.is_multiple_of(4) => (Unit::FourAcross, [length, inner / 4]),
            (length, 1) if length.is_multiple_of(4) => (Unit::FourAlong, [length / 4, 1]),
            _ => (Unit::One, [length, inner]),
        }
    }
}
