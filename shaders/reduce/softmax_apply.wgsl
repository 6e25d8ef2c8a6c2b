// The second half of a softmax over a long axis, or with LOG from the prelude of its logarithm: y = exp(x − largest) / sum
// over the middle axis of x seen as outer × length × inner. largest and sum are outer × inner. A thread takes an element.
struct Params {
    total: u32,
    length: u32,
    inner: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> largest: array<f32>;
@group(0) @binding(3) var<storage, read> sum: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let row = i / (params.length * params.inner) * params.inner + i % params.inner;
    if LOG {
        y[i] = x[i] - (largest[row] + log(sum[row]));
    } else {
        y[i] = exp(x[i] - largest[row]) / sum[row];
    }
}
