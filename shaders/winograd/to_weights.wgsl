// Weights, taps × rows × channels, of which each tile is a row; turned round: the last tap is the first.
fn store(i: u32, j: u32, value: vec4<f32>, live: bool) {
    let tap = OUT * OUT - 1u - (i * OUT + j);
    write4((tap * params.tiles + tile) * params.channels + channel, value, select(0u, 4u, live));
}
