// gx of gathering: gx[n, v] is the sum of gy[n, r] over the rows r that were taken from v, in ascending order. They are
// listed from readers_ptr[v] to readers_ptr[v + 1] of readers.
struct Params {
    total: u32,
    rows: u32,
    nodes: u32,
    c: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> readers_ptr: array<u32>;
@group(0) @binding(2) var<storage, read> readers: array<u32>;
@group(0) @binding(3) var<storage, read> gy: array<Channels>;
@group(0) @binding(4) var<storage, read_write> gx: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = i % params.c;
    let rest = i / params.c;
    let node = rest % params.nodes;
    let first = (rest / params.nodes) * params.rows;
    let last = readers_ptr[node + 1u];
    var sum = Channels();
    for (var k = readers_ptr[node]; k < last; k++) {
        sum += gy[(first + readers[k]) * params.c + c];
    }
    gx[i] = sum;
}
