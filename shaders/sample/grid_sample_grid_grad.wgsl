// The gradient of bilinear sampling with respect to the grid: a thread takes one sample and adds over its channels. Where the
// position is clipped, or not finite, it is 0.
struct Params {
    samples: u32,
    h: u32,
    w: u32,
    c: u32,
    out_pixels: u32,
    padding: u32,
    aligned: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read> grid: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> gy: array<Channels>;
@group(0) @binding(4) var<storage, read_write> g_grid: array<vec2<f32>>;

fn pixel(image: u32, row: u32, column: u32, c: u32) -> Channels {
    var value = Channels();
    if row < params.h && column < params.w {
        value = x[((image + row) * params.w + column) * params.c + c];
    }
    return value;
}

fn total(channels: Channels) -> f32 {
    let four = vec4<f32>(channels);
    return select(four.x, (four.x + four.y) + (four.z + four.w), CHANNELS_A_THREAD == 4u);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let sample = flat_index(id, groups);
    if sample >= params.samples {
        return;
    }
    let g = grid[sample];
    if !(is_finite(g.x) && is_finite(g.y)) {
        g_grid[sample] = vec2(0.0);
        return;
    }
    let aligned = params.aligned != 0u;
    let across = position(g.x, params.w, params.padding, aligned);
    let down = position(g.y, params.h, params.padding, aligned);
    let left = floor(across.x);
    let top = floor(down.x);
    let fx = across.x - left;
    let fy = down.x - top;
    // Negative coordinates wrap to numbers beyond any extent.
    let column = u32(i32(left));
    let row = u32(i32(top));
    let image = (sample / params.out_pixels) * params.h;
    var by_x = Channels();
    var by_y = Channels();
    for (var c = 0u; c < params.c; c++) {
        let a = pixel(image, row, column, c);
        let b = pixel(image, row, column + 1u, c);
        let d = pixel(image, row + 1u, column, c);
        let e = pixel(image, row + 1u, column + 1u, c);
        let own = gy[sample * params.c + c];
        by_x += own * ((1.0 - fy) * (b - a) + fy * (e - d));
        by_y += own * ((1.0 - fx) * (d - a) + fx * (e - b));
    }
    g_grid[sample] = vec2(across.y * total(by_x), down.y * total(by_y));
}
