// What a workgroup of LANES_M × LANES_N lanes fetches of A (LANES_M R rows) and B (LANES_N G groups of four columns) into registers, TILE_K deep:
// of each lane a few blocks of 4×4 elements, as the loaders (a_*, b_*) make them of the operands.
const WG: u32 = LANES_M * LANES_N;
const K4: u32 = TILE_K / 4u;
const TILE_M: u32 = LANES_M * R;
// Groups of four columns.
const TILE_N4: u32 = LANES_N * G;
// Blocks of 4×4 elements, and how many of them a lane fetches.
const A_BLOCKS: u32 = TILE_M / 4u * K4;
const B_BLOCKS: u32 = K4 * TILE_N4;
const A_SLOTS: u32 = (A_BLOCKS + WG - 1u) / WG;
const B_SLOTS: u32 = (B_BLOCKS + WG - 1u) / WG;

var<private> a_next: array<mat4x4<f32>, A_SLOTS>;
var<private> b_next: array<mat4x4<f32>, B_SLOTS>;

fn ceil_div(a: u32, b: u32) -> u32 {
    return (a + b - 1u) / b;
}

// `v` with its elements from `count` on set to zero.
fn first_of_four(v: vec4<f32>, count: u32) -> vec4<f32> {
    return select(vec4(0.0), v, vec4(0u, 1u, 2u, 3u) < vec4(count));
}

// The lane's blocks of the tiles that begin at inner index `k`.
fn fetch(lane: u32, row: u32, column: u32, k: u32) {
    for (var slot = 0u; slot < A_SLOTS; slot++) {
        let block = lane + slot * WG;
        if (block < A_BLOCKS) {
            a_next[slot] = a_block(slot, row + block / K4 * 4u, k + block % K4 * 4u);
        }
    }
    for (var slot = 0u; slot < B_SLOTS; slot++) {
        let block = lane + slot * WG;
        if (block < B_BLOCKS) {
            b_next[slot] = b_block(k + block / TILE_N4 * 4u, column + block % TILE_N4 * 4u);
        }
    }
}
