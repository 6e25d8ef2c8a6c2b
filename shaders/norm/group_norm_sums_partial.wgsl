// The two sums over each group that the input's gradient needs, by chunks of its units: Σ g·x̂ and Σ g, where g is gy
// times the channel's scale and x̂ the normalised input. x is batches × rows × groups × width units; partial is
// batches × chunks × 2 × groups.
struct Params {
    batches: u32,
    rows: u32,
    groups: u32,
    width: u32,
    chunk: u32,
    chunks: u32,
    eps: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gy: array<Channels>;
@group(0) @binding(2) var<storage, read> x: array<Channels>;
@group(0) @binding(3) var<storage, read> stats: array<Stat>;
@group(0) @binding(4) var<storage, read> affine: array<Channels>;
@group(0) @binding(5) var<storage, read_write> partial: array<Stat>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= p.batches * p.chunks * p.groups { return; }
    let group = i % p.groups;
    let chunk = i / p.groups % p.chunks;
    let batch = i / (p.groups * p.chunks);
    let statistics = batch * 3u * p.groups + group;
    let mean = stats[statistics];
    let rounding = stats[statistics + 2u * p.groups];
    let inverse = inverseSqrt(stats[statistics + p.groups] + p.eps);
    let first = chunk * p.chunk;
    let units = min(p.chunk, p.rows * p.width - first);
    // From the end of a row of the group to its next.
    let skip = (p.groups - 1u) * p.width;
    var column = first % p.width;
    var at = ((batch * p.rows + first / p.width) * p.groups + group) * p.width + column;
    var products = Channels(0.0);
    var sum = Channels(0.0);
    for (var unit = 0u; unit < units; unit++) {
        let g = gy[at] * affine[group * p.width + column];
        products += g * (((x[at] - mean) - rounding) * inverse);
        sum += g;
        at++;
        column++;
        if column == p.width {
            column = 0u;
            at += skip;
        }
    }
    let to = (batch * p.chunks + chunk) * 2u * p.groups + group;
    partial[to] = fold(products);
    partial[to + p.groups] = fold(sum);
}
