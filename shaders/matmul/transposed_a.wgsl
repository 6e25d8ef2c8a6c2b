// y = aᵀ·b: a k×m, b k×n, or a stack of partial sums of that shape, one for every `k_per_split` inner rows, to be added
// up by reduce/column_sum; batches as in matmul/shape. A lane owns QM groups of four rows × Q groups of four columns and takes inner rows UNROLL
// at a time, always in the same order. From the prelude: WG, QM, Q, UNROLL, M_LOADS = min(m, 4).
struct Params {
    m: u32,
    n: u32,
    k: u32,
    k_per_split: u32,
    batch: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

var<private> acc: array<vec4<f32>, QM * 4u * Q>;
// Where a lane's product begins in each operand.
var<private> a_first: u32;
var<private> b_first: u32;

// Adds inner row `k`, or nothing if it is not below `end`.
fn multiply(k: u32, end: u32, row: u32, column: u32) {
    let ok = k < end;
    let m_last = (params.m - 1u) / 4u * 4u;
    let n_last = (params.n - 1u) / 4u * 4u;
    let i = min(k, end - 1u);
    var bs: array<vec4<f32>, Q>;
    for (var q = 0u; q < Q; q++) {
        bs[q] = select(vec4(0.0), b4(b_first + i * row_stride(params.n) + min(column + 4u * q, n_last)), ok);
    }
    for (var g = 0u; g < QM; g++) {
        let a = a4(a_first + i * row_stride(params.m) + min(row + 4u * g, m_last));
        for (var q = 0u; q < Q; q++) {
            let s = 4u * g * Q + q;
            acc[s] += a.x * bs[q];
            if (M_LOADS > 1u) {
                acc[s + Q] += a.y * bs[q];
            }
            if (M_LOADS > 2u) {
                acc[s + 2u * Q] += a.z * bs[q];
            }
            if (M_LOADS > 3u) {
                acc[s + 3u * Q] += a.w * bs[q];
            }
        }
    }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let m_tiles = ceil_div(params.m, 4u * QM);
    let n_tiles = ceil_div(params.n, 4u * Q);
    let splits = ceil_div(params.k, params.k_per_split);
    let id = (group.y * groups.x + group.x) * WG + lane;
    let column = id % n_tiles * Q * 4u;
    let row = id / n_tiles % m_tiles * QM * 4u;
    var split = id / (n_tiles * m_tiles);
    // Where the product's result begins, among those of all parts.
    var y_first = split * params.m * params.n;
    if (BATCHED) {
        let product = split % params.batch;
        split = split / params.batch;
        a_first = product * select(params.k, 1u, INTERLEAVED) * params.m;
        b_first = product * select(params.k, 1u, INTERLEAVED) * params.n;
        if (INTERLEAVED) {
            y_first = (split * params.m * params.batch + product) * params.n;
        }
    }
    let first = min(split, splits - 1u) * params.k_per_split;
    let end = min(first + params.k_per_split, params.k);

    for (var k = first; k < end; k += UNROLL) {
        for (var i = 0u; i < UNROLL; i++) {
            multiply(k + i, end, row, column);
        }
    }

    for (var g = 0u; g < QM; g++) {
        for (var j = 0u; j < 4u; j++) {
            let y_row = row + 4u * g + j;
            for (var q = 0u; q < Q; q++) {
                let y_column = column + 4u * q;
                let left = select(0u, params.n - min(y_column, params.n), split < splits && y_row < params.m);
                write4(y_first + y_row * row_stride(params.n) + y_column, acc[(4u * g + j) * Q + q], left);
            }
        }
    }
}
