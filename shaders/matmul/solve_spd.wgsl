// x of A·x = b for symmetric positive definite A, a workgroup for each matrix and WG columns of b: A = L·D·Lᵀ with ones on the
// diagonal of L (Golub and Van Loan 2013, "Matrix Computations", §4.1.2), column by column, then L, D and Lᵀ undone in turn.
// Of A counts (A + Aᵀ)/2. `factor` is scratch, p×p a workgroup: L below the diagonal, D on it.
struct Params {
    matrices: u32,
    p: u32,
    columns: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> factor: array<f32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;

// Element (i, k) of A without what the first k columns of L and D account for.
fn remainder(matrix: u32, own: u32, i: u32, k: u32) -> f32 {
    let p = params.p;
    var sum = 0.5 * (a[matrix + i * p + k] + a[matrix + k * p + i]);
    for (var j = 0u; j < k; j++) {
        sum -= factor[own + i * p + j] * factor[own + k * p + j] * factor[own + j * p + j];
    }
    return sum;
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = params.p;
    let blocks = (params.columns + WG - 1u) / WG;
    let id = group.y * groups.x + group.x;
    if (id >= params.matrices * blocks) {
        return;
    }
    let matrix = id / blocks * p * p;
    let own = id * p * p;
    for (var k = 0u; k < p; k++) {
        // Every lane for itself, so that none has to wait for the pivot.
        let pivot = remainder(matrix, own, k, k);
        for (var i = k + 1u + lane; i < p; i += WG) {
            factor[own + i * p + k] = remainder(matrix, own, i, k) / pivot;
        }
        if (lane == 0u) {
            factor[own + k * p + k] = pivot;
        }
        storageBarrier();
    }

    let column = id % blocks * WG + lane;
    if (column >= params.columns) {
        return;
    }
    let first = id / blocks * p * params.columns + column;
    for (var i = 0u; i < p; i++) {
        var sum = b[first + i * params.columns];
        for (var j = 0u; j < i; j++) {
            sum -= factor[own + i * p + j] * x[first + j * params.columns];
        }
        x[first + i * params.columns] = sum;
    }
    for (var left = p; left > 0u; left--) {
        let i = left - 1u;
        var sum = x[first + i * params.columns] / factor[own + i * p + i];
        for (var j = left; j < p; j++) {
            sum -= factor[own + j * p + i] * x[first + j * params.columns];
        }
        x[first + i * params.columns] = sum;
    }
}
