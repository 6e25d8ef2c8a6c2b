// The gradient of scale and shift by blocks of rows: Σ gy·x̂ and Σ gy of each channel. partial is
// blocks × 2 × channels; a batch is `rows` rows, of which there are `all_rows`. A thread takes a unit of a block.
struct Params {
    all_rows: u32,
    rows: u32,
    groups: u32,
    width: u32,
    rows_per_block: u32,
    blocks: u32,
    eps: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gy: array<Channels>;
@group(0) @binding(2) var<storage, read> x: array<Channels>;
@group(0) @binding(3) var<storage, read> stats: array<Stat>;
@group(0) @binding(4) var<storage, read_write> partial: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    let channels = p.groups * p.width;
    if i >= p.blocks * channels { return; }
    let c = i % channels;
    let block = i / channels;
    let first = block * p.rows_per_block;
    let last = min(first + p.rows_per_block, p.all_rows);
    var products = Channels(0.0);
    var sum = Channels(0.0);
    for (var row = first; row < last; row++) {
        let at = row / p.rows * 3u * p.groups + c / p.width;
        let inverse = inverseSqrt(stats[at + p.groups] + p.eps);
        let normal = ((x[row * channels + c] - stats[at]) - stats[at + 2u * p.groups]) * inverse;
        let g = gy[row * channels + c];
        products += g * normal;
        sum += g;
    }
    partial[block * 2u * channels + c] = products;
    partial[(block * 2u + 1u) * channels + c] = sum;
}
