// Bᵀ, of the input's tiles (Lavin and Gray 2016, §4.3): the points 0, ±1, ±2 and infinity.
fn turned(d: array<vec4<f32>, 6>) -> array<vec4<f32>, 6> {
    let even1 = d[4] - 4.0 * d[2];
    let odd1 = d[3] - 4.0 * d[1];
    let even2 = d[4] - d[2];
    let odd2 = 2.0 * (d[3] - d[1]);
    return array<vec4<f32>, 6>(
        4.0 * d[0] - 5.0 * d[2] + d[4],
        even1 + odd1,
        even1 - odd1,
        even2 + odd2,
        even2 - odd2,
        4.0 * d[1] - 5.0 * d[3] + d[5],
    );
}
