// Mean and squared deviation of each channel over blocks of rows: partial is blocks × 2 × channels. Sums are of
// differences from the block's first row, so that a large mean costs no digits. A thread takes a span of channels (or
// of four each). With ONLY there is one block, and its squared deviation becomes the variance.
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
    let threads = p.channels / SPAN;
    if i >= p.blocks * threads { return; }
    let start = span_start(i % threads);
    let block = i / threads;
    let first = block * p.rows_per_block;
    let last = min(first + p.rows_per_block, p.rows);
    var origin: array<Channels, SPAN>;
    var sum: array<Channels, SPAN>;
    var squares: array<Channels, SPAN>;
    for (var k = 0u; k < SPAN; k++) {
        origin[k] = x[first * p.channels + start + k * RUN];
    }
    for (var row = first; row < last; row++) {
        for (var k = 0u; k < SPAN; k++) {
            let d = x[row * p.channels + start + k * RUN] - origin[k];
            sum[k] += d;
            squares[k] += d * d;
        }
    }
    let n = f32(last - first);
    for (var k = 0u; k < SPAN; k++) {
        let to = block * 2u * p.channels + start + k * RUN;
        partial[to] = origin[k] + sum[k] / n;
        let deviation = squares[k] - sum[k] * sum[k] / n;
        partial[to + p.channels] = select(deviation, deviation / n, ONLY);
    }
}
