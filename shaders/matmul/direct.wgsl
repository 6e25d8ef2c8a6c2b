// c = op(a)·op(b), one element a thread: for shapes too small for the tiled kernels.
// a is m×k (k×m if TRANS_A), b is k×n (n×k if TRANS_B), c is m×n.
struct Params {
    m: u32,
    n: u32,
    k: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= p.m * p.n { return; }
    let row = i / p.n;
    let col = i % p.n;
    var sum = 0.0;
    for (var k = 0u; k < p.k; k++) {
        let x = a[select(row * p.k + k, k * p.m + row, TRANS_A)];
        sum += x * b[select(k * p.n + col, col * p.k + k, TRANS_B)];
    }
    if BIAS { sum += bias[col]; }
    if RELU { sum = max(sum, 0.0); }
    c[i] = sum;
}
