// Multiply-adds in registers and nothing else: CHAINS vec4s a thread that do not wait for each other, eight steps a round.
// The factor and the summand are the caller's, so that nothing can be known of the result beforehand, and every chain
// is part of it. FUSED chooses between the two ways to say it: drivers differ in what they make of them.
struct Params {
    rounds: u32,
    threads: u32,
    factor: f32,
    summand: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

fn multiply_add(x: vec4<Real>, a: vec4<Real>, b: vec4<Real>) -> vec4<Real> {
    if FUSED {
        return fma(x, a, b);
    }
    return x * a + b;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    let a = vec4<Real>(Real(params.factor));
    let b = vec4<Real>(Real(params.summand));
    var x0 = vec4<Real>(Real(f32(i % 64u)));
    var x1 = x0 + Real(1.0);
    var x2 = x0 + Real(2.0);
    var x3 = x0 + Real(3.0);
    for (var round = 0u; round < params.rounds; round++) {
        x0 = multiply_add(x0, a, b);
        if CHAINS > 1u { x1 = multiply_add(x1, a, b); }
        if CHAINS > 2u { x2 = multiply_add(x2, a, b); }
        if CHAINS > 3u { x3 = multiply_add(x3, a, b); }
        x0 = multiply_add(x0, a, b);
        if CHAINS > 1u { x1 = multiply_add(x1, a, b); }
        if CHAINS > 2u { x2 = multiply_add(x2, a, b); }
        if CHAINS > 3u { x3 = multiply_add(x3, a, b); }
        x0 = multiply_add(x0, a, b);
        if CHAINS > 1u { x1 = multiply_add(x1, a, b); }
        if CHAINS > 2u { x2 = multiply_add(x2, a, b); }
        if CHAINS > 3u { x3 = multiply_add(x3, a, b); }
        x0 = multiply_add(x0, a, b);
        if CHAINS > 1u { x1 = multiply_add(x1, a, b); }
        if CHAINS > 2u { x2 = multiply_add(x2, a, b); }
        if CHAINS > 3u { x3 = multiply_add(x3, a, b); }
        x0 = multiply_add(x0, a, b);
        if CHAINS > 1u { x1 = multiply_add(x1, a, b); }
        if CHAINS > 2u { x2 = multiply_add(x2, a, b); }
        if CHAINS > 3u { x3 = multiply_add(x3, a, b); }
        x0 = multiply_add(x0, a, b);
        if CHAINS > 1u { x1 = multiply_add(x1, a, b); }
        if CHAINS > 2u { x2 = multiply_add(x2, a, b); }
        if CHAINS > 3u { x3 = multiply_add(x3, a, b); }
        x0 = multiply_add(x0, a, b);
        if CHAINS > 1u { x1 = multiply_add(x1, a, b); }
        if CHAINS > 2u { x2 = multiply_add(x2, a, b); }
        if CHAINS > 3u { x3 = multiply_add(x3, a, b); }
        x0 = multiply_add(x0, a, b);
        if CHAINS > 1u { x1 = multiply_add(x1, a, b); }
        if CHAINS > 2u { x2 = multiply_add(x2, a, b); }
        if CHAINS > 3u { x3 = multiply_add(x3, a, b); }
    }
    if i < params.threads {
        y[i] = vec4<f32>(x0 + x1 + x2 + x3);
    }
}
