// A product of two matrices, or `batch` of them one after the other.
struct Params {
    m: u32,
    n: u32,
    k: u32,
    batch: u32,
    k_per_split: u32,
    y_rows: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

// Where a workgroup's product begins in each operand.
var<private> a_first: u32;
var<private> b_first: u32;

fn begin(product: u32) {
    a_first = product * params.m * params.k;
    b_first = product * params.k * params.n;
}

fn a_begin(slot: u32, row: u32) {
}

fn result_row(row: u32) -> u32 {
    return row;
}
