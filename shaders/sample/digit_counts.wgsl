// The first half of a pass of a radix sort: a thread counts the digits of a block of BLOCK keys. `table` is
// 64 digits × blocks.
struct Params {
    n: u32,
    blocks: u32,
    shift: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> table: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let block = flat_index(id, groups);
    if block >= params.blocks {
        return;
    }
    var counts: array<u32, 64>;
    for (var d = 0u; d < 64u; d++) {
        counts[d] = 0u;
    }
    let last = min(block * BLOCK + BLOCK, params.n);
    for (var k = block * BLOCK; k < last; k++) {
        counts[(keys[k] >> params.shift) & 63u] += 1u;
    }
    for (var d = 0u; d < 64u; d++) {
        table[d * params.blocks + block] = counts[d];
    }
}
