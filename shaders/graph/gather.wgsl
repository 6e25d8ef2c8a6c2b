// y[n, r] = x[n, index[r]] for every matrix of a batch, N×V×C to N×R×C.
struct Params {
    total: u32,
    rows: u32,
    nodes: u32,
    c: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<Channels>;
@group(0) @binding(3) var<storage, read_write> y: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let rest = i / params.c;
    let source = (rest / params.rows) * params.nodes + index[rest % params.rows];
    y[i] = x[source * params.c + i % params.c];
}
