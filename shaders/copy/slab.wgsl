// Fills columns y_first .. y_first + columns of every row of y: zero, but for the columns lead .. lead + width of them,
// which are columns x_first .. x_first + width of x. Copies bits, so it serves every element type. A thread fills RUN
// columns, one to four.
struct Params {
    rows: u32,
    columns: u32,
    lead: u32,
    width: u32,
    x_first: u32,
    x_stride: u32,
    y_first: u32,
    y_stride: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Words>;
@group(0) @binding(2) var<storage, read_write> y: array<Words>;

fn fill(row: u32, column: u32) {
    if column >= params.columns {
        return;
    }
    var value = Words();
    // Columns before `lead` wrap to numbers beyond any width.
    let source = column - params.lead;
    if source < params.width {
        value = x[row * params.x_stride + params.x_first + source];
    }
    y[row * params.y_stride + params.y_first + column] = value;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let runs = (params.columns + RUN - 1u) / RUN;
    let i = flat_index(id, groups);
    let row = i / runs;
    if row >= params.rows {
        return;
    }
    let first = (i % runs) * RUN;
    fill(row, first);
    if RUN > 1u {
        fill(row, first + 1u);
    }
    if RUN > 2u {
        fill(row, first + 2u);
    }
    if RUN > 3u {
        fill(row, first + 3u);
    }
}
