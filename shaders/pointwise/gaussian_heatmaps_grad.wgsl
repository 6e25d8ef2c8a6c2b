// The gradient of Gaussian heat-maps with respect to the joints, row by row: of each row the sum over its pixels of
// gy · dy/duv, N×h×J×2. dy/du = −(u − centre) / σ² · y.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    joints: u32,
    factor: f32, // −1 / σ²
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> uv: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> gy: array<f32>;
@group(0) @binding(4) var<storage, read_write> g_rows: array<vec2<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let joint = i % params.joints;
    let line = i / params.joints;
    let own = 2u * ((line / params.h) * params.joints + joint);
    let u = uv[own];
    let dv = uv[own + 1u] - (f32(line % params.h) + 0.5);
    var across = 0.0;
    var whole = 0.0;
    for (var q = 0u; q < params.w; q++) {
        let at = (line * params.w + q) * params.joints + joint;
        let weight = gy[at] * y[at];
        across += weight * (u - (f32(q) + 0.5));
        whole += weight;
    }
    g_rows[i] = params.factor * vec2(across, dv * whole);
}
