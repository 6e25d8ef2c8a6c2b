// y[n, j] = X diag(exp(stretches)) U: from the model's space at rest to the axes of joint j, stretched; U goes to the joint's axes
// of stretch (3×4) and X from there to its own (3×3, with an empty last column). Three rows of U, then three of X, a joint.
struct Params {
    total: u32,
    joints: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> stretches: array<f32>;
@group(0) @binding(2) var<storage, read> inverse: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let at = 6u * (i % params.joints);
    let factors = exp(vec3(stretches[3u * i], stretches[3u * i + 1u], stretches[3u * i + 2u]));
    let u0 = factors.x * inverse[at];
    let u1 = factors.y * inverse[at + 1u];
    let u2 = factors.z * inverse[at + 2u];
    for (var k = 0u; k < 3u; k++) {
        let row = inverse[at + 3u + k];
        y[3u * i + k] = row.x * u0 + row.y * u1 + row.z * u2;
    }
}
