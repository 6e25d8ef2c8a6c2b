// Rotations about a vector v, as Rodrigues' formula and quaternions write them: R = I + [skew]× + scaled·vᵀ − (scaled·v) I,
// with skew and scaled multiples of v; row by row.
fn rotation(skew: vec3<f32>, scaled: vec3<f32>, v: vec3<f32>) -> array<f32, 9> {
    return array<f32, 9>(
        1.0 - (scaled.y * v.y + scaled.z * v.z), scaled.x * v.y - skew.z, scaled.x * v.z + skew.y,
        scaled.y * v.x + skew.z, 1.0 - (scaled.x * v.x + scaled.z * v.z), scaled.y * v.z - skew.x,
        scaled.z * v.x - skew.y, scaled.z * v.y + skew.x, 1.0 - (scaled.x * v.x + scaled.y * v.y),
    );
}
