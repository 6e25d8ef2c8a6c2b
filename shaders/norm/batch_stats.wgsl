// Combines blocks' means and squared deviations (Chan, Golub and LeVeque 1983, eq. 2.1) into the mean and the biased
// variance of each channel: stats is 2 × channels.
struct Params {
    rows: u32,
    channels: u32,
    rows_per_block: u32,
    blocks: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> partial: array<Channels>;
@group(0) @binding(2) var<storage, read_write> stats: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let c = flat_index(id, groups);
    if c >= p.channels { return; }
    let whole = f32(p.rows_per_block);
    let rest = f32(p.rows - (p.blocks - 1u) * p.rows_per_block);
    // The block means differ from the first one by little: sum differences, as within a block.
    let origin = partial[c];
    var sum = Channels(0.0);
    for (var b = 0u; b < p.blocks; b++) {
        sum += select(whole, rest, b + 1u == p.blocks) * (partial[b * 2u * p.channels + c] - origin);
    }
    let mean = origin + sum / f32(p.rows);
    var squares = Channels(0.0);
    for (var b = 0u; b < p.blocks; b++) {
        let d = partial[b * 2u * p.channels + c] - mean;
        let n = select(whole, rest, b + 1u == p.blocks);
        squares += partial[(b * 2u + 1u) * p.channels + c] + n * d * d;
    }
    stats[c] = mean;
    stats[p.channels + c] = squares / f32(p.rows);
}
