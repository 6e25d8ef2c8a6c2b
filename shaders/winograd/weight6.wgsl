// G, of the weights.
fn turned(g: array<vec4<f32>, 3>) -> array<vec4<f32>, 8> {
    let even1 = (g[0] + g[2]) * (-2.0 / 9.0);
    let odd1 = g[1] * (-2.0 / 9.0);
    let even2 = (g[0] + 4.0 * g[2]) / 90.0;
    let odd2 = g[1] / 45.0;
    let even3 = (4.0 * g[0] + g[2]) * (8.0 / 45.0);
    let odd3 = g[1] * (16.0 / 45.0);
    return array<vec4<f32>, 8>(
        g[0],
        even1 + odd1,
        even1 - odd1,
        even2 + odd2,
        even2 - odd2,
        even3 + odd3,
        even3 - odd3,
        g[2],
    );
}
