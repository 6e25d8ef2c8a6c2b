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
    let threads = p.channels / SPAN;
    if i >= p.blocks * threads { return; }
    let start = span_start(i % threads);
    let block = i / threads;
    let first = block * p.rows_per_block;
    let last = min(first + p.rows_per_block, p.rows);
    var mean: array<Channels, SPAN>;
    var inverse: array<Channels, SPAN>;
    var scale: array<Channels, SPAN>;
    var shift: array<Channels, SPAN>;
    for (var k = 0u; k < SPAN; k++) {
        let c = start + k * RUN;
        mean[k] = stats[c];
        inverse[k] = inverseSqrt(stats[p.channels + c] + p.eps);
        scale[k] = affine[c];
        shift[k] = affine[p.channels + c];
    }
    var products: array<Channels, SPAN>;
    var sum: array<Channels, SPAN>;
    for (var row = first; row < last; row++) {
        for (var k = 0u; k < SPAN; k++) {
            let at = row * p.channels + start + k * RUN;
            let normal = (x[at] - mean[k]) * inverse[k];
            var g = gy[at];
            if RELU {
                g = select(Channels(0.0), g, normal * scale[k] + shift[k] > Channels(0.0));
            }
            products[k] += g * normal;
            sum[k] += g;
        }
    }
    for (var k = 0u; k < SPAN; k++) {
        let to = block * 2u * p.channels + start + k * RUN;
        partial[to] = products[k];
        partial[to + p.channels] = sum[k];
    }
}
