// The third operand, copied to an image of 4096 texels a row, one element a texel: its rows are no multiple of four long.
@group(0) @binding(3) var c: texture_storage_2d<r32float, read>;
fn c1(e: u32) -> f32 {
    return textureLoad(c, vec2(e & 4095u, e >> 12u)).x;
}
fn c4(e: u32) -> vec4<f32> {
    return vec4(c1(e), c1(e + 1u), c1(e + 2u), c1(e + 3u));
}
