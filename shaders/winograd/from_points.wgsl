// Points: a matrix of tiles × channels for each place in a tile.
fn load(i: u32, j: u32) -> vec4<f32> {
    return a4(interleaved(i * IN + j, IN * IN, tile, channel, params.channels));
}
