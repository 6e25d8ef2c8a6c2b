// a is stored as k×m: a vector is one inner index of four rows.

// The length of a row of what is stored.
fn a_columns() -> u32 {
    return params.m;
}

fn load_a(row: u32, rows: u32, k: u32) {
    let from_row = min(row, (params.m - 1u) / 4u * 4u);
    for (var i = 0u; i < K_LOADS; i++) {
        if (K_TAIL) {
            let v = a4(a_first + min(k + i, params.k - 1u) * row_stride(params.m) + from_row);
            from_a[i] = select(vec4(0.0), v, k + i < params.k);
        } else {
            from_a[i] = a4(a_first + (k + i) * row_stride(params.m) + from_row);
        }
    }
}

// Row p of those that were loaded, inner index i.
fn a_of(p: u32, i: u32) -> f32 {
    return from_a[i][p];
}
