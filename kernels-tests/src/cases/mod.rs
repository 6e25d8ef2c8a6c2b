//! The case table, a family a file. Shapes are awkward on purpose: single rows and channels, sizes off every tile,
//! windows that overlap, leave gaps or reach into padding.

use crate::case::Case;

pub mod conv;
pub mod graph;
pub mod layout;
pub mod matmul;
pub mod nn;
pub mod norm;
pub mod pointwise;
pub mod pool;
pub mod reduce;
pub mod second;

/// Every case.
pub fn all() -> Vec<Case> {
    let families = [
        pointwise::cases,
        reduce::cases,
        layout::cases,
        conv::cases,
        matmul::cases,
        norm::cases,
        pool::cases,
        graph::cases,
        nn::cases,
        second::cases,
    ];
    families.into_iter().flat_map(|family| family()).collect()
}
