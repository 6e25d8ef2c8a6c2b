// Tiles of points.
fn load(i: u32, j: u32) -> vec4<f32> {
    return a4((tile * IN * IN + i * IN + j) * params.channels + channel);
}
