// What the gradients of rotations about a vector v share, from gy, the gradient with respect to the matrix i, row by row.

// The gradient with respect to s of [s]×.
fn skew_grad(i: u32) -> vec3<f32> {
    let at = 9u * i;
    return vec3(gy[at + 7u] - gy[at + 5u], gy[at + 2u] - gy[at + 6u], gy[at + 3u] - gy[at + 1u]);
}

// The gradient with respect to v of v·vᵀ − (v·v) I. A sum of products of differences: nothing cancels that need not.
fn square_grad(i: u32, v: vec3<f32>) -> vec3<f32> {
    let at = 9u * i;
    let xy = gy[at + 1u] + gy[at + 3u];
    let xz = gy[at + 2u] + gy[at + 6u];
    let yz = gy[at + 5u] + gy[at + 7u];
    let xx = gy[at];
    let yy = gy[at + 4u];
    let zz = gy[at + 8u];
    return vec3(
        xy * v.y + xz * v.z - 2.0 * (yy + zz) * v.x,
        xy * v.x + yz * v.z - 2.0 * (xx + zz) * v.y,
        xz * v.x + yz * v.y - 2.0 * (xx + yy) * v.z,
    );
}
