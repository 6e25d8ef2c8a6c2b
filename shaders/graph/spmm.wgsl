// y = alpha · A·x (+ beta · z) for every matrix x of a batch, N×V×C to N×R×C. A has constant compressed rows, whose
// entries come in pairs: column, value, column, value.
// A thread sums one row's entries in order, so the result has the same bits on every run, for PER neighbouring channels
// (or quads of them): a row's entries are then read once for all.
struct Params {
    total: u32,
    rows: u32,
    nodes: u32,
    c: u32,
    parts: u32, // threads that share a row
    alpha: f32,
    beta: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> row_ptr: array<u32>;
@group(0) @binding(2) var<storage, read> pairs: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<Channels>;
@group(0) @binding(4) var<storage, read> z: array<Channels>;
@group(0) @binding(5) var<storage, read_write> y: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = (i % params.parts) * PER;
    let rest = i / params.parts;
    let row = rest % params.rows;
    let first = (rest / params.rows) * params.nodes;
    let last = row_ptr[row + 1u];
    var sums: array<Channels, PER>;
    for (var i = row_ptr[row]; i < last; i++) {
        let pair = pairs[i];
        let one = (first + u32(pair.x)) * params.c + c;
        let two = (first + u32(pair.z)) * params.c + c;
        for (var k = 0u; k < PER; k++) {
            sums[k] += pair.y * x[one + k] + pair.w * x[two + k];
        }
    }
    let to = rest * params.c + c;
    for (var k = 0u; k < PER; k++) {
        var sum = params.alpha * sums[k];
        if WITH_Z {
            sum += params.beta * z[to + k];
        }
        y[to + k] = sum;
    }
}
