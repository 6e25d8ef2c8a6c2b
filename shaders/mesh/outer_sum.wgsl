// The gradient of apply.wgsl with respect to the matrix, in parts: the sum of gy·xᵀ over up to `chunk` of the `vectors`
// vectors of each matrix, x with a 1 behind it where the matrix has four columns. Matrices × chunks × 3 × COLUMNS.
struct Params {
    total: u32,
    vectors: u32,
    chunks: u32,
    chunk: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let start = i / params.chunks * params.vectors;
    let first = i % params.chunks * params.chunk;
    let last = min(first + params.chunk, params.vectors);
    var sums = array<vec4<f32>, 3>();
    for (var k = start + first; k < start + last; k++) {
        let v = vec4(x[3u * k], x[3u * k + 1u], x[3u * k + 2u], 1.0);
        sums[0] += gy[3u * k] * v;
        sums[1] += gy[3u * k + 1u] * v;
        sums[2] += gy[3u * k + 2u] * v;
    }
    for (var row = 0u; row < 3u; row++) {
        for (var column = 0u; column < COLUMNS; column++) {
            y[(3u * i + row) * COLUMNS + column] = sums[row][column];
        }
    }
}
