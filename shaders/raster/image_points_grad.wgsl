// gx of image_points.wgsl.
struct Params {
    total: u32,
    points: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> camera: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> gx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = camera[i / params.points];
    let g = gy[i];
    gx[3u * i] = c.x * g.x;
    gx[3u * i + 1u] = c.y * g.y;
    gx[3u * i + 2u] = g.z + select(0.0, g.w + dot(c.zw, g.xy), PERSPECTIVE);
}
