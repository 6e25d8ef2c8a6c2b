// y = alpha · A·x (+ beta · z) for every matrix x of a batch, N×V×C to N×R×C. A has constant compressed rows (CSR).
// A thread sums one row's entries in order, so the result has the same bits on every run.
struct Params {
    total: u32,
    rows: u32,
    nodes: u32,
    c: u32,
    alpha: f32,
    beta: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> row_ptr: array<u32>;
@group(0) @binding(2) var<storage, read> col: array<u32>;
@group(0) @binding(3) var<storage, read> val: array<f32>;
@group(0) @binding(4) var<storage, read> x: array<Channels>;
@group(0) @binding(5) var<storage, read> z: array<Channels>;
@group(0) @binding(6) var<storage, read_write> y: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = i % params.c;
    let rest = i / params.c;
    let row = rest % params.rows;
    let first = (rest / params.rows) * params.nodes;
    let last_entry = row_ptr[row + 1u];
    var sum = Channels();
    for (var entry = row_ptr[row]; entry < last_entry; entry++) {
        sum += val[entry] * x[(first + col[entry]) * params.c + c];
    }
    sum *= params.alpha;
    if WITH_Z {
        sum += params.beta * z[i];
    }
    y[i] = sum;
}
