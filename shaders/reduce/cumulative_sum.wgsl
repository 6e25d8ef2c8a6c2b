// Running sums along the middle axis of x seen as outer × length × inner, from its end if REVERSE. Each thread walks
// one chunk in order. With TOTALS y has only the chunks' sums, outer × chunks × inner; otherwise, where there is more
// than one chunk (CARRY), carry has the sums of all chunks before. An element takes part in its own sum unless
// EXCLUSIVE.
struct Params {
    outer: u32,
    length: u32,
    inner: u32,
    chunks: u32,
    chunk: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> carry: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.outer * params.chunks * params.inner {
        return;
    }
    let start = i / (params.inner * params.chunks) * params.length * params.inner + i % params.inner;
    let first = (i / params.inner) % params.chunks * params.chunk;
    let last = min(first + params.chunk, params.length);
    var before = 0.0;
    if CARRY {
        before = carry[i];
    }
    // Added to what came before only when written: rounding does not pile up along the chunk.
    var sum = 0.0;
    for (var r = first; r < last; r++) {
        let at = start + select(r, params.length - 1u - r, REVERSE) * params.inner;
        let value = x[at];
        if EXCLUSIVE && !TOTALS {
            y[at] = before + sum;
        }
        sum += value;
        if !EXCLUSIVE && !TOTALS {
            y[at] = before + sum;
        }
    }
    if TOTALS {
        y[i] = sum;
    }
}
