// Tiles of a that begin RESULT pixels apart, moved up and left by the padding; zeros around the image.
fn load(i: u32, j: u32) -> vec4<f32> {
    // Above and left of the image this wraps round, to beyond its extents.
    let y = RESULT * tile_y + i - params.pad;
    let x = RESULT * tile_x + j - params.pad;
    let ok = y < params.h && x < params.w;
    let e = ((image * params.h + y) * params.w + x) * params.channels + channel;
    return select(vec4(0.0), a4(select(0u, e, ok)), ok);
}
