// The largest, or without LARGEST from the prelude the smallest, element over the middle axis of x seen as
// outer × length × inner, and its place, in chunks: values and places are outer × chunks × inner. Of equals the first.
// The place of an element of x is its index if FIRST, else what x_places says.
struct Params {
    outer: u32,
    length: u32,
    inner: u32,
    chunks: u32,
    chunk: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> x_places: array<u32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> places: array<u32>;

fn place(r: u32, at: u32) -> u32 {
    if FIRST {
        return r;
    }
    return x_places[at];
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.outer * params.chunks * params.inner {
        return;
    }
    let inner = i % params.inner;
    let outer = i / (params.inner * params.chunks);
    let first = (i / params.inner) % params.chunks * params.chunk;
    let last = min(first + params.chunk, params.length);
    let start = outer * params.length * params.inner + inner;
    // A chunk may begin behind the end; then it repeats the last element.
    let begin = min(first, params.length - 1u);
    var best_at = begin;
    var best = x[start + begin * params.inner];
    for (var r = first + 1u; r < last; r++) {
        let value = x[start + r * params.inner];
        if select((value < best), (value > best), LARGEST) {
            best = value;
            best_at = r;
        }
    }
    values[i] = best;
    places[i] = place(best_at, start + best_at * params.inner);
}
