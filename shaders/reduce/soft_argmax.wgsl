// The mean position of every map from the parts of its chunks (soft_argmax_partial.wgsl), and what its gradient needs: the largest
// element m and ln Σ exp(β(x − m)).
struct Params {
    total: u32,
    c: u32,
    chunks: u32,
    beta: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let start = (i / params.c) * params.chunks * params.c + i % params.c;
    var largest = parts[start].x;
    for (var k = 1u; k < params.chunks; k++) {
        largest = max(largest, parts[start + k * params.c].x);
    }
    var sums = vec3(0.0);
    for (var k = 0u; k < params.chunks; k++) {
        let part = parts[start + k * params.c];
        sums += exp(params.beta * (part.x - largest)) * part.yzw;
    }
    y[i] = vec4(sums.yz / sums.x, largest, log(sums.x));
}
