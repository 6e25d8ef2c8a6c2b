// Aᵀ, of the products.
fn turned(m: array<vec4<f32>, 6>) -> array<vec4<f32>, 4> {
    let even1 = m[1] + m[2];
    let odd1 = m[1] - m[2];
    let even2 = m[3] + m[4];
    let odd2 = m[3] - m[4];
    return array<vec4<f32>, 4>(
        m[0] + even1 + even2,
        odd1 + 2.0 * odd2,
        even1 + 4.0 * even2,
        odd1 + 8.0 * odd2 + m[5],
    );
}
