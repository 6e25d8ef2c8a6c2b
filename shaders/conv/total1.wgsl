// The sum over the channels a thread has: one (common/f32x1.wgsl).
fn total(v: f32) -> f32 {
    return v;
}
