// y = relu(a·bᵀ + c + d): a m×k, b n×k, c a row of n or access/c_none, d like y or access/d_none.

// The length of a row of b.
fn b_columns() -> u32 {
    return params.k;
}

// Four inner elements of a row of b: vector i of the tile that begins at inner index `k` and `column`.
fn b_vector(i: u32, k: u32, column: u32, last: u32) -> vec4<f32> {
    let v = b4(b_first + min(column + i, params.n - 1u) * row_stride(params.k) + k);
    if (K_TAIL) {
        return first_of_four(v, params.k - k);
    }
    return v;
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
    let last = (params.n - 1u) / 4u * 4u;

    for (var k = 0u; k < params.k; k += 4u) {
        load_b(k, column, last);
        // Four columns of bᵀ a group, turned so that each vector holds one inner index.
        for (var q = 0u; q < Q; q++) {
            let t = transpose(mat4x4(bs[4u * q], bs[4u * q + 1u], bs[4u * q + 2u], bs[4u * q + 3u]));
            for (var j = 0u; j < 4u; j++) {
                bs[4u * q + j] = t[j];
            }
        }
        multiply(0u, row, k);
        if (P > 4u) {
            multiply(4u, row, k);
        }
    }
    write_tile(row, column, last);
}
