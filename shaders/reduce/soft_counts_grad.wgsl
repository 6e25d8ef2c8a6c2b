// The gradient of soft counts (soft_counts.wgsl) with respect to the pixels: each adds over the bins.
struct Params {
    total: u32,
    pixels: u32,
    c: u32,
    chunks: u32,
    chunk: u32,
    bins: u32,
    low: f32,
    per_unit: f32,
    gaussian: u32,
    falloff: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gy: array<f32>;
@group(0) @binding(3) var<storage, read_write> gx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let rest = i / params.c;
    let block = (rest / params.pixels) * params.chunks + (rest % params.pixels) / params.chunk;
    let start = block * params.bins * params.c + i % params.c;
    // Bounded, so that what is far from every bin gives 0 times a number.
    let place = clamp((x[i] - params.low) * params.per_unit, -1e6, 1e6);
    var sum = 0.0;
    for (var b = 0u; b < params.bins; b++) {
        let t = place - f32(b);
        var slope = select(0.0, -sign(t), abs(t) < 1.0);
        if params.gaussian != 0u {
            slope = -2.0 * params.falloff * t * exp(-params.falloff * t * t);
        }
        sum += slope * gy[start + b * params.c];
    }
    gx[i] = params.per_unit * sum;
}
