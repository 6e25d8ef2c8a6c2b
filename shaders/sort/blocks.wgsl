// Sorts every block of BLOCK elements along the middle axis of x seen as outer × length × inner, and keeps the first
// `kept` of each: a thread counts how many elements of its block come before its own, which is where its key and its
// place go. Equal keys keep their order.
struct Params {
    total: u32,
    length: u32,
    inner: u32,
    blocks: u32,
    kept: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> keys: array<u32>;
@group(0) @binding(3) var<storage, read_write> places: array<u32>;

// A number that orders as the element does. Of f32 bits: zeros of both signs are equal, and so are all NaNs, which come
// after infinity; nothing depends on how the device compares or flushes floats.
fn key(word: u32) -> u32 {
    var number = word;
    if FLOAT {
        let magnitude = word & 0x7fffffffu;
        number = select(word | 0x80000000u, ~word, magnitude != word);
        if magnitude == 0u {
            number = 0x80000000u;
        }
        if magnitude > 0x7f800000u {
            number = 0xffffffffu;
        }
    }
    return select(number, ~number, DESCENDING);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let at = (i / params.inner) % params.length;
    let first = at / BLOCK * BLOCK;
    let last = min(first + BLOCK, params.length);
    let start = i - (at - first) * params.inner;
    let own = key(x[i]);
    var rank = 0u;
    for (var r = first; r < last; r++) {
        let other = key(x[start + (r - first) * params.inner]);
        if other < own || (other == own && r < at) {
            rank++;
        }
    }
    if rank < params.kept {
        let line = i / (params.inner * params.length);
        let to = ((line * params.blocks + at / BLOCK) * params.kept + rank) * params.inner + i % params.inner;
        keys[to] = own;
        places[to] = at;
    }
}
