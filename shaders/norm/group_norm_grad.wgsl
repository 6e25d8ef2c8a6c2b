// The gradient with respect to the input (as Ioffe and Szegedy 2015, §3, rearranged):
// gx = rsqrt(variance + eps)·(g − Σg/n − x̂·Σ(g·x̂)/n), g = gy·scale, the sums over the n elements of each group of a
// batch: batches × 2 × groups. Threads and ROWS_ALONE as in group_norm.wgsl.
struct Params {
    threads: u32,
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
@group(0) @binding(4) var<storage, read> affine: array<Channels>;
@group(0) @binding(5) var<storage, read> sums: array<Stat>;
@group(0) @binding(6) var<storage, read_write> gx: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= p.threads { return; }
    let channels = p.groups * p.width;
    let c = i % channels;
    let block = i / channels;
    let batch = select(block / p.blocks, block * p.rows_per_block, ROWS_ALONE);
    let first = select(batch * p.rows + block % p.blocks * p.rows_per_block, batch, ROWS_ALONE);
    let end = select((batch + 1u) * p.rows, p.all_rows, ROWS_ALONE);
    let last = min(first + p.rows_per_block, end);
    let scale = affine[c];
    let n = f32(p.rows * p.width) * PER_UNIT;
    var at = batch * 3u * p.groups + c / p.width;
    var pair = batch * 2u * p.groups + c / p.width;
    var mean = stats[at];
    var rounding = stats[at + 2u * p.groups];
    var inverse = inverseSqrt(stats[at + p.groups] + p.eps);
    var slope = sums[pair] / n;
    var level = sums[pair + p.groups] / n;
    for (var row = first; row < last; row++) {
        if ROWS_ALONE && row > first {
            at += 3u * p.groups;
            pair += 2u * p.groups;
            mean = stats[at];
            rounding = stats[at + 2u * p.groups];
            inverse = inverseSqrt(stats[at + p.groups] + p.eps);
            slope = sums[pair] / n;
            level = sums[pair + p.groups] / n;
        }
        let normal = ((x[row * channels + c] - mean) - rounding) * inverse;
        gx[row * channels + c] = (gy[row * channels + c] * scale - level - normal * slope) * inverse;
    }
}
