// Points: a matrix of tiles × channels for each place in a tile.
fn store(i: u32, j: u32, value: vec4<f32>, live: bool) {
    write4(interleaved(i * OUT + j, OUT * OUT, tile, channel, params.channels), value, select(0u, 4u, live));
}
