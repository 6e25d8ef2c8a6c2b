// The two sums over rows that the gradients of batch normalisation need, by blocks of rows: Σ g·x̂ and Σ g, where g is
// the gradient before the ReLU and x̂ the normalised input. partial is blocks × 2 × channels.
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
@group(0) @binding(3) var<storage, read> stats: array<Channels>;
@group(0) @binding(4) var<storage, read> affine: array<Channels>;
@group(0) @binding(5) var<storage, read_write> partial: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= p.blocks * p.channels { return; }
    let c = i % p.channels;
    let block = i / p.channels;
    let first = block * p.rows_per_block;
    let last = min(first + p.rows_per_block, p.rows);
    let mean = stats[c];
    let inverse = inverseSqrt(stats[p.channels + c] + p.eps);
    let scale = affine[c];
    let shift = affine[p.channels + c];
    var products = Channels(0.0);
    var sum = Channels(0.0);
    for (var row = first; row < last; row++) {
        let normal = (x[row * p.channels + c] - mean) * inverse;
        var g = gy[row * p.channels + c];
        if RELU {
            g = select(Channels(0.0), g, normal * scale + shift > Channels(0.0));
        }
        products += g * normal;
        sum += g;
    }
    partial[block * 2u * p.channels + c] = products;
    partial[(block * 2u + 1u) * p.channels + c] = sum;
}
