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
    let threads = p.channels / SPAN;
    if i >= p.blocks * threads { return; }
    let start = span_start(i % threads);
    let first = i / threads * p.rows_per_block;
    let last = min(first + p.rows_per_block, p.rows);
    var mean: array<Channels, SPAN>;
    var inverse: array<Channels, SPAN>;
    var scale: array<Channels, SPAN>;
    var shift: array<Channels, SPAN>;
    var slope: array<Channels, SPAN>;
    var level: array<Channels, SPAN>;
    for (var k = 0u; k < SPAN; k++) {
        let c = start + k * RUN;
        mean[k] = stats[c];
        inverse[k] = inverseSqrt(stats[p.channels + c] + p.eps);
        scale[k] = affine[c];
        shift[k] = affine[p.channels + c];
        if TRAIN {
            slope[k] = sums[c] / f32(p.rows);
            level[k] = sums[p.channels + c] / f32(p.rows);
        }
    }
    for (var row = first; row < last; row++) {
        for (var k = 0u; k < SPAN; k++) {
            let at = row * p.channels + start + k * RUN;
            let normal = (x[at] - mean[k]) * inverse[k];
            var g = gy[at];
            if RELU {
                g = select(Channels(0.0), g, normal * scale[k] + shift[k] > Channels(0.0));
            }
            var value = scale[k] * inverse[k] * (g - level[k] - normal * slope[k]);
            if ADD {
                value += addend[at];
            }
            gx[at] = value;
        }
    }
}
