// m = b1·m + (1 − b1)·g; v = b2·v + (1 − b2)·g²; w -= lr·(m / (1 − b1ᵗ) / (sqrt(v / (1 − b2ᵗ)) + eps) + decay·w).
// `power` holds b1ᵗ⁻¹ and b2ᵗ⁻¹. Skipped if the guard is not finite.
struct Params {
    quads: u32,
    beta1: f32,
    beta2: f32,
    eps: f32,
    decay: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> lr: array<f32>;
@group(0) @binding(3) var<storage, read> power: array<f32>;
@group(0) @binding(4) var<storage, read> guard: array<u32>;
@group(0) @binding(5) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> v: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    let finite = (guard[0] & 0x7f800000u) != 0x7f800000u;
    if i < p.quads && finite {
        let g = gradient[i];
        let mean = p.beta1 * m[i] + (1.0 - p.beta1) * g;
        let square = p.beta2 * v[i] + (1.0 - p.beta2) * g * g;
        m[i] = mean;
        v[i] = square;
        let unbiased = mean / (1.0 - power[0] * p.beta1);
        let scale = sqrt(square / (1.0 - power[1] * p.beta2)) + p.eps;
        w[i] -= lr[0] * (unbiased / scale + p.decay * w[i]);
    }
}
