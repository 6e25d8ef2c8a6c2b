//! Long sums cut into partial sums, so that every core has work where there is little else to do side by side.

use crate::exec::AdapterClass;

/// As many lanes as keep an adapter of the class busy.
pub(super) fn lanes(class: AdapterClass) -> usize {
    match class {
        AdapterClass::Software => 512,
        AdapterClass::Hardware => 1 << 15,
    }
}

/// Into how many partial sums a sum of `length` terms for each of `tiles` is split to make about `lanes` of them.
pub(super) fn of(lanes: usize, tiles: usize, length: usize) -> usize {
    lanes.div_ceil(tiles).min(length.div_ceil(4)).max(1)
}

/// The most rows, each of so many turns of a loop, that one thread adds up where rows are split among threads: a software
/// adapter leaves loops after 65,535 turns.
pub(super) fn longest(turns: usize) -> usize {
    ((1 << 15) / turns).max(1)
}
