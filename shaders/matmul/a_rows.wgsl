// a is stored as m×k: a vector is four elements of a row.

// The first row of a strip. Strips that belong together have rows in turn, so that what they read and write lies together.
fn row_of_strip(strip: u32) -> u32 {
    return strip / TOGETHER * TOGETHER * P + strip % TOGETHER;
}

// Row p of a strip.
fn row_at(row: u32, p: u32) -> u32 {
    return row + p * TOGETHER;
}

fn load_a(row: u32, first: u32, rows: u32, k: u32) {
    for (var p = 0u; p < rows; p++) {
        let v = a4(element(a_first, min(row_at(row, first + p), params.m - 1u), k, params.k + A_GAP));
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
