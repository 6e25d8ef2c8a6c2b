// A joint's turn by flexion x about x, abduction y about z, twist z about y: Rz(y)·Rx(x)·Ry(z).

// (cos, sin, 1) of an angle: what a turn about an axis is made of.
fn turn(angle: f32) -> vec3<f32> {
    let v = angle * least_turn(abs(angle));
    let u = 0.25 * v * v;
    let s = sinc(u);
    return vec3(1.0 - 2.0 * u * s * s, v * s * cosine(u), 1.0);
}

// Its derivative.
fn turn_slope(t: vec3<f32>) -> vec3<f32> {
    return vec3(-t.y, t.x, 0.0);
}

// The rows of the product, linear in each of the three.
fn bend(x: vec3<f32>, z: vec3<f32>, y: vec3<f32>) -> array<vec3<f32>, 3> {
    let first = vec3(x.z * y.x, 0.0, x.z * y.y);
    let second = vec3(x.y * y.y, x.x * y.z, -x.y * y.x);
    let third = vec3(-x.x * y.y, x.y * y.z, x.x * y.x);
    return array<vec3<f32>, 3>(z.x * first - z.y * second, z.y * first + z.x * second, z.z * third);
}
