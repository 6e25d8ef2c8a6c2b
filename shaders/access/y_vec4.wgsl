// The result, written four elements at a time; `e` and the row length are multiples of 4.
@group(0) @binding(7) var<storage, read_write> y: array<vec4<f32>>;
fn write4(e: u32, value: vec4<f32>, left: u32) {
    if (left > 0u) {
        y[e >> 2u] = value;
    }
}
