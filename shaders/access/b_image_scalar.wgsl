// The second operand, copied to an image of 4096 texels a row, one element a texel: its rows are no multiple of four long.
@group(0) @binding(2) var b: texture_storage_2d<r32float, read>;
fn b1(e: u32) -> f32 {
    return textureLoad(b, vec2(e & 4095u, e >> 12u)).x;
}
fn b4(e: u32) -> vec4<f32> {
    return vec4(b1(e), b1(e + 1u), b1(e + 2u), b1(e + 3u));
}
