// Functions of half an angle h as power series of u = h² up to (π/2)², where they are good to the last bits: smooth at 0, and
// better than the 2^-11 that WGSL asks of sin and cos.

// sin(h) / h = Σ (−u)ᵏ / (2k + 1)!
fn sinc(u: f32) -> f32 {
    return 1.0 - u / 6.0 * (1.0 - u / 20.0 * (1.0 - u / 42.0 * (1.0 - u / 72.0 * (1.0 - u / 110.0 * (1.0 - u / 156.0)))));
}

// Its derivative with respect to u.
fn sinc_slope(u: f32) -> f32 {
    let rest = 1.0 - u / 54.0 * (1.0 - u / 88.0 * (1.0 - u / 130.0 * (1.0 - u / 180.0)));
    return -1.0 / 6.0 * (1.0 - u / 10.0 * (1.0 - u / 28.0 * rest));
}

// cos(h) = Σ (−u)ᵏ / (2k)!
fn cosine(u: f32) -> f32 {
    let rest = 1.0 - u / 56.0 * (1.0 - u / 90.0 * (1.0 - u / 132.0 * (1.0 - u / 182.0)));
    return 1.0 - u / 2.0 * (1.0 - u / 12.0 * (1.0 - u / 30.0 * rest));
}

// What an angle (not negative) is multiplied by to become the same turn by at most π either way.
fn least_turn(angle: f32) -> f32 {
    let turns = round(angle * 0.15915494);
    if turns == 0.0 {
        return 1.0;
    }
    // 2π in two parts, so that the difference keeps its bits.
    return (angle - turns * 6.28125 - turns * 0.0019353072) / angle;
}
