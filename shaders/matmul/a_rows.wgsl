// a is stored as m×k: a vector is four elements of a row.

// The length of a row of a.
fn a_columns() -> u32 {
    return params.k;
}

fn load_a(row: u32, rows: u32, k: u32) {
    for (var p = 0u; p < rows; p++) {
        let v = a4(a_first + min(row + p, params.m - 1u) * row_stride(params.k) + k);
        if (K_TAIL) {
            from_a[p] = first_of_four(v, params.k - k);
        } else {
            from_a[p] = v;
        }
    }
}

// Row p of those that were loaded, inner index i.
fn a_of(p: u32, i: u32) -> f32 {
    return from_a[p][i];
}
