// The batch normalisation of a result by given statistics, mean then variance of each channel, and affine pair, scale then
// shift; `c` and the number of channels are multiples of 4. NORM_EPS from the prelude.
const NORM: bool = true;
@group(0) @binding(5) var<storage, read> stats: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> affine: array<vec4<f32>>;
fn norm_mean(c: u32) -> vec4<f32> {
    return stats[c >> 2u];
}
fn norm_scale(c: u32, channels: u32) -> vec4<f32> {
    return affine[c >> 2u] * inverseSqrt(stats[(channels + c) >> 2u] + NORM_EPS);
}
fn norm_shift(c: u32, channels: u32) -> vec4<f32> {
    return affine[(channels + c) >> 2u];
}
