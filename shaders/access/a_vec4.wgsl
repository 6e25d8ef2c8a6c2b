// The first operand, read four elements at a time; `e` is a multiple of 4.
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
fn a4(e: u32) -> vec4<f32> {
    return a[e >> 2u];
}
