// The sum of all counts before each: within a chunk of CHUNK from that of its chunk, `bases`.
struct Params {
    n: u32,
    chunks: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read> bases: array<u32>;
@group(0) @binding(3) var<storage, read_write> before: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let chunk = flat_index(id, groups);
    if chunk >= params.chunks {
        return;
    }
    let last = min(chunk * CHUNK + CHUNK, params.n);
    var sum = bases[chunk];
    for (var k = chunk * CHUNK; k < last; k++) {
        before[k] = sum;
        sum += counts[k];
    }
}
