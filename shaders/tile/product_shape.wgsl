// A product of two matrices, or `batch` of them one after the other; with INTERLEAVED the matrices beside each other (common/interleaved).
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

// Where element (row, column) of a product's operand lies, of so many rows and columns.
fn element_of(row: u32, column: u32, rows: u32, columns: u32) -> u32 {
    if (INTERLEAVED) {
        return interleaved(product, params.batch, row, column, columns);
    }
    return (product * rows + row) * columns + column;
}

fn a_begin(slot: u32, row: u32) {
}

fn result_row(row: u32) -> u32 {
    return row;
}

// Where element (row, column) of the result lies, in the part that is the sum `split`.
fn result_element(split: u32, row: u32, column: u32) -> u32 {
    let matrices = select(params.batch, interleaved_room(params.batch), INTERLEAVED);
    return split * matrices * params.y_rows * params.n + element_of(row, column, params.y_rows, params.n);
}
