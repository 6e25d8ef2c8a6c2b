// The second operand, read four elements at a time; `e` is a multiple of 4.
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
fn b4(e: u32) -> vec4<f32> {
    return b[e >> 2u];
}
