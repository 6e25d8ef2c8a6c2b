// A product of two matrices, or `batch` of them one after the other; with INTERLEAVED each row of one beside the same row of the
// others: rows × batch × columns.
struct Params {
    m: u32,
    n: u32,
    k: u32,
    batch: u32,
    k_per_split: u32,
    y_rows: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

// Which of the products is a workgroup's.
var<private> product: u32;

fn begin(which: u32) {
    product = which;
}

// Where row `row` of a product's operand begins, of so many rows and columns.
fn row_of(row: u32, rows: u32, columns: u32) -> u32 {
    if (INTERLEAVED) {
        return (row * params.batch + product) * columns;
    }
    return (product * rows + row) * columns;
}

fn a_begin(slot: u32, row: u32) {
}

fn result_row(row: u32) -> u32 {
    return row;
}

// Where row `row` of the result begins, in the part that is the sum `split`.
fn result_begin(split: u32, row: u32) -> u32 {
    return split * params.batch * params.y_rows * params.n + row_of(row, params.y_rows, params.n);
}
