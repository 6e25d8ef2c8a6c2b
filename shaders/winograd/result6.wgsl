// Aᵀ, of the products.
fn turned(m: array<vec4<f32>, 8>) -> array<vec4<f32>, 6> {
    let even1 = m[1] + m[2];
    let odd1 = m[1] - m[2];
    let even2 = m[3] + m[4];
    let odd2 = m[3] - m[4];
    let even3 = m[5] + m[6];
    let odd3 = m[5] - m[6];
    return array<vec4<f32>, 6>(
        m[0] + even1 + even2 + even3,
        odd1 + 2.0 * odd2 + 0.5 * odd3,
        even1 + 4.0 * even2 + 0.25 * even3,
        odd1 + 8.0 * odd2 + 0.125 * odd3,
        even1 + 16.0 * even2 + 0.0625 * even3,
        odd1 + 32.0 * odd2 + 0.03125 * odd3 + m[7],
    );
}
