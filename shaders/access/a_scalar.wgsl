// The first operand, in rows that are no multiple of four long. Reads past its end (A_LEN elements,
// from the prelude) repeat the last one.
@group(0) @binding(1) var<storage, read> a: array<f32>;
fn a1(e: u32) -> f32 {
    return a[min(e, A_LEN - 1u)];
}
fn a4(e: u32) -> vec4<f32> {
    return vec4(a1(e), a1(e + 1u), a1(e + 2u), a1(e + 3u));
}
