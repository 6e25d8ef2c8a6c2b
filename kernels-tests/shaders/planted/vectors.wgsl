@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= params.n {
        return;
    }
    let zero = x[0] - x[0];
    let one = select(1.0, zero, FAULT == 1u && i == 3u);
    y[i] = vec4(1.0, 2.0, x[i] / one, 4.0); // fault 1 NotFinite y 3 37
    y[i][select(0u, 2u, i == 5u)] = select(x[i], zero / zero, FAULT == 2u && i == 3u); // fault 2 NotFinite y 3 37
    let factor = mat2x4<f32>(y[i], y[i].wzyx);
    y[i] = factor * vec2(select(0.5, 3e38, FAULT == 3u && i == 3u), 0.5); // fault 3 NotFinite y 3 37
}
