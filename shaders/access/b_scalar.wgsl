// The second operand, in rows that are no multiple of four long. Reads past its end (B_LEN elements,
// from the prelude) repeat the last one.
@group(0) @binding(2) var<storage, read> b: array<f32>;
fn b1(e: u32) -> f32 {
    return b[min(e, B_LEN - 1u)];
}
fn b4(e: u32) -> vec4<f32> {
    return vec4(b1(e), b1(e + 1u), b1(e + 2u), b1(e + 3u));
}
