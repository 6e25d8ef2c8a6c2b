// The gradient of correlation with respect to the FIRST image or the second, from gy and the other image. A pixel of the
// first was multiplied with the pixels displaced from it, one of the second with those it is displaced from.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    c: u32,
    side: u32,
    stride: u32,
    reach: u32,
    scale: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gy: array<f32>;
@group(0) @binding(2) var<storage, read> other: array<Channels>;
@group(0) @binding(3) var<storage, read_write> gradient: array<Channels>;

// `at` moved by displacement k; negative coordinates wrap to numbers beyond any extent.
fn displaced(at: u32, k: u32) -> u32 {
    let by = k * params.stride - params.reach;
    if (FIRST) {
        return at + by;
    }
    return at - by;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = i % params.c;
    let pixel = i / params.c;
    let column = pixel % params.w;
    let row = pixel / params.w % params.h;

    var sum = Channels();
    for (var ky = 0u; ky < params.side; ky++) {
        let other_row = displaced(row, ky);
        if other_row >= params.h {
            continue;
        }
        let base = (pixel / params.w - row + other_row) * params.w;
        var row_sum = Channels();
        for (var kx = 0u; kx < params.side; kx++) {
            let other_column = displaced(column, kx);
            let ok = other_column < params.w;
            let other_pixel = base + other_column;
            var from_pixel = other_pixel;
            if (FIRST) {
                from_pixel = pixel;
            }
            let g = gy[select(0u, (from_pixel * params.side + ky) * params.side + kx, ok)];
            row_sum += select(Channels(), g * other[select(0u, other_pixel * params.c + c, ok)], ok);
        }
        sum += row_sum;
    }
    gradient[i] = params.scale * sum;
}
