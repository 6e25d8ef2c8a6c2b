// No normalisation.
const NORM: bool = false;
fn norm_mean(c: u32) -> vec4<f32> {
    return vec4(0.0);
}
fn norm_scale(c: u32, channels: u32) -> vec4<f32> {
    return vec4(1.0);
}
fn norm_shift(c: u32, channels: u32) -> vec4<f32> {
    return vec4(0.0);
}
