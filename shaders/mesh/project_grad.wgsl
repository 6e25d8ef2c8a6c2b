// gx of project.wgsl. Nothing flows to a z that is replaced by `near`.
struct Params {
    total: u32,
    points: u32,
    near: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> camera: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> gy: array<f32>;
@group(0) @binding(4) var<storage, read_write> gx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = camera[i / params.points];
    var g = vec2(c.x * gy[2u * i], c.y * gy[2u * i + 1u]);
    var gz = 0.0;
    if PERSPECTIVE {
        let z = x[3u * i + 2u];
        g = g / max(z, params.near);
        if z > params.near {
            gz = -(g.x * x[3u * i] + g.y * x[3u * i + 1u]) / z;
        }
    }
    gx[3u * i] = g.x;
    gx[3u * i + 1u] = g.y;
    gx[3u * i + 2u] = gz;
}
