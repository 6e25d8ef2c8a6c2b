// The gradient of forward.wgsl with respect to every face's corners by looking at every pixel of some rows.
struct Params {
    total: u32,
    width: u32,
    height: u32,
    rows: u32,
    bands: u32,
    faces: u32,
    sharpness: f32,
    reach: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> corners: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> gy: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> gx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * (groups.x * WG) + id.x;
    if i / params.total >= params.bands {
        return;
    }
    let face = i % params.total;
    let c = corners_of(face);
    let inverse = 1.0 / c.z;
    var gu = vec3(0.0);
    var gv = vec3(0.0);
    var gz = vec3(0.0);
    let first = i / params.total * params.rows;
    let end = min(first + params.rows, params.height);
    let base = face / params.faces * params.height;
    for (var row = first; row < end; row++) {
        for (var column = 0u; column < params.width; column++) {
            let u = c.x * inverse - (f32(column) + 0.5);
            let v = c.y * inverse - (f32(row) + 0.5);
            if !is_near(u, v, params.reach) {
                continue;
            }
            let pixel = (base + row) * params.width + column;
            let value = y[pixel];
            let g = gy[pixel];
            let areas = u.yzx * v.zxy - v.yzx * u.zxy;
            let area = areas.x + areas.y + areas.z;
            let weights = areas / area;
            if all(weights >= vec3(0.0)) {
                let z = 1.0 / dot(weights, inverse);
                if z <= value.x * 1.000001 {
                    let g_weights = -g.x * z * z * inverse;
                    let g_areas = (g_weights - dot(g_weights, weights)) / area;
                    gu += g_areas.zxy * v.yzx - g_areas.yzx * v.zxy;
                    gv += g_areas.yzx * u.zxy - g_areas.zxy * u.yzx;
                    gz += g.x * z * z * weights * inverse * inverse;
                }
            }
            let strength = g.y * (1.0 - value.y) * params.sharpness;
            if strength != 0.0 {
                let near = nearest(u, v, areas);
                if near.signed > -params.reach * params.reach {
                    let turn = select(-2.0, 2.0, near.signed < 0.0);
                    let covered = 1.0 / (1.0 + exp(-clamp(near.signed * params.sharpness, -80.0, 80.0)));
                    let force = turn * strength * covered * near.away;
                    gu += force.x * near.parts;
                    gv += force.y * near.parts;
                }
            }
        }
    }
    // Pixels are (X, Y) / z.
    for (var k = 0u; k < 3u; k++) {
        gx[9u * i + 3u * k] = gu[k] * inverse[k];
        gx[9u * i + 3u * k + 1u] = gv[k] * inverse[k];
        gx[9u * i + 3u * k + 2u] = gz[k] - (gu[k] * c.x[k] + gv[k] * c.y[k]) * inverse[k] * inverse[k];
    }
}
