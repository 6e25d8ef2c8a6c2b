// B as it is stored transposed, n×k.
fn b_column(k: u32, column: u32) -> vec4<f32> {
    let v = b4(element_of(min(column, params.n - 1u), min(k, (params.k - 1u) / 4u * 4u), params.n, params.k));
    return first_of_four(v, params.k - min(k, params.k));
}
fn b_block(k: u32, column: u32) -> mat4x4<f32> {
    return transpose(mat4x4(b_column(k, column), b_column(k, column + 1u), b_column(k, column + 2u), b_column(k, column + 3u)));
}
