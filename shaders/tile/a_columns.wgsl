// A as it is stored transposed, k×m.
fn a_column(row: u32, k: u32) -> vec4<f32> {
    let v = a4(element_of(min(k, params.k - 1u), min(row, (params.m - 1u) / 4u * 4u), params.k, params.m));
    return select(vec4(0.0), v, k < params.k);
}
fn a_block(slot: u32, row: u32, k: u32) -> mat4x4<f32> {
    return transpose(mat4x4(a_column(row, k), a_column(row, k + 1u), a_column(row, k + 2u), a_column(row, k + 3u)));
}
