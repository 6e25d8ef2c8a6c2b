// Depth and soft silhouette of every pixel by looking at every face.
struct Params {
    total: u32,
    pixels: u32,
    width: u32,
    faces: u32,
    sharpness: f32,
    reach: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> corners: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec2<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * (groups.x * WG) + id.x;
    if i >= params.total {
        return;
    }
    let image = i / params.pixels;
    let pixel = i % params.pixels;
    let at = vec2(f32(pixel % params.width), f32(pixel / params.width)) + 0.5;
    var depth = 1e30;
    var clear = 1.0;
    for (var face = 0u; face < params.faces; face++) {
        let c = corners_of(image * params.faces + face);
        let u = c.x / c.z - at.x;
        let v = c.y / c.z - at.y;
        if !is_near(u, v, params.reach) {
            continue;
        }
        let areas = u.yzx * v.zxy - v.yzx * u.zxy;
        let area = areas.x + areas.y + areas.z;
        let weights = areas / area;
        if all(weights >= vec3(0.0)) {
            depth = min(depth, 1.0 / dot(weights, 1.0 / c.z));
        }
        let near = nearest(u, v, areas);
        if near.signed > -params.reach * params.reach {
            clear *= 1.0 - 1.0 / (1.0 + exp(-clamp(near.signed * params.sharpness, -80.0, 80.0)));
        }
    }
    y[i] = vec2(select(depth, 0.0, depth == 1e30), 1.0 - clear);
}
