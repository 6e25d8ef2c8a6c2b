// The gradient of rig_pose.wgsl with respect to the rotation; with TRANSLATION from the prelude to the translation.
struct Params {
    samples: u32,
    joints: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> angles: array<f32>;
@group(0) @binding(2) var<storage, read> rest: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> gy: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> gx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let sample = flat_index(id, groups);
    if sample >= params.samples {
        return;
    }
    let at = 3u * sample * params.joints;
    if TRANSLATION {
        gx[3u * sample] = gy[at].w;
        gx[3u * sample + 1u] = gy[at + 1u].w;
        gx[3u * sample + 2u] = gy[at + 2u].w;
        return;
    }
    let b = bend(turn(angles[at]), turn(angles[at + 1u]), turn(angles[at + 2u]));
    for (var l = 0u; l < 3u; l++) {
        let row = turn_row(0u, l);
        let bent = row.x * b[0] + row.y * b[1] + row.z * b[2];
        for (var k = 0u; k < 3u; k++) {
            gx[9u * sample + 3u * k + l] = dot(gy[at + k].xyz, bent);
        }
    }
}
