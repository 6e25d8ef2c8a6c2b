// y = (x − mean)·rsqrt(variance + eps)·scale + shift, then ReLU if asked; x is rows × channels, stats is mean then
// variance, affine is scale then shift. A thread takes one channel (or four) of a block of rows.
struct Params {
    rows: u32,
    channels: u32,
    rows_per_block: u32,
    blocks: u32,
    eps: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read> stats: array<Channels>;
@group(0) @binding(3) var<storage, read> affine: array<Channels>;
@group(0) @binding(4) var<storage, read_write> y: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= p.blocks * p.channels { return; }
    let c = i % p.channels;
    let first = i / p.channels * p.rows_per_block;
    let last = min(first + p.rows_per_block, p.rows);
    let scale = affine[c] * inverseSqrt(stats[p.channels + c] + p.eps);
    let mean = stats[c];
    let shift = affine[p.channels + c];
    for (var row = first; row < last; row++) {
        // The mean comes off first: where it is large, so would be the difference of two products.
        let v = (x[row * p.channels + c] - mean) * scale + shift;
        y[row * p.channels + c] = select(v, max(v, Channels(0.0)), RELU);
    }
}
