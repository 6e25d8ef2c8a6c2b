// The fourth operand, in rows that are no multiple of four long. Reads past its end (D_LEN elements,
// from the prelude) repeat the last one.
@group(0) @binding(4) var<storage, read> d: array<f32>;
fn d1(e: u32) -> f32 {
    return d[min(e, D_LEN - 1u)];
}
fn d4(e: u32) -> vec4<f32> {
    return vec4(d1(e), d1(e + 1u), d1(e + 2u), d1(e + 3u));
}
