// The second half of a pass of a radix sort: a thread moves a block of BLOCK keys, in order, to where their digits belong, so
// that equal keys keep their order. `offsets`, 64 digits × blocks, says where each block's keys of each digit go.
struct Params {
    n: u32,
    blocks: u32,
    shift: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> offsets: array<u32>;
@group(0) @binding(4) var<storage, read_write> sorted_keys: array<u32>;
@group(0) @binding(5) var<storage, read_write> sorted_order: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let block = flat_index(id, groups);
    if block >= params.blocks {
        return;
    }
    var next: array<u32, 64>;
    for (var d = 0u; d < 64u; d++) {
        next[d] = offsets[d * params.blocks + block];
    }
    let last = min(block * BLOCK + BLOCK, params.n);
    for (var k = block * BLOCK; k < last; k++) {
        let key = keys[k];
        let digit = (key >> params.shift) & 63u;
        let to = next[digit];
        next[digit] = to + 1u;
        sorted_keys[to] = key;
        sorted_order[to] = order[k];
    }
}
