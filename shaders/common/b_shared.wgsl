// As common/b_alone, but a subgroup of SUBGROUP lanes has the same columns: each lane reads a part of what their tiles need of b, and all
// get it from there. From the prelude: SUBGROUP, a power of two, four at least; the lanes of a subgroup follow each other.

// The strip of rows and the tile of columns of a lane; the lanes of a subgroup have neighbouring rows.
fn tile_of(tiles: u32) -> vec2<u32> {
    let subgroup = invocation / SUBGROUP;
    return vec2(subgroup / tiles * SUBGROUP + invocation % SUBGROUP, subgroup % tiles);
}

// How many neighbouring strips have the same columns.
const TOGETHER: u32 = SUBGROUP;

// Vectors from `first` on: as many as the subgroup has lanes.
fn load_part(first: u32, place: vec3<u32>) {
    let mine = b_vector(min(first + invocation % SUBGROUP, 4u * Q - 1u), place);
    for (var i = 0u; i < min(SUBGROUP, 4u * Q - first); i++) {
        bs[first + i] = subgroupShuffle(mine, i);
    }
}

// In calls with constant arguments, since compilers unroll only short loops.
fn load_b(place: vec3<u32>) {
    load_part(0u, place);
    if (4u * Q > SUBGROUP) {
        load_part(SUBGROUP, place);
    }
    if (4u * Q > 2u * SUBGROUP) {
        load_part(2u * SUBGROUP, place);
    }
    if (4u * Q > 3u * SUBGROUP) {
        load_part(3u * SUBGROUP, place);
    }
}
