// The sum of what a thread has of one channel.
fn total(channels: f32) -> f32 {
    return channels;
}
