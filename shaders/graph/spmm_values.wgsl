// y = A·x for every matrix x of a batch, N×V×C to N×R×C. Where A has entries is constant: row by row, each entry's
// column and its place in values, of which every matrix of the batch has its own values_stride further on. A thread
// sums one row's entries in order for one channel or a quad of them.
struct Params {
    total: u32,
    rows: u32,
    nodes: u32,
    c: u32,
    values_stride: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> row_ptr: array<u32>;
@group(0) @binding(2) var<storage, read> entries: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> x: array<Channels>;
@group(0) @binding(5) var<storage, read_write> y: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = i % params.c;
    let rest = i / params.c;
    let row = rest % params.rows;
    let n = rest / params.rows;
    let last = row_ptr[row + 1u];
    var sum = Channels();
    for (var k = row_ptr[row]; k < last; k++) {
        let entry = entries[k];
        sum += values[n * params.values_stride + entry.y] * x[(n * params.nodes + entry.x) * params.c + c];
    }
    y[i] = sum;
}
