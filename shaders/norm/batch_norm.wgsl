// y = (x − mean)·rsqrt(variance + eps)·scale + shift, then ReLU if asked; x is rows × channels, stats is mean then
// variance, affine is scale then shift. A thread takes a span of channels (or of four each) of a block of rows.
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
    let threads = p.channels / SPAN;
    if i >= p.blocks * threads { return; }
    let start = span_start(i % threads);
    let first = i / threads * p.rows_per_block;
    let last = min(first + p.rows_per_block, p.rows);
    var mean: array<Channels, SPAN>;
    var scale: array<Channels, SPAN>;
    var shift: array<Channels, SPAN>;
    for (var k = 0u; k < SPAN; k++) {
        let c = start + k * RUN;
        mean[k] = stats[c];
        scale[k] = affine[c] * inverseSqrt(stats[p.channels + c] + p.eps);
        shift[k] = affine[p.channels + c];
    }
    for (var row = first; row < last; row++) {
        let at = row * p.channels + start;
        for (var k = 0u; k < SPAN; k++) {
            // The mean comes off first: where it is large, so would be the difference of two products.
            let v = (x[at + k * RUN] - mean[k]) * scale[k] + shift[k];
            y[at + k * RUN] = select(v, max(v, Channels(0.0)), RELU);
        }
    }
}
