// Four by four pixels of y = relu(norm(tile + c) + d), as far as the image goes: c the bias, d a residual of y's shape; c, d and
// the normalisation may be access/*_none. RELU from the prelude.
fn store(i: u32, j: u32, tile: vec4<f32>, live: bool) {
    let y = 4u * tile_y + i;
    let x = 4u * tile_x + j;
    let inside = live && y < params.h && x < params.w;
    let e = ((image * params.h + y) * params.w + x) * params.channels + channel;
    var value = tile + c4(channel);
    if (NORM) {
        value = (value - norm_mean(channel)) * norm_scale(channel, params.channels) + norm_shift(channel, params.channels);
    }
    value += d4(select(0u, e, inside));
    if (RELU) {
        value = select(value, vec4(0.0), value < vec4(0.0));
    }
    write4(e, value, select(0u, 4u, inside));
}
