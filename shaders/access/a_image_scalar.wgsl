// The first operand, copied to an image of 4096 texels a row, one element a texel: its rows are no multiple of four long.
@group(0) @binding(1) var a: texture_storage_2d<r32float, read>;
fn a1(e: u32) -> f32 {
    return textureLoad(a, vec2(e & 4095u, e >> 12u)).x;
}
fn a4(e: u32) -> vec4<f32> {
    return vec4(a1(e), a1(e + 1u), a1(e + 2u), a1(e + 3u));
}
