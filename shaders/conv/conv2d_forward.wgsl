// y = relu(norm(conv2d(a, b) + c) + d): a the input, b the weights, c the bias, d a residual of y's shape; c, d and the
// normalisation may be access/*_none. An implicit matrix product: a lane owns P neighbouring pixels of one output row times Q groups
// of four channels, and what it reads of an input row serves every kernel column. No barrier, no workgroup memory.
// Also from the prelude: CI_LOADS = min(ci, 4), CI_TAIL = (ci % 4 != 0).
// Compilers unroll short loops only and fall back to memory for arrays they cannot keep in registers, so the long
// loops over columns and taps are cut into calls with constant arguments.
const SPAN: u32 = (P - 1u) * S + (KW - 1u) * D + 1u;
const STEP: u32 = S;
const LOADS: u32 = CI_LOADS;

// Four channels of SPAN columns of an input row.
var<private> xs: array<vec4<f32>, SPAN>;

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

// Vector i of the weights of a tap, for four input channels and each group of output channels: of one input channel for four output
// channels.
fn b_vector(i: u32, place: vec3<u32>) -> vec4<f32> {
    var row = place.y + (i & 3u);
    if (CI_TAIL) {
        row = min(row, params.ci - 1u);
    }
    let channel = min(place.z + (i & 0xfffffffcu), (params.co - 1u) / 4u * 4u);
    return b4((place.x * params.ci + row) * params.co + channel);
}

fn multiply(ky: u32, kx: u32, c: u32, channel: u32) {
    load_b(vec3(ky * KW + kx, c, channel));
    for (var q = 0u; q < Q; q++) {
        multiply_group(q, kx * D);
    }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    invocation = (group.y * groups.x + group.x) * WG + lane;
    let strip = strip_of_lane();
    let channel = strip.channel;
    let ix = i32(strip.ox * S) - i32(params.pad_x);

    for (var ky = 0u; ky < KH; ky++) {
        let iy = i32(strip.oy * S + ky * D) - i32(params.pad_y);
        let inside = iy >= 0 && iy < i32(params.h);
        let base = (i32(strip.image * params.h) + iy) * i32(params.w);
        for (var c = 0u; c < params.ci; c += 4u) {
            load_columns(0u, 8u, inside, base, ix, c);
            load_columns(8u, 16u, inside, base, ix, c);
            load_columns(16u, 24u, inside, base, ix, c);
            if (SPAN > 24u) {
                load_columns(24u, SPAN, inside, base, ix, c);
            }
            multiply(ky, 0u, c, channel);
            if (KW > 1u) {
                multiply(ky, 1u, c, channel);
            }
            if (KW > 2u) {
                multiply(ky, 2u, c, channel);
            }
            if (KW > 3u) {
                multiply(ky, 3u, c, channel);
            }
            if (KW > 4u) {
                multiply(ky, 4u, c, channel);
            }
            if (KW > 5u) {
                multiply(ky, 5u, c, channel);
            }
            if (KW > 6u) {
                multiply(ky, 6u, c, channel);
            }
            for (var kx = 7u; kx < KW; kx++) {
                multiply(ky, kx, c, channel);
            }
        }
    }

    write_strip(strip);
}
