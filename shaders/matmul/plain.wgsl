// y = relu(a·b + c + d): a m×k, b k×n, c a row of n or access/c_none, d like y or access/d_none. Register tiles as in conv/conv2d_forward.

// Four columns of row `k` of b.
fn b_row(k: u32, column: u32) -> vec4<f32> {
    var row = k;
    if (K_TAIL) {
        row = min(k, params.k - 1u);
    }
    return b4(b_first + row * params.n + column);
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tiles = ceil_div(params.n, 4u * Q);
    let id = (group.y * groups.x + group.x) * WG + lane;
    let row = first_row(id / tiles);
    let column = id % tiles * Q * 4u;
    let last = (params.n - 1u) / 4u * 4u;

    for (var k = 0u; k < params.k; k += 4u) {
        for (var q = 0u; q < Q; q++) {
            for (var j = 0u; j < 4u; j++) {
                bs[4u * q + j] = b_row(k + j, min(column + 4u * q, last));
            }
        }
        multiply(0u, row, k);
        if (P > 4u) {
            multiply(4u, row, k);
        }
    }
    write_tile(row, column, last);
}
