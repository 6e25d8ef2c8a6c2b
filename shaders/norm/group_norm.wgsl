// y = (x − mean)·rsqrt(variance + eps)·scale + shift, the statistics of each group of a batch (mean, variance, the mean's
// rounding: batches × 3 × groups), scale and shift of each channel. A thread takes a span of units of a block of rows, of
// which a batch has `blocks`; with ROWS_ALONE from the prelude each row is a batch, and blocks go through all of them; with ONE_GROUP
// there is one group.
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
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read> stats: array<Stat>;
@group(0) @binding(3) var<storage, read> affine: array<Channels>;
@group(0) @binding(4) var<storage, read_write> y: array<Channels>;

// How many units of the span may be in groups of their own.
const OWN: u32 = select(SPAN, 1u, ONE_GROUP);

struct Statistics {
    mean: array<Stat, OWN>,
    rounding: array<Stat, OWN>,
    inverse: array<Stat, OWN>,
}

// Of the span's units in a batch.
fn statistics(batch: u32, start: u32) -> Statistics {
    var s: Statistics;
    for (var k = 0u; k < OWN; k++) {
        let at = batch * 3u * p.groups + (start + k * RUN) / p.width;
        s.mean[k] = stats[at];
        s.rounding[k] = stats[at + 2u * p.groups];
        s.inverse[k] = inverseSqrt(stats[at + p.groups] + p.eps);
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
    var shift: array<Channels, SPAN>;
    for (var k = 0u; k < SPAN; k++) {
        scale[k] = affine[start + k * RUN];
        shift[k] = affine[channels + start + k * RUN];
    }
    var s = statistics(batch, start);
    for (var row = first; row < last; row++) {
        if ROWS_ALONE {
            s = statistics(row, start);
        }
        for (var k = 0u; k < SPAN; k++) {
            let at = row * channels + start + k * RUN;
            let own = min(k, OWN - 1u);
            y[at] = ((x[at] - s.mean[own]) - s.rounding[own]) * s.inverse[own] * scale[k] + shift[k];
        }
    }
}
