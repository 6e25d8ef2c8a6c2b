// conv2d_weight_gradient for images of fewer than four channels, which reads rows of the image as conv2d_photo does: a the input, b the
// gradient of y, the result kh×kw×ci×co or a stack of partial sums. A lane owns one kernel row, KW·CI elements that follow each other in the
// image and in the result, × Q groups of four output channels, and walks over its rows' pixels, P at a time (four at most), always in the
// same order. Dilation is 1. Also from the prelude: CI; SKIPPED, how many elements of the first vector come before a step's first column;
// OW_TAIL = (ow % P != 0).
const ROW: u32 = KW * CI;
const VECTORS: u32 = (SKIPPED + (P - 1u) * S * CI + ROW + 3u) / 4u;

// What P pixels meet of a row of the image.
var<private> vectors: array<vec4<f32>, VECTORS>;
// The output gradient's pixels beside them, of each group of channels: filled by load_b (common/b_alone, common/b_shared).
var<private> bs: array<vec4<f32>, 4u * Q>;
// [element of the kernel's row][group of output channels]
var<private> acc: array<vec4<f32>, ROW * Q>;
// The lane's number in the whole grid.
var<private> invocation: u32;

fn load_vectors(first: u32, end: u32, inside: bool, row: i32, start: i32) {
    let count = i32(params.w * CI / 4u);
    for (var v = first; v < min(end, VECTORS); v++) {
        let at = start + i32(v);
        let ok = inside && at >= 0 && at < count;
        vectors[v] = select(vec4(0.0), a4(select(0u, 4u * u32(row + at), ok)), ok);
    }
}

// Vector i of the output gradient's tile that begins at a row, one of its pixels and a channel: of one pixel four channels.
fn b_vector(i: u32, place: vec3<u32>) -> vec4<f32> {
    let ox = place.y + min(i & 3u, P - 1u);
    let channel = min(place.z + (i & 0xfffffffcu), (params.co - 1u) / 4u * 4u);
    let e = (place.x * params.ow + ox) * params.co + channel;
    if (OW_TAIL) {
        let ok = ox < params.ow;
        return select(vec4(0.0), b4(select(0u, e, ok)), ok);
    }
    return b4(e);
}

// Adds the products of four elements of the kernel's row with the gradient of a group of channels, which stays in registers.
fn multiply_four(part: u32, q: u32) {
    for (var i = 0u; i < min(4u, ROW - min(4u * part, ROW)); i++) {
        for (var p = 0u; p < P; p++) {
            let at = SKIPPED + p * S * CI + 4u * part + i;
            acc[(4u * part + i) * Q + q] += vectors[at / 4u][at % 4u] * bs[4u * q + p];
        }
    }
}

fn multiply(q: u32) {
    if (q < Q) {
        multiply_four(0u, q);
        multiply_four(1u, q);
        multiply_four(2u, q);
        multiply_four(3u, q);
        multiply_four(4u, q);
        multiply_four(5u, q);
    }
}

// Writes the sums of four elements of a lane's row, which is row `first` of the result at its beginning.
fn write_four(part: u32, first: u32, co_first: u32, live: bool) {
    for (var i = 0u; i < min(4u, ROW - min(4u * part, ROW)); i++) {
        for (var q = 0u; q < Q; q++) {
            let channel = co_first + 4u * q;
            let left = select(0u, params.co - min(channel, params.co), live);
            write4((first + 4u * part + i) * params.co + channel, acc[(4u * part + i) * Q + q], left);
        }
    }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let co = params.co;
    let rows = params.n * params.oh;
    let splits = ceil_div(rows, params.rows_per_split);

    invocation = (group.y * groups.x + group.x) * WG + lane;
    let tile = tile_of(ceil_div(co, 4u * Q));
    let co_first = tile.y * Q * 4u;
    // Kernel rows that belong together are of one split.
    let padded = ceil_div(KH, TOGETHER) * TOGETHER;
    let split = min(tile.x / padded, splits - 1u);
    let strip = tile.x - split * padded;
    let live = strip < KH;
    let ky = min(strip, KH - 1u);

    let first_row = split * params.rows_per_split;
    let end_row = min(first_row + params.rows_per_split, rows);
    for (var row = first_row; row < end_row; row++) {
        let image = row / params.oh;
        let iy = i32((row - image * params.oh) * S + ky) - i32(params.pad_y);
        let inside = iy >= 0 && iy < i32(params.h);
        let base = (i32(image * params.h) + iy) * i32(params.w * CI / 4u);
        for (var ox = 0u; ox < params.ow; ox += P) {
            // Exact, by what SKIPPED is.
            let start = ((i32(ox * S) - i32(params.pad_x)) * i32(CI) - i32(SKIPPED)) / 4;
            load_b(vec3(row, ox, co_first));
            load_vectors(0u, 8u, inside, base, start);
            if (VECTORS > 8u) {
                load_vectors(8u, VECTORS, inside, base, start);
            }
            multiply(0u);
            multiply(1u);
            multiply(2u);
            multiply(3u);
        }
    }

    let of_row = (split * KH + ky) * ROW;
    write_four(0u, of_row, co_first, live);
    write_four(1u, of_row, co_first, live);
    write_four(2u, of_row, co_first, live);
    write_four(3u, of_row, co_first, live);
    write_four(4u, of_row, co_first, live);
    write_four(5u, of_row, co_first, live);
}
