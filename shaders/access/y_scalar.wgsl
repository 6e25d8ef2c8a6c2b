// The result in rows that are no multiple of four long: of the four elements only the `left` that remain in the row are written.
@group(0) @binding(7) var<storage, read_write> y: array<f32>;
fn write4(e: u32, value: vec4<f32>, left: u32) {
    if (left > 0u) {
        y[e] = value.x;
    }
    if (left > 1u) {
        y[e + 1u] = value.y;
    }
    if (left > 2u) {
        y[e + 2u] = value.z;
    }
    if (left > 3u) {
        y[e + 3u] = value.w;
    }
}
