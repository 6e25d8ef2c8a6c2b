// What each point adds to the gradient of its camera: (gX·x, gY·y, gX·w, gY·w).
struct Params {
    total: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let g = vec2(gy[3u * i], gy[3u * i + 1u]);
    let w = select(1.0, x[3u * i + 2u], PERSPECTIVE);
    y[i] = vec4(g.x * x[3u * i], g.y * x[3u * i + 1u], g * w);
}
