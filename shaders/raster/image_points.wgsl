// Points x in homogeneous pixels: (fx·x + cx·w, fy·y + cy·w, z, w), w being z in perspective and 1 without.
struct Params {
    total: u32,
    points: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> camera: array<vec4<f32>>; // fx, fy, cx, cy of each sample
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = camera[i / params.points];
    let z = x[3u * i + 2u];
    let w = select(1.0, z, PERSPECTIVE);
    y[i] = vec4(c.xy * vec2(x[3u * i], x[3u * i + 1u]) + c.zw * w, z, w);
}
