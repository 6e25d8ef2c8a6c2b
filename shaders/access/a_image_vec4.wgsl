// The first operand, copied to an image of 4096 texels a row; `e` is a multiple of 4.
@group(0) @binding(1) var a: texture_storage_2d<rgba32float, read>;
fn a4(e: u32) -> vec4<f32> {
    return textureLoad(a, vec2(e >> 2u & 4095u, e >> 14u));
}
