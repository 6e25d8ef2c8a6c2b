// Weights, taps × rows × channels, a tile for each row; TURNED round, the last tap is the first.
fn load(i: u32, j: u32) -> vec4<f32> {
    var tap = i * IN + j;
    if (TURNED) {
        tap = IN * IN - 1u - tap;
    }
    return a4((tap * params.tiles + tile) * params.channels + channel);
}
