// gw = conv2d's weight gradient: a the input, b the gradient of y, the result kh×kw×ci×co, or a stack of partial sums
// of that shape, one for every `rows_per_split` output rows, to be added up by reduce/column_sum.
// A lane owns one kernel row's TAPS columns × QI groups of four input channels × Q groups of four output channels and
// walks over its rows' pixels, P at a time (four at most), always in the same order.
// Also from the prelude: TAPS (1 or KW), QI (1 or 2), CI_LOADS = min(ci, 4), CI_TAIL = (ci % 4 != 0), OW_TAIL = (ow % P != 0).
// Long loops are cut into calls with constant arguments as in conv2d_forward.
const SPAN: u32 = (P - 1u) * S + (TAPS - 1u) * D + 1u;

// Four channels of SPAN columns of an input row.
var<private> xs: array<vec4<f32>, SPAN>;
// The output gradient's pixels beside them, of each group of channels: filled by load_b (common/b_alone, common/b_shared).
var<private> bs: array<vec4<f32>, 4u * Q>;
// [tap][group of input channels][input channel][group of output channels]
var<private> acc: array<vec4<f32>, TAPS * QI * 4u * Q>;
// The lane's number in the whole grid.
var<private> invocation: u32;

fn load_columns(first: u32, end: u32, inside: bool, base: i32, ix: i32, c: u32) {
    for (var j = first; j < min(end, SPAN); j++) {
        let column = ix + i32(j);
        let ok = inside && column >= 0 && column < i32(params.w);
        xs[j] = select(vec4(0.0), a4(select(0u, u32(base + column) * params.ci + c, ok)), ok);
    }
}

// Adds the products of one tap's input columns with the gradient. The sums of four input channels by four output channels stay in
// registers while a pixel of the gradient is in them too.
fn multiply(t: u32, qi: u32) {
    for (var q = 0u; q < Q; q++) {
        for (var p = 0u; p < P; p++) {
            for (var j = 0u; j < CI_LOADS; j++) {
                acc[((t * QI + qi) * 4u + j) * Q + q] += xs[p * S + t * D][j] * bs[4u * q + p];
            }
        }
    }
}

fn load_and_multiply(qi: u32, inside: bool, base: i32, ix: i32, c: u32) {
    load_columns(0u, 8u, inside, base, ix, c);
    load_columns(8u, 16u, inside, base, ix, c);
    load_columns(16u, 24u, inside, base, ix, c);
    if (SPAN > 24u) {
        load_columns(24u, SPAN, inside, base, ix, c);
    }
    multiply(0u, qi);
    if (TAPS > 1u) {
        multiply(1u, qi);
    }
    if (TAPS > 2u) {
        multiply(2u, qi);
    }
    if (TAPS > 3u) {
        multiply(3u, qi);
    }
    if (TAPS > 4u) {
        multiply(4u, qi);
    }
    if (TAPS > 5u) {
        multiply(5u, qi);
    }
    if (TAPS > 6u) {
        multiply(6u, qi);
    }
    for (var t = 7u; t < TAPS; t++) {
        multiply(t, qi);
    }
}

// Writes the sums of tap t of a lane, whose first tap is `first`, counted in rows of output channels.
fn write_tap(t: u32, first: u32, ci_first: u32, co_first: u32, live: bool) {
    for (var k = 0u; k < QI * 4u; k++) {
        let c = ci_first + k;
        for (var q = 0u; q < Q; q++) {
            let channel = co_first + 4u * q;
            let left = select(0u, params.co - min(channel, params.co), live && c < params.ci);
            write4((first + t * params.ci + c) * params.co + channel, acc[(t * QI * 4u + k) * Q + q], left);
        }
    }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let ci = params.ci;
    let co = params.co;
    let ci_tiles = ceil_div(ci, 4u * QI);
    let strips = KH * KW / TAPS * ci_tiles;
    let rows = params.n * params.oh;
    let splits = ceil_div(rows, params.rows_per_split);

    invocation = (group.y * groups.x + group.x) * WG + lane;
    let tile = tile_of(ceil_div(co, 4u * Q));
    let co_first = tile.y * Q * 4u;
    // Strips that belong together are of one split.
    let padded = ceil_div(strips, TOGETHER) * TOGETHER;
    let split = min(tile.x / padded, splits - 1u);
    let strip = tile.x - split * padded;
    let live = strip < strips;
    let ci_first = strip % ci_tiles * QI * 4u;
    let tap = min(strip / ci_tiles, KH * KW / TAPS - 1u);
    let ky = tap / (KW / TAPS);
    let kx = tap % (KW / TAPS);
    let ci_last = (ci - 1u) / 4u * 4u;

    let first_row = split * params.rows_per_split;
    let end_row = min(first_row + params.rows_per_split, rows);
    for (var row = first_row; row < end_row; row++) {
        let image = row / params.oh;
        let iy = i32((row - image * params.oh) * S + ky * D) - i32(params.pad_y);
        let inside = iy >= 0 && iy < i32(params.h);
        let base = (i32(image * params.h) + iy) * i32(params.w);
        for (var ox = 0u; ox < params.ow; ox += P) {
            let ix = i32(ox * S + kx * D) - i32(params.pad_x);
            load_b(vec3(row, ox, co_first));
            load_and_multiply(0u, inside, base, ix, ci_first);
            if (QI > 1u) {
                load_and_multiply(1u, inside, base, ix, min(ci_first + 4u, ci_last));
            }
        }
    }

    let of_row = ((split * KH + ky) * KW + kx) * ci;
    write_tap(0u, of_row, ci_first, co_first, live);
    if (TAPS > 1u) {
        write_tap(1u, of_row, ci_first, co_first, live);
    }
    if (TAPS > 2u) {
        write_tap(2u, of_row, ci_first, co_first, live);
    }
    if (TAPS > 3u) {
        write_tap(3u, of_row, ci_first, co_first, live);
    }
    if (TAPS > 4u) {
        write_tap(4u, of_row, ci_first, co_first, live);
    }
    if (TAPS > 5u) {
        write_tap(5u, of_row, ci_first, co_first, live);
    }
    if (TAPS > 6u) {
        write_tap(6u, of_row, ci_first, co_first, live);
    }
    for (var t = 7u; t < TAPS; t++) {
        write_tap(t, of_row, ci_first, co_first, live);
    }
}
