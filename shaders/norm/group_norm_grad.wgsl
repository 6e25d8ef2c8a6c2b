// The gradient with respect to the input (as Ioffe and Szegedy 2015, §3, rearranged):
// gx = rsqrt(variance + eps)·(g − Σg/n − x̂·Σ(g·x̂)/n), g = gy·scale, the sums over the n elements of each group of a
// batch: batches × 2 × groups. A thread makes a unit.
struct Params {
    total: u32,
    rows: u32,
    groups: u32,
    width: u32,
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
    if i >= p.total { return; }
    let channels = p.groups * p.width;
    let c = i % channels;
    let batch = i / (channels * p.rows);
    let group = c / p.width;
    let at = batch * 3u * p.groups + group;
    let inverse = inverseSqrt(stats[at + p.groups] + p.eps);
    let normal = ((x[i] - stats[at]) - stats[at + 2u * p.groups]) * inverse;
    let n = f32(p.rows * p.width) * PER_UNIT;
    let slope = sums[batch * 2u * p.groups + group] / n;
    let level = sums[(batch * 2u + 1u) * p.groups + group] / n;
    gx[i] = (gy[i] * affine[c] - level - normal * slope) * inverse;
}
