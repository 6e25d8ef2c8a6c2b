// A pass of a convolution as a product. Pixels are those of a grid n×grid_h×grid_w; pixel (y, x) meets, through tap (ky, kx), the pixel
// (y S + ky D - pad, x S + kx D - pad) of the image n×h×w×channels, or with MIRRORED (and S = 1) the pixel (y - ky D + pad, x - kx D + pad).
// An index over taps and channels counts `depth` channels a tap, the next multiple of four; those that are not there are zeros.
// From the prelude: KW, S, D, MIRRORED, TAIL = (channels % 4 != 0).
struct Params {
    m: u32,
    n: u32,
    k: u32,
    batch: u32,
    k_per_split: u32,
    y_rows: u32,
    grid_h: u32,
    grid_w: u32,
    h: u32,
    w: u32,
    channels: u32,
    depth: u32,
    pad: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

fn begin(product: u32) {
}

// B is one matrix; see b_rows.
fn element_of(row: u32, column: u32, rows: u32, columns: u32) -> u32 {
    return row * columns + column;
}

// Where element (row, column) of the result lies, in the part that is the sum `split`.
fn result_element(split: u32, row: u32, column: u32) -> u32 {
    return (split * params.y_rows + row) * params.n + column;
}

// What a pixel of the grid meets through the first tap: the first row of its image, y and x.
fn corner(pixel: u32) -> vec3<i32> {
    let line = pixel / params.grid_w;
    let image = line / params.grid_h;
    let at = vec2(line - image * params.grid_h, pixel - line * params.grid_w);
    let pad = i32(params.pad);
    return vec3(i32(image * params.h), vec2<i32>(at * S) + select(-pad, pad, MIRRORED));
}

// Four channels from `channel` on of the pixel that a tap meets from `corner`; zeros outside the image.
fn image4(corner: vec3<i32>, tap: u32, channel: u32, wanted: bool) -> vec4<f32> {
    let reach = vec2<i32>(vec2(tap / KW, tap % KW) * D);
    let at = corner.yz + select(reach, -reach, MIRRORED);
    let ok = wanted && all(at >= vec2(0)) && at.x < i32(params.h) && at.y < i32(params.w);
    let e = u32((corner.x + at.x) * i32(params.w) + at.y) * params.channels + channel;
    let v = select(vec4(0.0), a4(select(0u, e, ok)), ok);
    if (TAIL) {
        return first_of_four(v, params.channels - channel);
    }
    return v;
}
