//! The case table, a family a file. Shapes are awkward on purpose: single rows and channels, sizes off every tile,
//! windows that overlap, leave gaps or reach into padding.

use std::collections::BTreeMap;

use knuckle::DType;

use crate::budget;
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
    let family = |family: fn() -> Vec<Case>| family().into_iter().chain(stored_as_f16(family()));
    families.into_iter().flat_map(family).collect()
}

/// Of each operator whose budget has a row for f16, some of its cases once more, stored so.
pub fn stored_as_f16(cases: Vec<Case>) -> Vec<Case> {
    const AT_MOST: usize = 6;
    let mut halves: Vec<Case> = Vec::new();
    let of = |op: &str| cases.iter().filter(|case| case.op == op && case.dtype == DType::F32).count();
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    let steps: BTreeMap<&str, usize> = cases.iter().map(|case| (case.op, of(case.op).div_ceil(AT_MOST))).collect();
    for case in cases {
        let place = met.entry(case.op).or_default();
        *place += 1;
        let chosen = (*place - 1).is_multiple_of(steps[case.op].max(1));
        let plain = case.dtype == DType::F32 && case.operands.iter().all(|o| o.parameter.is_none());
        if chosen && plain && budget::of(case.op, DType::F16).is_some() {
            halves.push(case.half());
        }
    }
    halves
}
