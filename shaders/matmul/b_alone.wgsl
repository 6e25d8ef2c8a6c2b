// Each lane reads by itself what its tile needs of b.

// The strip of rows and the tile of columns of a lane; neighbours have neighbouring columns.
fn tile_of(tiles: u32) -> vec2<u32> {
    return vec2(invocation / tiles, invocation % tiles);
}

fn strips_of_product() -> u32 {
    return ceil_div(params.m, P);
}

fn load_b(k: u32, column: u32, last: u32) {
    for (var i = 0u; i < 4u * Q; i++) {
        bs[i] = b_vector(i, k, column, last);
    }
}
