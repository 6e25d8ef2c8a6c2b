// The sum of what a thread has of four channels.
fn total(channels: vec4<f32>) -> f32 {
    return (channels.x + channels.y) + (channels.z + channels.w);
}
