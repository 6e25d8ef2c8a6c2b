// A, the adjoint of what makes results of products: of the tiles whose products with others' are summed to the weights' gradient.
fn turned(y: array<vec4<f32>, 6>) -> array<vec4<f32>, 8> {
    let even1 = y[0] + y[2] + y[4];
    let odd1 = y[1] + y[3] + y[5];
    let even2 = y[0] + 4.0 * y[2] + 16.0 * y[4];
    let odd2 = 2.0 * y[1] + 8.0 * y[3] + 32.0 * y[5];
    let even3 = y[0] + 0.25 * y[2] + 0.0625 * y[4];
    let odd3 = 0.5 * y[1] + 0.125 * y[3] + 0.03125 * y[5];
    return array<vec4<f32>, 8>(
        y[0],
        even1 + odd1,
        even1 - odd1,
        even2 + odd2,
        even2 - odd2,
        even3 + odd3,
        even3 - odd3,
        y[5],
    );
}
