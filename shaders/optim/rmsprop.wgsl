// v = rho·v + (1 − rho)·g²; w -= lr·g / (sqrt(v) + eps), with g = gradient + decay·w. Skipped if the guard is not finite.
struct Params {
    quads: u32,
    rho: f32,
    eps: f32,
    decay: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> lr: array<f32>;
@group(0) @binding(3) var<storage, read> guard: array<u32>;
@group(0) @binding(4) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> v: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    let finite = (guard[0] & 0x7f800000u) != 0x7f800000u;
    if i < p.quads && finite {
        let g = gradient[i] + p.decay * w[i];
        let mean_square = p.rho * v[i] + (1.0 - p.rho) * g * g;
        v[i] = mean_square;
        w[i] -= lr[0] * g / (sqrt(mean_square) + p.eps);
    }
}
