// Weights, taps × rows × channels, of which each tile is a row.
fn store(i: u32, j: u32, value: vec4<f32>, live: bool) {
    write4(((i * OUT + j) * params.tiles + tile) * params.channels + channel, value, select(0u, 4u, live));
}
