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

// How many units of the span may be in groups of their own.
const OWN: u32 = select(SPAN, 1u, ONE_GROUP);

struct Statistics {
    mean: array<Stat, OWN>,
    rounding: array<Stat, OWN>,
    inverse: array<Stat, OWN>,
    slope: array<Stat, OWN>,
    level: array<Stat, OWN>,
}

// Of the span's units in a batch.
fn statistics(batch: u32, start: u32) -> Statistics {
    let n = f32(p.rows * p.width) * PER_UNIT;
    var s: Statistics;
    for (var k = 0u; k < OWN; k++) {
        let group = (start + k * RUN) / p.width;
        let at = batch * 3u * p.groups + group;
        s.mean[k] = stats[at];
        s.rounding[k] = stats[at + 2u * p.groups];
        s.inverse[k] = inverseSqrt(stats[at + p.groups] + p.eps);
        let pair = batch * 2u * p.groups + group;
        s.slope[k] = sums[pair] / n;
        s.level[k] = sums[pair + p.groups] / n;
    }
    return s;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= p.threads { return; }
    let channels = p.groups * p.width;
    let threads = channels / SPAN;
    let start = span_start(i % threads);
    let block = i / threads;
    let batch = select(block / p.blocks, block * p.rows_per_block, ROWS_ALONE);
    let first = select(batch * p.rows + block % p.blocks * p.rows_per_block, batch, ROWS_ALONE);
    let end = select((batch + 1u) * p.rows, p.all_rows, ROWS_ALONE);
    let last = min(first + p.rows_per_block, end);
    var scale: array<Channels, SPAN>;
    for (var k = 0u; k < SPAN; k++) {
        scale[k] = affine[start + k * RUN];
    }
    var s = statistics(batch, start);
    for (var row = first; row < last; row++) {
        if ROWS_ALONE {
            s = statistics(row, start);
        }
        for (var k = 0u; k < SPAN; k++) {
            let at = row * channels + start + k * RUN;
            let own = min(k, OWN - 1u);
            let normal = ((x[at] - s.mean[own]) - s.rounding[own]) * s.inverse[own];
            gx[at] = (gy[at] * scale[k] - s.level[own] - normal * s.slope[own]) * s.inverse[own];
        }
    }
}
