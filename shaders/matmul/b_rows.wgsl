// b is stored as k×n: a vector is four columns of a row.

// Vector i of the tile that begins at an inner index and a column.
fn b_vector(i: u32, place: vec3<u32>) -> vec4<f32> {
    let column = min(place.y + (i & 0xfffffffcu), last_column());
    var row = place.x + (i & 3u);
    if (K_TAIL) {
        row = min(row, params.k - 1u);
    }
    return b4(element(b_first, row, column, params.n));
}

// Each vector holds one inner index of four columns as it is.
fn arrange_b() {}
