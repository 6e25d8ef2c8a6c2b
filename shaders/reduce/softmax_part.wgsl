// The first half of a softmax over a long axis: sums of exp(x − largest) over the middle axis of x seen as
// outer × length × inner, in chunks. largest is outer × inner, y is outer × chunks × inner.
struct Params {
    outer: u32,
    length: u32,
    inner: u32,
    chunks: u32,
    chunk: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> largest: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

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
    let top = largest[outer * params.inner + inner];
    var sum = 0.0;
    for (var r = first; r < last; r++) {
        sum += exp(x[start + r * params.inner] - top);
    }
    y[i] = sum;
}
