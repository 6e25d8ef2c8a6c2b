// The sum over the channels a thread has: four (common/f32x4.wgsl).
fn total(v: vec4<f32>) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}
