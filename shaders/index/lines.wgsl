// How kernels that move along an axis by indices see their operands: x, y and the index tensor are outer × line × inner
// around that axis. The index tensor may be repeated along the other axes: outer and inner stand for up to three axes
// each (OUTER and INNER of the prelude), innermost first of extents n and with strides s in the index, 0 where it
// repeats.
struct Params {
    total: u32,
    rows: u32, // indices a line
    extent: u32, // what they are below
    inner: u32,
    first_row: u32, // of the rows that a dispatch looks at
    last_row: u32,
    index_stride: u32, // from an index to the next of its line
    outer_n0: u32,
    outer_n1: u32,
    outer_s0: u32,
    outer_s1: u32,
    outer_s2: u32,
    inner_n0: u32,
    inner_n1: u32,
    inner_s0: u32,
    inner_s1: u32,
    inner_s2: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

fn offset(position: u32, axes: u32, n: vec2<u32>, s: vec3<u32>) -> u32 {
    if axes == 1u {
        return position * s.x;
    }
    let rest = position / n.x;
    let first = position % n.x * s.x;
    if axes == 2u {
        return first + rest * s.y;
    }
    return first + rest % n.y * s.y + rest / n.y * s.z;
}

// Where a line of indices begins.
fn index_base(outer: u32, inner: u32) -> u32 {
    let p = params;
    let from_outer = offset(outer, OUTER, vec2(p.outer_n0, p.outer_n1), vec3(p.outer_s0, p.outer_s1, p.outer_s2));
    return from_outer + offset(inner, INNER, vec2(p.inner_n0, p.inner_n1), vec3(p.inner_s0, p.inner_s1, p.inner_s2));
}
