// gw = conv2d's weight gradient: a the input, b the gradient of y, the result kh×kw×ci×co, or a stack of partial sums
// of that shape, one for every `rows_per_split` output rows, to be added up by reduce/column_sum.
// A lane owns one kernel row's TAPS columns × QI groups of four input channels × Q groups of four output channels and
// walks over its rows' pixels, P at a time, always in the same order.
// Also from the prelude: TAPS (1 or KW), QI (1 or 2), CI_LOADS = min(ci, 4), CI_TAIL = (ci % 4 != 0), OW_TAIL = (ow % P != 0).
// Long loops are cut into calls with constant arguments as in conv2d_forward.
const SPAN: u32 = (P - 1u) * S + (TAPS - 1u) * D + 1u;

// Four channels of SPAN columns of an input row, and the output gradient's P pixels beside them.
var<private> xs: array<vec4<f32>, SPAN>;
var<private> gs: array<vec4<f32>, P * Q>;
// [tap][group of input channels][input channel][group of output channels]
var<private> acc: array<vec4<f32>, TAPS * QI * 4u * Q>;

fn load_columns(first: u32, end: u32, inside: bool, base: i32, ix: i32, c: u32) {
    for (var j = first; j < min(end, SPAN); j++) {
        let column = ix + i32(j);
        let ok = inside && column >= 0 && column < i32(params.w);
        xs[j] = select(vec4(0.0), a4(select(0u, u32(base + column) * params.ci + c, ok)), ok);
    }
}

fn load_gradient(row: u32, ox: u32, channel: u32, last: u32) {
    for (var p = 0u; p < P; p++) {
        for (var q = 0u; q < Q; q++) {
            let e = (row * params.ow + ox + p) * params.co + min(channel + 4u * q, last);
            if (OW_TAIL) {
                let ok = ox + p < params.ow;
                gs[p * Q + q] = select(vec4(0.0), b4(select(0u, e, ok)), ok);
            } else {
                gs[p * Q + q] = b4(e);
            }
        }
    }
}

// Adds the products of one tap's input columns with the gradient.
fn multiply(t: u32, qi: u32) {
    for (var p = 0u; p < P; p++) {
        let x = xs[p * S + t * D];
        for (var q = 0u; q < Q; q++) {
            let g = gs[p * Q + q];
            let i = (t * QI + qi) * 4u * Q + q;
            acc[i] += x.x * g;
            if (CI_LOADS > 1u) {
                acc[i + Q] += x.y * g;
            }
            if (CI_LOADS > 2u) {
                acc[i + 2u * Q] += x.z * g;
            }
            if (CI_LOADS > 3u) {
                acc[i + 3u * Q] += x.w * g;
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

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let ci = params.ci;
    let co = params.co;
    let co_tiles = ceil_div(co, 4u * Q);
    let ci_tiles = ceil_div(ci, 4u * QI);
    let rows = params.n * params.oh;
    let splits = ceil_div(rows, params.rows_per_split);

    let id = (group.y * groups.x + group.x) * WG + lane;
    let co_first = id % co_tiles * Q * 4u;
    let ci_first = id / co_tiles % ci_tiles * QI * 4u;
    let tap = id / (co_tiles * ci_tiles) % (KH * KW / TAPS);
    let ky = tap / (KW / TAPS);
    let kx = tap % (KW / TAPS);
    let split = id / (co_tiles * ci_tiles * (KH * KW / TAPS));
    let live = split < splits;
    let co_last = (co - 1u) / 4u * 4u;
    let ci_last = (ci - 1u) / 4u * 4u;

    let first_row = min(split, splits - 1u) * params.rows_per_split;
    let end_row = min(first_row + params.rows_per_split, rows);
    for (var row = first_row; row < end_row; row++) {
        let image = row / params.oh;
        let iy = i32((row - image * params.oh) * S + ky * D) - i32(params.pad_y);
        let inside = iy >= 0 && iy < i32(params.h);
        let base = (i32(image * params.h) + iy) * i32(params.w);
        for (var ox = 0u; ox < params.ow; ox += P) {
            let ix = i32(ox * S + kx * D) - i32(params.pad_x);
            load_gradient(row, ox, co_first, co_last);
            load_and_multiply(0u, inside, base, ix, ci_first);
            if (QI > 1u) {
                load_and_multiply(1u, inside, base, ix, min(ci_first + 4u, ci_last));
            }
        }
    }

    let stack = split * KH * KW * ci * co;
    for (var t = 0u; t < TAPS; t++) {
        let base = stack + (ky * KW + kx + t) * ci * co;
        for (var qi = 0u; qi < QI; qi++) {
            for (var j = 0u; j < 4u; j++) {
                let c = ci_first + 4u * qi + j;
                for (var q = 0u; q < Q; q++) {
                    let channel = co_first + 4u * q;
                    let left = select(0u, co - min(channel, co), live && c < ci);
                    write4(base + c * co + channel, acc[((t * QI + qi) * 4u + j) * Q + q], left);
                }
            }
        }
    }
}
