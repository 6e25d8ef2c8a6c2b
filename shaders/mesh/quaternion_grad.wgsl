// gx of quaternion.wgsl; 0 where the length is as good as 0.
struct Params {
    rotations: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gy: array<f32>;
@group(0) @binding(3) var<storage, read_write> gx: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.rotations {
        return;
    }
    let size = length(x[i]);
    var g = vec4<f32>();
    if size > SMALLEST {
        let q = x[i] / size;
        let skew = skew_grad(i);
        let whole = 2.0 * vec4(dot(q.yzw, skew), q.x * skew + square_grad(i, q.yzw));
        g = (whole - dot(q, whole) * q) / size;
    }
    gx[i] = g;
}
