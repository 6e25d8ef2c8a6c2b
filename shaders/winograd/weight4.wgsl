// G, of the weights.
fn turned(g: array<vec4<f32>, 3>) -> array<vec4<f32>, 6> {
    let even1 = (g[0] + g[2]) / -6.0;
    let odd1 = g[1] / -6.0;
    let even2 = (0.25 * g[0] + g[2]) / 6.0;
    let odd2 = g[1] / 12.0;
    return array<vec4<f32>, 6>(0.25 * g[0], even1 + odd1, even1 - odd1, even2 + odd2, even2 - odd2, g[2]);
}
