// No fourth operand: zeros.
fn d4(e: u32) -> vec4<f32> {
    return vec4(0.0);
}
