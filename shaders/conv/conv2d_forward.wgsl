// y = relu(norm(conv2d(a, b) + c) + d): a the input, b the weights, c the bias, d a residual of y's shape; c, d and the
// normalisation may be access/*_none. An implicit matrix product: a lane owns P neighbouring pixels of one output row times Q groups
// of four channels, and what it reads of an input row serves every kernel column. No barrier, no workgroup memory.
// Also from the prelude: CI_LOADS = min(ci, 4), CI_TAIL = (ci % 4 != 0), RELU.
// Compilers unroll short loops only and fall back to memory for arrays they cannot keep in registers, so the long
// loops over columns and taps are cut into calls with constant arguments.
const SPAN: u32 = (P - 1u) * S + (KW - 1u) * D + 1u;

// Four channels of SPAN columns of an input row.
var<private> xs: array<vec4<f32>, SPAN>;
var<private> acc: array<vec4<f32>, P * Q>;

fn load_columns(first: u32, end: u32, inside: bool, base: i32, ix: i32, c: u32) {
    for (var j = first; j < min(end, SPAN); j++) {
        let column = ix + i32(j);
        let ok = inside && column >= 0 && column < i32(params.w);
        let x = select(vec4(0.0), a4(select(0u, u32(base + column) * params.ci + c, ok)), ok);
        if (CI_TAIL) {
            xs[j] = first_of_four(x, params.ci - c);
        } else {
            xs[j] = x;
        }
    }
}

// The weights of input channel `c` and of the four output channels from `channel` on.
fn weights(tap: u32, c: u32, channel: u32) -> vec4<f32> {
    var row = c;
    if (CI_TAIL) {
        row = min(c, params.ci - 1u);
    }
    return b4((tap * params.ci + row) * params.co + channel);
}

fn multiply(ky: u32, kx: u32, c: u32, channel: u32, last: u32) {
    for (var q = 0u; q < Q; q++) {
        let from_channel = min(channel + 4u * q, last);
        let w0 = weights(ky * KW + kx, c, from_channel);
        let w1 = weights(ky * KW + kx, c + 1u, from_channel);
        let w2 = weights(ky * KW + kx, c + 2u, from_channel);
        let w3 = weights(ky * KW + kx, c + 3u, from_channel);
        for (var p = 0u; p < P; p++) {
            let x = xs[p * S + kx * D];
            var sum = acc[p * Q + q] + x.x * w0;
            if (CI_LOADS > 1u) {
                sum += x.y * w1;
            }
            if (CI_LOADS > 2u) {
                sum += x.z * w2;
            }
            if (CI_LOADS > 3u) {
                sum += x.w * w3;
            }
            acc[p * Q + q] = sum;
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
    let channel_tiles = ceil_div(co, 4u * Q);
    let strips = ceil_div(params.ow, P);
    let rows = params.n * params.oh;

    let id = (group.y * groups.x + group.x) * WG + lane;
    let strip = id / channel_tiles;
    let row = min(strip / strips, rows - 1u);
    let ox = strip % strips * P;
    let image = row / params.oh;
    let oy = row - image * params.oh;
    let live = strip < rows * strips;
    // Groups of channels past the end repeat the last one and write nothing.
    let channel = id % channel_tiles * Q * 4u;
    let last = (co - 1u) / 4u * 4u;
    let ix = i32(ox * S) - i32(params.pad_x);

    for (var ky = 0u; ky < KH; ky++) {
        let iy = i32(oy * S + ky * D) - i32(params.pad_y);
        let inside = iy >= 0 && iy < i32(params.h);
        let base = (i32(image * params.h) + iy) * i32(params.w);
        for (var c = 0u; c < params.ci; c += 4u) {
            load_columns(0u, 8u, inside, base, ix, c);
            load_columns(8u, 16u, inside, base, ix, c);
            load_columns(16u, 24u, inside, base, ix, c);
            if (SPAN > 24u) {
                load_columns(24u, SPAN, inside, base, ix, c);
            }
            multiply(ky, 0u, c, channel, last);
            if (KW > 1u) {
                multiply(ky, 1u, c, channel, last);
            }
            if (KW > 2u) {
                multiply(ky, 2u, c, channel, last);
            }
            if (KW > 3u) {
                multiply(ky, 3u, c, channel, last);
            }
            if (KW > 4u) {
                multiply(ky, 4u, c, channel, last);
            }
            if (KW > 5u) {
                multiply(ky, 5u, c, channel, last);
            }
            if (KW > 6u) {
                multiply(ky, 6u, c, channel, last);
            }
            for (var kx = 7u; kx < KW; kx++) {
                multiply(ky, kx, c, channel, last);
            }
        }
    }

    for (var q = 0u; q < Q; q++) {
        let from_channel = min(channel + 4u * q, last);
        let bias = c4(from_channel);
        let mean = norm_mean(from_channel);
        let scale = norm_scale(from_channel, co);
        let shift = norm_shift(from_channel, co);
        for (var p = 0u; p < P; p++) {
            let e = (row * params.ow + ox + p) * co + channel + 4u * q;
            let left = select(0u, co - min(channel + 4u * q, co), live && ox + p < params.ow);
            var value = acc[p * Q + q] + bias;
            if (NORM) {
                value = (value - mean) * scale + shift;
            }
            value += d4(select(0u, e, left > 0u));
            if (RELU) {
                value = select(value, vec4(0.0), value < vec4(0.0));
            }
            write4(e, value, left);
        }
    }
}
