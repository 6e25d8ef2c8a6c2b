// a is stored as k×m: a vector is one inner index of four rows.

// The first row of a strip.
fn row_of_strip(strip: u32) -> u32 {
    return strip * P;
}

// Row p of a strip: four are read together.
fn row_at(row: u32, p: u32) -> u32 {
    return row + p;
}

fn load_a(row: u32, first: u32, rows: u32, k: u32) {
    let from_row = min(row + first, (params.m - 1u) / 4u * 4u);
    for (var i = 0u; i < K_LOADS; i++) {
        if (K_TAIL) {
            let v = a4(element(a_first, min(k + i, params.k - 1u), from_row, params.m));
            from_a[i] = select(vec4(0.0), v, k + i < params.k);
        } else {
            from_a[i] = a4(element(a_first, k + i, from_row, params.m));
        }
    }
}

// Row p of those that were loaded, inner index i.
fn a_of(p: u32, i: u32) -> f32 {
    return from_a[i][p];
}
