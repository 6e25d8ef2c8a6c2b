// Pixels of points x: (fx·x/z + cx, fy·y/z + cy), z no less than `near`; without PERSPECTIVE from the prelude not divided by z.
struct Params {
    total: u32,
    points: u32,
    near: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> camera: array<vec4<f32>>; // fx, fy, cx, cy of each sample
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = camera[i / params.points];
    var p = vec2(x[3u * i], x[3u * i + 1u]);
    if PERSPECTIVE {
        p = p / max(x[3u * i + 2u], params.near);
    }
    y[2u * i] = c.x * p.x + c.z;
    y[2u * i + 1u] = c.y * p.y + c.w;
}
