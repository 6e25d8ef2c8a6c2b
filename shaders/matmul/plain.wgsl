// y = relu(a·b + c + d): a m×k, b k×n, c a row of n or access/c_none, d like y or access/d_none. Register tiles as in conv/conv2d_forward.

// The length of a row of b.
fn b_columns() -> u32 {
    return params.n;
}

// Four columns of a row of b: vector i of the tile that begins at inner index `k` and `column`.
fn b_vector(i: u32, k: u32, first: u32, last: u32) -> vec4<f32> {
    let column = min(first + (i & 0xfffffffcu), last);
    var row = k + (i & 3u);
    if (K_TAIL) {
        row = min(row, params.k - 1u);
    }
    return b4(b_first + row * row_stride(params.n) + column);
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
        multiply(0u, row, k);
        if (P > 4u) {
            multiply(4u, row, k);
        }
    }
    write_tile(row, column, last);
}
