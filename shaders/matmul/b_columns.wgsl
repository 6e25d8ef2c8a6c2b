// b is stored as n×k: a vector is four inner elements of a column.

// Vector i of the tile that begins at an inner index and a column.
fn b_vector(i: u32, place: vec3<u32>) -> vec4<f32> {
    let v = b4(element(b_first, min(place.y + i, params.n - 1u), place.x, params.k + B_GAP));
    if (K_TAIL) {
        return first_of_four(v, params.k - place.x);
    }
    return v;
}

// Turns the four columns of each group, so that a vector holds one inner index.
fn arrange_b() {
    for (var q = 0u; q < Q; q++) {
        let t = transpose(mat4x4(bs[4u * q], bs[4u * q + 1u], bs[4u * q + 2u], bs[4u * q + 3u]));
        for (var j = 0u; j < 4u; j++) {
            bs[4u * q + j] = t[j];
        }
    }
}
