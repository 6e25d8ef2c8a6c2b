// Mean and squared deviation of each channel over blocks of rows: partial is blocks × 2 × channels. Sums are of
// differences from the block's first row, so that a large mean costs no digits. One channel (or four) a thread. With ONLY
// there is one block, and its squared deviation becomes the variance.
struct Params {
    rows: u32,
    channels: u32,
    rows_per_block: u32,
    blocks: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read_write> partial: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= p.blocks * p.channels { return; }
    let c = i % p.channels;
    let block = i / p.channels;
    let first = block * p.rows_per_block;
    let last = min(first + p.rows_per_block, p.rows);
    let origin = x[first * p.channels + c];
    var sum = Channels(0.0);
    var squares = Channels(0.0);
    for (var row = first; row < last; row++) {
        let d = x[row * p.channels + c] - origin;
        sum += d;
        squares += d * d;
    }
    let n = f32(last - first);
    partial[block * 2u * p.channels + c] = origin + sum / n;
    let deviation = squares - sum * sum / n;
    partial[(block * 2u + 1u) * p.channels + c] = select(deviation, deviation / n, ONLY);
}
