// y = relu(norm(a·b + c) + d), y m×n, the inner extent k; either factor may be stored transposed (matmul/a_*.wgsl, matmul/b_rows and
// b_columns); c a row of n or access/c_none, d like y or access/d_none, the normalisation access/norm_*. With BATCHED there are `batch`
// products one after the other, with INTERLEAVED the matrices beside each other (common/interleaved). With SPLIT,
// y is a stack of partial sums, one for every `k_per_split` inner indices, to be added up by reduce/column_sum.
// A lane owns P rows and Q groups of four columns, in registers. From the prelude: WG lanes a workgroup, K_LOADS = min(k, 4),
// K_TAIL = (k % 4 != 0), and A_GAP and B_GAP elements behind each row of a factor that products go along.
struct Params {
    m: u32,
    n: u32,
    k: u32,
    // A multiple of four.
    k_per_split: u32,
    batch: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

// One sum for each of a lane's rows and groups.
var<private> acc: array<vec4<f32>, P * Q>;
// Of four rows of a, four inner indices: filled by load_a.
var<private> from_a: array<vec4<f32>, 4>;
// What b has for four inner indices of each group of columns: filled by load_b (common/b_alone, common/b_shared).
var<private> bs: array<vec4<f32>, 4u * Q>;
// The lane's number in the whole grid.
var<private> invocation: u32;
// Which of the products is a lane's, and where it begins in each array, or all of them if they are interleaved.
var<private> product: u32;
var<private> a_first: u32;
var<private> b_first: u32;
var<private> y_first: u32;
// The inner indices of its sums.
var<private> k_first: u32;
var<private> k_end: u32;

fn ceil_div(a: u32, b: u32) -> u32 {
    return (a + b - 1u) / b;
}

// Where element (row, column) of a lane's matrix of so many columns lies in an array in which the product begins at `first`.
fn element(first: u32, row: u32, column: u32, columns: u32) -> u32 {
    if (INTERLEAVED) {
        return first + interleaved(product, params.batch, row, column, columns);
    }
    return first + row * columns + column;
}

// `v` with its elements from `count` on set to zero.
fn first_of_four(v: vec4<f32>, count: u32) -> vec4<f32> {
    return select(vec4(0.0), v, vec4(0u, 1u, 2u, 3u) < vec4(count));
}

// The first of the last columns that are read together.
fn last_column() -> u32 {
    return (params.n - 1u) / 4u * 4u;
}

// The first row of a lane's tile, of which there is one for each `strip`; and where its product begins, and its part of the sum.
// Past the last product it has no rows.
fn first_row(strip: u32) -> u32 {
    k_end = params.k;
    if (!BATCHED && !SPLIT) {
        return row_of_strip(strip);
    }
    // Strips that belong together are of one product.
    let strips = ceil_div(params.m, P * TOGETHER) * TOGETHER;
    let nth = min(strip / strips, params.batch * ceil_div(params.k, params.k_per_split) - 1u);
    let part = nth / params.batch;
    product = nth - part * params.batch;
    if (INTERLEAVED) {
        y_first = part * interleaved_room(params.batch) * params.m * params.n;
    } else {
        a_first = product * params.m * params.k;
        b_first = product * params.k * params.n;
        y_first = nth * params.m * params.n;
    }
    if (SPLIT) {
        k_first = part * params.k_per_split;
        k_end = min(k_first + params.k_per_split, params.k);
    }
    return row_of_strip(strip - nth * strips);
}

// Adds, to the sums of four rows from `first` on, their four elements from `k` on times `bs`. Four rows by four columns of sums at a
// time, which stay in registers while a row of b is in them too.
fn multiply(first: u32, row: u32, k: u32) {
    let rows = min(4u, P - first);
    load_a(row, first, rows, k);
    for (var q = 0u; q < Q; q++) {
        for (var i = 0u; i < K_LOADS; i++) {
            for (var p = 0u; p < rows; p++) {
                acc[(first + p) * Q + q] += a_of(p, i) * bs[4u * q + i];
            }
        }
    }
}

fn write_tile(row: u32, column: u32) {
    for (var q = 0u; q < Q; q++) {
        let first = column + 4u * q;
        let ending = ending_of(min(first, last_column()), params.n);
        for (var p = 0u; p < P; p++) {
            let left = select(0u, params.n - min(first, params.n), row_at(row, p) < params.m);
            write_ended(element(y_first, row_at(row, p), first, params.n), acc[p * Q + q], ending, left);
        }
    }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    invocation = (group.y * groups.x + group.x) * WG + lane;
    let tile = tile_of(ceil_div(params.n, 4u * Q));
    let row = first_row(tile.x);
    let column = tile.y * Q * 4u;

    for (var k = k_first; k < k_end; k += 4u) {
        load_b(vec3(k, column, 0u));
        arrange_b();
        multiply(0u, row, k);
        if (P > 4u) {
            multiply(4u, row, k);
        }
    }
    write_tile(row, column);
}
