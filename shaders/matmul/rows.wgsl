// How rows lie in the arrays of a product. From the prelude: INTERLEAVED, rows of a batch's products beside each other.

// From a row of so many columns to the next.
fn row_stride(columns: u32) -> u32 {
    if (INTERLEAVED) {
        return columns * params.batch;
    }
    return columns;
}

fn ceil_div(a: u32, b: u32) -> u32 {
    return (a + b - 1u) / b;
}
