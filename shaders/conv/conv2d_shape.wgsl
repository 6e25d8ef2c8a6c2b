// What the three passes of a convolution share. x is n×h×w×ci, weights kh×kw×ci×co, y n×oh×ow×co.
// From the prelude: WG lanes a workgroup, P pixels and Q groups of four channels a lane; KH, KW, S, D the kernel's size,
// stride and dilation.
struct Params {
    n: u32,
    h: u32,
    w: u32,
    ci: u32,
    oh: u32,
    ow: u32,
    co: u32,
    pad_y: u32,
    pad_x: u32,
    // Rows (image, oy) that one partial sum of the weight gradient covers.
    rows_per_split: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

fn ceil_div(a: u32, b: u32) -> u32 {
    return (a + b - 1u) / b;
}

// `v` with its elements from `count` on set to zero.
fn first_of_four(v: vec4<f32>, count: u32) -> vec4<f32> {
    return select(vec4(0.0), v, vec4(0u, 1u, 2u, 3u) < vec4(count));
}
