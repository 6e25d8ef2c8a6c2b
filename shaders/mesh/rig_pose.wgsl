// y[n, j]: the map from the axes of joint j, bent by its angles, to those of its parent, stretched by its factors e = exp(stretches):
// (T·B | X diag(e) s) with T the axes at rest, B the bend, s the step from the parent, X the axes of stretch. Of the root,
// joint 0, (rotation·T·B | translation). 3×4, row by row.
struct Params {
    total: u32,
    joints: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> angles: array<f32>;
@group(0) @binding(2) var<storage, read> stretches: array<f32>;
@group(0) @binding(3) var<storage, read> rotation: array<f32>;
@group(0) @binding(4) var<storage, read> translation: array<f32>;
@group(0) @binding(5) var<storage, read> parents: array<u32>;
@group(0) @binding(6) var<storage, read> rest: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> y: array<vec4<f32>>;

fn product(row: vec3<f32>, r0: vec3<f32>, r1: vec3<f32>, r2: vec3<f32>) -> vec3<f32> {
    return row.x * r0 + row.y * r1 + row.z * r2;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let joint = i % params.joints;
    let sample = i / params.joints;
    let b = bend(turn(angles[3u * i]), turn(angles[3u * i + 1u]), turn(angles[3u * i + 2u]));
    let t0 = product(turn_row(joint, 0u), b[0], b[1], b[2]);
    let t1 = product(turn_row(joint, 1u), b[0], b[1], b[2]);
    let t2 = product(turn_row(joint, 2u), b[0], b[1], b[2]);
    if joint == 0u {
        for (var k = 0u; k < 3u; k++) {
            let at = 9u * sample + 3u * k;
            let row = vec3(rotation[at], rotation[at + 1u], rotation[at + 2u]);
            y[3u * i + k] = vec4(product(row, t0, t1, t2), translation[3u * sample + k]);
        }
        return;
    }
    let parent = parents[joint];
    let at = 3u * (sample * params.joints + parent);
    let factors = exp(vec3(stretches[at], stretches[at + 1u], stretches[at + 2u]));
    let away = factors * step_from_parent(joint);
    y[3u * i] = vec4(t0, dot(stretch_row(parent, 0u), away));
    y[3u * i + 1u] = vec4(t1, dot(stretch_row(parent, 1u), away));
    y[3u * i + 2u] = vec4(t2, dot(stretch_row(parent, 2u), away));
}
