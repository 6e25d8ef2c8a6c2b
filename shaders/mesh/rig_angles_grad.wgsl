// The gradient of rig_pose.wgsl with respect to the angles.
struct Params {
    total: u32,
    joints: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> angles: array<f32>;
@group(0) @binding(2) var<storage, read> rotation: array<f32>;
@group(0) @binding(3) var<storage, read> rest: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> gy: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> gx: array<f32>;

fn along(h: array<vec3<f32>, 3>, b: array<vec3<f32>, 3>) -> f32 {
    return dot(h[0], b[0]) + dot(h[1], b[1]) + dot(h[2], b[2]);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let joint = i % params.joints;
    let sample = i / params.joints;
    var g0 = gy[3u * i].xyz;
    var g1 = gy[3u * i + 1u].xyz;
    var g2 = gy[3u * i + 2u].xyz;
    if joint == 0u {
        // The gradient of T·B is the rotation's transpose times that of all three.
        let at = 9u * sample;
        let c0 = rotation[at] * g0 + rotation[at + 3u] * g1 + rotation[at + 6u] * g2;
        let c1 = rotation[at + 1u] * g0 + rotation[at + 4u] * g1 + rotation[at + 7u] * g2;
        let c2 = rotation[at + 2u] * g0 + rotation[at + 5u] * g1 + rotation[at + 8u] * g2;
        g0 = c0;
        g1 = c1;
        g2 = c2;
    }
    let t0 = turn_row(joint, 0u);
    let t1 = turn_row(joint, 1u);
    let t2 = turn_row(joint, 2u);
    let h = array<vec3<f32>, 3>(
        t0.x * g0 + t1.x * g1 + t2.x * g2,
        t0.y * g0 + t1.y * g1 + t2.y * g2,
        t0.z * g0 + t1.z * g1 + t2.z * g2,
    );
    let x = turn(angles[3u * i]);
    let z = turn(angles[3u * i + 1u]);
    let y = turn(angles[3u * i + 2u]);
    gx[3u * i] = along(h, bend(turn_slope(x), z, y));
    gx[3u * i + 1u] = along(h, bend(x, turn_slope(z), y));
    gx[3u * i + 2u] = along(h, bend(x, z, turn_slope(y)));
}
