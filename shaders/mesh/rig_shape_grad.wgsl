// The gradient of rig_shape.wgsl.
struct Params {
    total: u32,
    joints: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> stretches: array<f32>;
@group(0) @binding(2) var<storage, read> inverse: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> gy: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> gx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let at = 6u * (i % params.joints);
    var sum = vec3<f32>();
    for (var k = 0u; k < 3u; k++) {
        let g = gy[3u * i + k];
        sum += inverse[at + 3u + k].xyz * vec3(dot(g, inverse[at]), dot(g, inverse[at + 1u]), dot(g, inverse[at + 2u]));
    }
    sum *= exp(vec3(stretches[3u * i], stretches[3u * i + 1u], stretches[3u * i + 2u]));
    gx[3u * i] = sum.x;
    gx[3u * i + 1u] = sum.y;
    gx[3u * i + 2u] = sum.z;
}
