// The fourth operand, read four elements at a time; `e` is a multiple of 4.
@group(0) @binding(4) var<storage, read> d: array<vec4<f32>>;
fn d4(e: u32) -> vec4<f32> {
    return d[e >> 2u];
}
