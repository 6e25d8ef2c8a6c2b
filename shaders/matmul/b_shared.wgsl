// A subgroup of SUBGROUP lanes has the same columns: each lane reads a part of what their tiles need of b, and all get it from there.
// From the prelude: SUBGROUP, a power of two; the lanes of a subgroup follow each other.
const SLOTS: u32 = (4u * Q + SUBGROUP - 1u) / SUBGROUP;

// The strip of rows and the tile of columns of a lane; the lanes of a subgroup have neighbouring rows.
fn tile_of(tiles: u32) -> vec2<u32> {
    let subgroup = invocation / SUBGROUP;
    return vec2(subgroup / tiles * SUBGROUP + invocation % SUBGROUP, subgroup % tiles);
}

// No subgroup has rows of two products.
fn strips_of_product() -> u32 {
    return ceil_div(params.m, P * SUBGROUP) * SUBGROUP;
}

fn load_b(k: u32, column: u32, last: u32) {
    for (var slot = 0u; slot < SLOTS; slot++) {
        let first = slot * SUBGROUP;
        let mine = b_vector(min(first + invocation % SUBGROUP, 4u * Q - 1u), k, column, last);
        for (var i = first; i < min(first + SUBGROUP, 4u * Q); i++) {
            bs[i] = subgroupShuffle(mine, i - first);
        }
    }
}
