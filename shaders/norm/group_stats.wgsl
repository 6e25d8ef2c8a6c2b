// Combines means and squared deviations of runs of chunks (Chan, Golub and LeVeque 1983, eq. 2.1), each of `span` units
// but the last: partial is batches × entries × 3 × groups, stats batches × runs × 3 × groups. With FINAL from the prelude
// there is one run and the squared deviation becomes the variance.
struct Params {
    batches: u32,
    groups: u32,
    entries: u32,
    span: u32,
    total: u32,
    run: u32,
    runs: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> partial: array<Stat>;
@group(0) @binding(2) var<storage, read_write> stats: array<Stat>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= p.batches * p.runs * p.groups { return; }
    let group = i % p.groups;
    let run = i / p.groups % p.runs;
    let batch = i / (p.groups * p.runs);
    let first = run * p.run;
    let last = min(first + p.run, p.entries);
    let start = batch * p.entries * 3u * p.groups + group;
    let origin = partial[start + first * 3u * p.groups];
    var n = 0.0;
    var sum = Stat(0.0);
    for (var entry = first; entry < last; entry++) {
        let at = start + entry * 3u * p.groups;
        let count = f32(min(p.span, p.total - entry * p.span)) * PER_UNIT;
        n += count;
        sum += count * ((partial[at] - origin) + partial[at + 2u * p.groups]);
    }
    let mean = origin + sum / n;
    var rest = Stat(0.0);
    var squares = Stat(0.0);
    for (var entry = first; entry < last; entry++) {
        let at = start + entry * 3u * p.groups;
        let count = f32(min(p.span, p.total - entry * p.span)) * PER_UNIT;
        let d = (partial[at] - mean) + partial[at + 2u * p.groups];
        rest += count * d;
        squares += partial[at + p.groups] + count * d * d;
    }
    let rounding = rest / n;
    let deviation = max(squares - n * rounding * rounding, Stat(0.0));
    let to = (batch * p.runs + run) * 3u * p.groups + group;
    stats[to] = mean;
    stats[to + p.groups] = select(deviation, deviation / n, FINAL);
    stats[to + 2u * p.groups] = rounding;
}
