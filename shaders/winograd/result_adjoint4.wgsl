// A, the adjoint of what makes results of products: of the tiles whose products with others' are summed to the weights' gradient.
fn turned(y: array<vec4<f32>, 4>) -> array<vec4<f32>, 6> {
    let even1 = y[0] + y[2];
    let odd1 = y[1] + y[3];
    let even2 = y[0] + 4.0 * y[2];
    let odd2 = 2.0 * y[1] + 8.0 * y[3];
    return array<vec4<f32>, 6>(y[0], even1 + odd1, even1 - odd1, even2 + odd2, even2 - odd2, y[3]);
}
