// The gradient with respect to the input of batch normalisation (Ioffe and Szegedy 2015, §3), rearranged:
// gx = scale·rsqrt(variance + eps)·(g − Σg/rows − x̂·Σ(g·x̂)/rows); with fixed statistics the sums drop out.
// With ADD another gradient that reaches the same input is added.
struct Params {
    rows: u32,
    channels: u32,
    rows_per_block: u32,
    blocks: u32,
    eps: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gy: array<Channels>;
@group(0) @binding(2) var<storage, read> x: array<Channels>;
@group(0) @binding(7) var<storage, read> addend: array<Channels>;
@group(0) @binding(3) var<storage, read> stats: array<Channels>;
@group(0) @binding(4) var<storage, read> affine: array<Channels>;
@group(0) @binding(5) var<storage, read> sums: array<Channels>;
@group(0) @binding(6) var<storage, read_write> gx: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= p.blocks * p.channels { return; }
    let c = i % p.channels;
    let first = i / p.channels * p.rows_per_block;
    let last = min(first + p.rows_per_block, p.rows);
    let mean = stats[c];
    let inverse = inverseSqrt(stats[p.channels + c] + p.eps);
    let scale = affine[c];
    let shift = affine[p.channels + c];
    var slope = Channels(0.0);
    var level = Channels(0.0);
    if TRAIN {
        slope = sums[c] / f32(p.rows);
        level = sums[p.channels + c] / f32(p.rows);
    }
    for (var row = first; row < last; row++) {
        let normal = (x[row * p.channels + c] - mean) * inverse;
        var g = gy[row * p.channels + c];
        if RELU {
            g = select(Channels(0.0), g, normal * scale + shift > Channels(0.0));
        }
        var value = scale * inverse * (g - level - normal * slope);
        if ADD {
            value += addend[row * p.channels + c];
        }
        gx[row * p.channels + c] = value;
    }
}
