// Bᵀ, of the input's tiles: the points 0, ±1, ±2, ±1/2 and infinity.
fn turned(d: array<vec4<f32>, 8>) -> array<vec4<f32>, 8> {
    let even1 = d[2] - 4.25 * d[4] + d[6];
    let odd1 = d[1] - 4.25 * d[3] + d[5];
    let even2 = 0.25 * d[2] - 1.25 * d[4] + d[6];
    let odd2 = 0.5 * d[1] - 2.5 * d[3] + 2.0 * d[5];
    let even3 = 4.0 * d[2] - 5.0 * d[4] + d[6];
    let odd3 = 2.0 * d[1] - 2.5 * d[3] + 0.5 * d[5];
    return array<vec4<f32>, 8>(
        d[0] - d[6] + 5.25 * (d[4] - d[2]),
        even1 + odd1,
        even1 - odd1,
        even2 + odd2,
        even2 - odd2,
        even3 + odd3,
        even3 - odd3,
        d[7] - d[1] + 5.25 * (d[3] - d[5]),
    );
}
