// Mean, squared deviation from it and the mean's own rounding, of each group over chunks of its units. x is
// batches × rows × groups × width units, a group spans rows and width; partial is batches × chunks × 3 × groups. Sums
// are of differences, first from the chunk's first element, then from the mean: a large mean costs no digits. With
// FINAL from the prelude there is one chunk and the squared deviation becomes the variance.
struct Params {
    batches: u32,
    rows: u32,
    groups: u32,
    width: u32,
    chunk: u32,
    chunks: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read_write> partial: array<Stat>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= p.batches * p.chunks * p.groups { return; }
    let group = i % p.groups;
    let chunk = i / p.groups % p.chunks;
    let batch = i / (p.groups * p.chunks);
    let first = chunk * p.chunk;
    let units = min(p.chunk, p.rows * p.width - first);
    // From the end of a row of the group to its next.
    let skip = (p.groups - 1u) * p.width;
    let start = ((batch * p.rows + first / p.width) * p.groups + group) * p.width + first % p.width;
    let origin = one_of(x[start]);
    var sum = Channels(0.0);
    var at = start;
    var column = first % p.width;
    for (var unit = 0u; unit < units; unit++) {
        sum += x[at] - origin;
        at++;
        column++;
        if column == p.width {
            column = 0u;
            at += skip;
        }
    }
    let n = f32(units) * PER_UNIT;
    let mean = origin + fold(sum) / n;
    var rest = Channels(0.0);
    var squares = Channels(0.0);
    at = start;
    column = first % p.width;
    for (var unit = 0u; unit < units; unit++) {
        let d = x[at] - mean;
        rest += d;
        squares += d * d;
        at++;
        column++;
        if column == p.width {
            column = 0u;
            at += skip;
        }
    }
    let rounding = fold(rest) / n;
    let deviation = max(fold(squares) - n * rounding * rounding, Stat(0.0));
    let to = (batch * p.chunks + chunk) * 3u * p.groups + group;
    partial[to] = mean;
    partial[to + p.groups] = select(deviation, deviation / n, FINAL);
    partial[to + 2u * p.groups] = rounding;
}
