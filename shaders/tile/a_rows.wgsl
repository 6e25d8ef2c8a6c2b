// A as it is stored, m×k.
fn a_row(row: u32, k: u32) -> vec4<f32> {
    let v = a4(element_of(min(row, params.m - 1u), min(k, (params.k - 1u) / 4u * 4u), params.m, params.k));
    return first_of_four(v, params.k - min(k, params.k));
}
fn a_block(slot: u32, row: u32, k: u32) -> mat4x4<f32> {
    return mat4x4(a_row(row, k), a_row(row + 1u, k), a_row(row + 2u, k), a_row(row + 3u, k));
}
