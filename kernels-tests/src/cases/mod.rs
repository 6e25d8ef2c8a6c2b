//! The case table, a family a file. Shapes are awkward on purpose: single rows and channels, sizes off every tile,
//! windows that overlap, leave gaps or reach into padding.

use crate::case::Case;

pub mod conv;
pub mod graph;
pub mod heatmap;
pub mod indexing;
pub mod layout;
pub mod losses;
pub mod matmul;
pub mod mesh;
pub mod nn;
pub mod norm;
pub mod pointwise;
pub mod pool;
pub mod random;
pub mod reduce;
pub mod sample;
pub mod second;
pub mod second_products;

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
        sample::cases,
        heatmap::cases,
        random::cases,
        graph::cases,
        indexing::cases,
        mesh::cases,
        nn::cases,
        losses::cases,
        second::cases,
        second_products::cases,
    ];
    families.into_iter().flat_map(|family| family()).collect()
}
