// y = (x − mean)·rsqrt(variance + eps)·scale + shift, the statistics of each group of a batch (mean, variance, the mean's
// rounding: batches × 3 × groups), scale and shift of each channel. A thread makes a unit.
struct Params {
    total: u32,
    rows: u32,
    groups: u32,
    width: u32,
    eps: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read> stats: array<Stat>;
@group(0) @binding(3) var<storage, read> affine: array<Channels>;
@group(0) @binding(4) var<storage, read_write> y: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= p.total { return; }
    let channels = p.groups * p.width;
    let c = i % channels;
    let at = i / (channels * p.rows) * 3u * p.groups + c / p.width;
    let inverse = inverseSqrt(stats[at + p.groups] + p.eps);
    let d = (x[i] - stats[at]) - stats[at + 2u * p.groups];
    y[i] = d * inverse * affine[c] + affine[channels + c];
}
