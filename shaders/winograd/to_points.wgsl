// Tiles of points.
fn store(i: u32, j: u32, value: vec4<f32>, live: bool) {
    write4((tile * OUT * OUT + i * OUT + j) * params.channels + channel, value, select(0u, 4u, live));
}
