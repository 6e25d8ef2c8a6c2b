//! Factors that the lanes of a subgroup share: each lane reads a part, all get it from there. A software adapter has no workgroup memory
//! that would be faster than its loads, but hands values round in a subgroup within a vector's registers.

use crate::exec::{AdapterClass, Dispatch, Target};
use crate::shader;

/// The lanes of a subgroup, on adapters whose lanes should share so.
pub(super) fn subgroup(target: &Target) -> Option<usize> {
    let software = target.class == AdapterClass::Software;
    target.subgroup.filter(|n| software && target.lanes().is_multiple_of(*n)).map(|n| n as usize)
}

/// Takes in how a kernel's lanes get what they need of the second operand: from their subgroup, or each alone.
pub(super) fn second_operand(dispatch: Dispatch<'_>, subgroup: Option<usize>) -> Dispatch<'_> {
    match subgroup {
        Some(lanes) => dispatch.define("SUBGROUP", lanes).include(shader!("common/b_shared.wgsl")),
        None => dispatch.include(shader!("common/b_alone.wgsl")),
    }
}

/// How many strips there are of `strips`, of which a subgroup has no others.
pub(super) fn padded(strips: usize, subgroup: Option<usize>) -> usize {
    subgroup.map_or(strips, |lanes| strips.next_multiple_of(lanes))
}

/// The name of lanes' tiles.
pub(super) fn name(subgroup: Option<usize>) -> &'static str {
    if subgroup.is_some() { "subgroups" } else { "lanes" }
}
