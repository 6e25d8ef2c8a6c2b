// Sums, or with SQUARE from the prelude sums of squares, over the middle axis of x seen as outer × length × inner units, in chunks: y is
// outer × chunks × inner.
// Each thread sums one chunk in order, so the result has the same bits on every run. With ROOT their roots.
struct Params {
    outer: u32,
    length: u32,
    inner: u32,
    chunks: u32,
    chunk: u32,
    scale: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read_write> y: array<Stat>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.outer * params.chunks * params.inner {
        return;
    }
    let inner = i % params.inner;
    let c = (i / params.inner) % params.chunks;
    let outer = i / (params.inner * params.chunks);
    let first = c * params.chunk;
    let last = min(first + params.chunk, params.length);
    var at = (outer * params.length + first) * params.inner + inner;
    // Four partial sums: shorter chains of rounding, and four independent additions.
    var sums: array<Channels, 4>;
    var r = first;
    for (; r + 4u <= last; r += 4u) {
        for (var k = 0u; k < 4u; k++) {
            let value = x[at + k * params.inner];
            sums[k] += select(value, value * value, SQUARE);
        }
        at += 4u * params.inner;
    }
    for (; r < last; r++) {
        sums[0] += select(x[at], x[at] * x[at], SQUARE);
        at += params.inner;
    }
    let total = fold((sums[0] + sums[1]) + (sums[2] + sums[3])) * params.scale;
    y[i] = select(total, sqrt(total), ROOT);
}
