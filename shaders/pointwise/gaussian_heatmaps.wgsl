// y[n, row, column, joint] = exp(−d² / 2σ²), d the distance in pixels from the pixel's centre to uv[n, joint].
struct Params {
    total: u32,
    h: u32,
    w: u32,
    joints: u32,
    falloff: f32, // 1 / 2σ²
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> uv: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let joint = i % params.joints;
    let pixel = i / params.joints;
    let rest = pixel / params.w;
    let at = 2u * ((rest / params.h) * params.joints + joint);
    let du = uv[at] - (f32(pixel % params.w) + 0.5);
    let dv = uv[at + 1u] - (f32(rest % params.h) + 0.5);
    y[i] = exp(-params.falloff * (du * du + dv * dv));
}
