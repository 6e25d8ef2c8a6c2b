// Gᵀ: the adjoint of what is made of the weights.
fn turned(u: array<vec4<f32>, 8>) -> array<vec4<f32>, 3> {
    let even1 = (u[1] + u[2]) * (-2.0 / 9.0);
    let odd1 = (u[1] - u[2]) * (-2.0 / 9.0);
    let even2 = (u[3] + u[4]) / 90.0;
    let odd2 = (u[3] - u[4]) / 45.0;
    let even3 = (u[5] + u[6]) * (8.0 / 45.0);
    let odd3 = (u[5] - u[6]) * (16.0 / 45.0);
    return array<vec4<f32>, 3>(
        u[0] + even1 + even2 + 4.0 * even3,
        odd1 + odd2 + odd3,
        even1 + 4.0 * even2 + even3 + u[7],
    );
}
