// Each lane reads by itself what its tile needs of b. A kernel has `bs`, 4Q vectors; `b_vector`, which reads one of those that belong to a
// place; and `invocation`, the lane's number in the whole grid.

// The strip of rows and the tile of columns of a lane; neighbours have neighbouring columns.
fn tile_of(tiles: u32) -> vec2<u32> {
    return vec2(invocation / tiles, invocation % tiles);
}

// How many neighbouring strips have the same columns.
const TOGETHER: u32 = 1u;

fn load_b(place: vec3<u32>) {
    for (var i = 0u; i < 4u * Q; i++) {
        bs[i] = b_vector(i, place);
    }
}
