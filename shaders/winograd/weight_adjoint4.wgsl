// Gᵀ: the adjoint of what is made of the weights.
fn turned(u: array<vec4<f32>, 6>) -> array<vec4<f32>, 3> {
    let even1 = (u[1] + u[2]) / -6.0;
    let odd1 = (u[2] - u[1]) / 6.0;
    let even2 = u[3] + u[4];
    let odd2 = (u[3] - u[4]) / 12.0;
    return array<vec4<f32>, 3>(0.25 * u[0] + even1 + even2 / 24.0, odd1 + odd2, even1 + even2 / 6.0 + u[5]);
}
