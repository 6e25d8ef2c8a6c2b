// The third operand, in rows that are no multiple of four long. Reads past its end (C_LEN elements,
// from the prelude) repeat the last one.
@group(0) @binding(3) var<storage, read> c: array<f32>;
fn c1(e: u32) -> f32 {
    return c[min(e, C_LEN - 1u)];
}
fn c4(e: u32) -> vec4<f32> {
    return vec4(c1(e), c1(e + 1u), c1(e + 2u), c1(e + 3u));
}
