//! The case table, a family a file. Shapes are awkward on purpose: single rows and channels, sizes off every tile,
//! windows that overlap, leave gaps or reach into padding.

use std::collections::BTreeMap;

use knuckle::DType;

use crate::budget;
use crate::case::Case;

pub mod conv;
pub mod graph;
pub mod hand;
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
pub mod raster;
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
        hand::cases,
        raster::cases,
        nn::cases,
        losses::cases,
    ];
    let mut cases: Vec<Case> = families.into_iter().flat_map(|family| family()).collect();
    cases.extend(stored_as_f16());
    // Several operators, one after the other, round several times: these are for f32 alone.
    cases.extend(second::cases().into_iter().chain(second_products::cases()));
    cases
}

/// Of each operator whose budget has a row for f16, some of its cases once more, stored so.
pub fn stored_as_f16() -> Vec<Case> {
    let families =
        [pointwise::cases, reduce::cases, layout::cases, conv::cases, matmul::cases, norm::cases, pool::cases];
    let fits = |case: &Case| {
        let plain = case.dtype == DType::F32 && case.operands.iter().all(|o| o.parameter.is_none());
        plain && budget::of(case.op, DType::F16).is_some()
    };
    let cases = families.into_iter().flat_map(|family| family()).filter(fits).collect();
    // With one that meets every variant of a convolution's three passes.
    let every = conv::cases().into_iter().filter(|case| case.every_variant).take(1);
    some_of_each(cases, 6).into_iter().chain(every).map(Case::half).collect()
}

/// At most `most` cases of each operator, from all over its part of the table.
pub fn some_of_each(cases: Vec<Case>, most: usize) -> Vec<Case> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    cases.iter().for_each(|case| *counts.entry(case.op).or_default() += 1);
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    let mut chosen = |case: &Case| {
        let place = met.entry(case.op).or_default();
        *place += 1;
        (*place - 1).is_multiple_of(counts[case.op].div_ceil(most))
    };
    cases.into_iter().filter(|case| chosen(case)).collect()
}
