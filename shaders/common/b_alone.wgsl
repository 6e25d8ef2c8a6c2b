// Each lane reads by itself what its tile needs of b. A kernel has `bs`, 4Q vectors; `b_vector`, which reads one of those that belong to a
// place; `invocation`, the lane's number in the whole grid; and P, the rows of a lane's tile.

// The strip of rows and the tile of columns of a lane; neighbours have neighbouring columns.
fn tile_of(tiles: u32) -> vec2<u32> {
    return vec2(invocation / tiles, invocation % tiles);
}

// How many strips go to so many rows.
fn strips_of(rows: u32) -> u32 {
    return ceil_div(rows, P);
}

fn load_b(place: vec3<u32>) {
    for (var i = 0u; i < 4u * Q; i++) {
        bs[i] = b_vector(i, place);
    }
}
