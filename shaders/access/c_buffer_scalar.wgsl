// The third operand, a buffer of rows that are no multiple of four long. Reads past its end repeat the last element.
@group(0) @binding(3) var<storage, read> c: array<f32>;
fn c1(e: u32) -> f32 {
    return c[min(e, arrayLength(&c) - 1u)];
}
fn c4(e: u32) -> vec4<f32> {
    return vec4(c1(e), c1(e + 1u), c1(e + 2u), c1(e + 3u));
}
