// v = momentum·v + g; w -= lr·v, or with NESTEROV from the prelude lr·(g + momentum·v); g = gradient + decay·w. Skipped if the guard
// is not finite.
struct Params {
    quads: u32,
    momentum: f32,
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
        let velocity = p.momentum * v[i] + g;
        v[i] = velocity;
        w[i] -= lr[0] * select(velocity, g + p.momentum * velocity, NESTEROV);
    }
}
