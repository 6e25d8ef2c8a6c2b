// y = the rotation that a quaternion (w, x, y, z) of any length stands for; the identity where its length is as good as 0.
struct Params {
    rotations: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.rotations {
        return;
    }
    let size = length(x[i]);
    var q = vec4(1.0, 0.0, 0.0, 0.0);
    if size > SMALLEST {
        q = x[i] / size;
    }
    var matrix = rotation(2.0 * q.x * q.yzw, 2.0 * q.yzw, q.yzw);
    for (var k = 0u; k < 9u; k++) {
        y[9u * i + k] = matrix[k];
    }
}
