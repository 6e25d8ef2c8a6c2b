// The gradient of scale and shift by blocks of rows: Σ gy·x̂ and Σ gy of each channel. partial is
// blocks × 2 × channels; a batch is `rows` rows, of which there are `all_rows`. A thread takes a span of units of a block.
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

// Which group unit `c` of a row is in.
fn group_of(c: u32) -> u32 {
    if ONE_GROUP { return 0u; }
    return c / p.width;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    let channels = p.groups * p.width;
    let threads = channels / SPAN;
    if i >= p.blocks * threads { return; }
    let start = span_start(i % threads);
    let block = i / threads;
    let first = block * p.rows_per_block;
    let last = min(first + p.rows_per_block, p.all_rows);
    var products: array<Channels, SPAN>;
    var sum: array<Channels, SPAN>;
    for (var row = first; row < last; row++) {
        for (var k = 0u; k < SPAN; k++) {
            let c = start + k * RUN;
            let at = row / p.rows * 3u * p.groups + group_of(c);
            let inverse = inverseSqrt(stats[at + p.groups] + p.eps);
            let normal = ((x[row * channels + c] - stats[at]) - stats[at + 2u * p.groups]) * inverse;
            let g = gy[row * channels + c];
            products[k] += g * normal;
            sum[k] += g;
        }
    }
    for (var k = 0u; k < SPAN; k++) {
        let to = block * 2u * channels + start + k * RUN;
        partial[to] = products[k];
        partial[to + channels] = sum[k];
    }
}
