// The third operand, read four elements at a time; `e` is a multiple of 4.
@group(0) @binding(3) var<storage, read> c: array<vec4<f32>>;
fn c4(e: u32) -> vec4<f32> {
    return c[e >> 2u];
}
