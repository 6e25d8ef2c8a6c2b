// RESULT × RESULT pixels of y, as far as the image goes, with the ending of common/ending: c the bias, d a residual of y's shape.
fn store(i: u32, j: u32, tile: vec4<f32>, live: bool) {
    let y = RESULT * tile_y + i;
    let x = RESULT * tile_x + j;
    let inside = live && y < params.h && x < params.w;
    let e = ((image * params.h + y) * params.w + x) * params.channels + channel;
    write_ended(e, tile, ending_of(channel, params.channels), select(0u, 4u, inside));
}
