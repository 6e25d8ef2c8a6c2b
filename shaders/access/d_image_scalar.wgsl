// The fourth operand, copied to an image of 4096 texels a row, one element a texel: its rows are no multiple of four long.
@group(0) @binding(4) var d: texture_storage_2d<r32float, read>;
fn d1(e: u32) -> f32 {
    return textureLoad(d, vec2(e & 4095u, e >> 12u)).x;
}
fn d4(e: u32) -> vec4<f32> {
    return vec4(d1(e), d1(e + 1u), d1(e + 2u), d1(e + 3u));
}
