// B as it is stored, k×n.
fn b_row(k: u32, column: u32) -> vec4<f32> {
    let v = b4(element_of(min(k, params.k - 1u), min(column, (params.n - 1u) / 4u * 4u), params.k, params.n));
    return select(vec4(0.0), v, k < params.k);
}
fn b_block(k: u32, column: u32) -> mat4x4<f32> {
    return mat4x4(b_row(k, column), b_row(k + 1u, column), b_row(k + 2u, column), b_row(k + 3u, column));
}
