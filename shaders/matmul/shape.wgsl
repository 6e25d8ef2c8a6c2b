// What the matrix products share: y is m×n, the inner extent k; with BATCHED there are `batch` products one after the other, with
// INTERLEAVED each row of one beside the same row of the others: rows × batch × columns.
// From the prelude: WG lanes a workgroup; P rows and Q groups of four columns a lane; K_LOADS = min(k, 4),
// K_TAIL = (k % 4 != 0).
struct Params {
    m: u32,
    n: u32,
    k: u32,
    batch: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

// One accumulator for each of a lane's rows and groups.
var<private> acc: array<vec4<f32>, P * Q>;
// What b has for four inner indices of each group of columns: filled by matmul/b_alone or matmul/b_shared.
var<private> bs: array<vec4<f32>, 4u * Q>;
// The lane's number in the whole grid.
var<private> invocation: u32;
// Where a lane's product begins in each array.
var<private> a_first: u32;
var<private> b_first: u32;
var<private> y_first: u32;

// `v` with its elements from `count` on set to zero.
fn first_of_four(v: vec4<f32>, count: u32) -> vec4<f32> {
    return select(vec4(0.0), v, vec4(0u, 1u, 2u, 3u) < vec4(count));
}

// The first row of a lane's tile, of which there is one for each `strip`; and the beginning of its product, of a batch.
// Past the last product it has no rows.
fn first_row(strip: u32) -> u32 {
    if (BATCHED) {
        let strips = strips_of_product();
        let product = min(strip / strips, params.batch - 1u);
        a_first = product * select(params.m, 1u, INTERLEAVED) * params.k;
        b_first = product * select(params.k * params.n, b_columns(), INTERLEAVED);
        y_first = product * select(params.m, 1u, INTERLEAVED) * params.n;
        return (strip - product * strips) * P;
    }
    return strip * P;
}

// Four elements of row `row` of a, from inner index `k` on.
fn a_row(row: u32, k: u32) -> vec4<f32> {
    let v = a4(a_first + min(row, params.m - 1u) * row_stride(params.k) + k);
    if (K_TAIL) {
        return first_of_four(v, params.k - k);
    }
    return v;
}

// Adds, to the accumulators of four rows from `first` on, their four elements from `k` on times `bs`. Four at a time,
// since compilers unroll short loops only.
fn multiply(first: u32, row: u32, k: u32) {
    for (var p = first; p < min(first + 4u, P); p++) {
        let a = a_row(row + p, k);
        for (var q = 0u; q < Q; q++) {
            var sum = acc[p * Q + q] + a.x * bs[4u * q];
            if (K_LOADS > 1u) {
                sum += a.y * bs[4u * q + 1u];
            }
            if (K_LOADS > 2u) {
                sum += a.z * bs[4u * q + 2u];
            }
            if (K_LOADS > 3u) {
                sum += a.w * bs[4u * q + 3u];
            }
            acc[p * Q + q] = sum;
        }
    }
}

// Writes a lane's tile: relu(norm(acc + c) + d), c a row of n or access/c_none, d of the shape of y or access/d_none, the
// normalisation access/norm_*. RELU from the prelude.
fn write_tile(row: u32, column: u32, last: u32) {
    for (var q = 0u; q < Q; q++) {
        let from_column = min(column + 4u * q, last);
        let bias = c4(from_column);
        let mean = norm_mean(from_column);
        let scale = norm_scale(from_column, params.n);
        let shift = norm_shift(from_column, params.n);
        for (var p = 0u; p < P; p++) {
            let left = select(0u, params.n - min(column + 4u * q, params.n), row + p < params.m);
            let e = y_first + (row + p) * row_stride(params.n) + column + 4u * q;
            var value = acc[p * Q + q] + bias;
            if (NORM) {
                value = (value - mean) * scale + shift;
            }
            value += d4(select(0u, e, left > 0u));
            if (RELU) {
                value = select(value, vec4(0.0), value < vec4(0.0));
            }
            write4(e, value, left);
        }
    }
}
