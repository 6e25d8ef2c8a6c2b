// The gradient of rig_pose.wgsl with respect to the stretches: of each joint, from the steps to its children.
struct Params {
    total: u32,
    joints: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> stretches: array<f32>;
@group(0) @binding(2) var<storage, read> children_ptr: array<u32>;
@group(0) @binding(3) var<storage, read> children: array<u32>;
@group(0) @binding(4) var<storage, read> rest: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> gy: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> gx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let joint = i % params.joints;
    let first = i - joint;
    let x0 = stretch_row(joint, 0u);
    let x1 = stretch_row(joint, 1u);
    let x2 = stretch_row(joint, 2u);
    var sum = vec3<f32>();
    let last = children_ptr[joint + 1u];
    for (var k = children_ptr[joint]; k < last; k++) {
        let child = children[k];
        let at = 3u * (first + child);
        sum += step_from_parent(child) * (gy[at].w * x0 + gy[at + 1u].w * x1 + gy[at + 2u].w * x2);
    }
    sum *= exp(vec3(stretches[3u * i], stretches[3u * i + 1u], stretches[3u * i + 2u]));
    gx[3u * i] = sum.x;
    gx[3u * i + 1u] = sum.y;
    gx[3u * i + 2u] = sum.z;
}
