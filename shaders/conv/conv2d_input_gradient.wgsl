// gx = relu(conv2d's input gradient + c + d): a the gradient of y, b the weights, c a row of ci, d and the result n×h×w×ci;
// c and d may be access/*_none. As a transposed convolution: a the input, gx the result, c the bias.
// A lane owns P pixels of one row of gx, S apart so that they meet the same taps, times Q groups of four channels.
// Also from the prelude: K_STEP = S / gcd(S, D), the distance between taps that meet one pixel; CO_LOADS = min(co, 4),
// CO_TAIL = (co % 4 != 0).
// Long loops are cut into calls with constant arguments as in conv2d_forward.
const SPAN: u32 = select(P, P + (KW - 1u) * D, S == 1u);
const STEP: u32 = 1u;
const LOADS: u32 = CO_LOADS;

// Four channels of SPAN columns of a row of the output gradient.
var<private> xs: array<vec4<f32>, SPAN>;

// The first of `count` taps that meets an output at `position` = pixel + padding, or `count`.
fn first_tap(position: u32, count: u32) -> u32 {
    if (S == 1u) {
        return 0u;
    }
    var first = count;
    for (var k = 0u; k < K_STEP; k++) {
        if ((position + k * D * (S - 1u)) % S == 0u && first == count) {
            first = k;
        }
    }
    return first;
}

// Vector i of the weights of a tap, for four output channels and each group of input channels: of one input channel for four output
// channels.
fn b_vector(i: u32, place: vec3<u32>) -> vec4<f32> {
    let w = b4((place.x * params.ci + min(place.z + i, params.ci - 1u)) * params.co + place.y);
    if (CO_TAIL) {
        return first_of_four(w, params.co - place.y);
    }
    return w;
}

// Four channels of the output gradient at column `ox` of the row that starts at pixel `base`; zero outside.
fn gradient(inside: bool, base: i32, ox: i32, c: u32) -> vec4<f32> {
    let ok = inside && ox >= 0 && ox < i32(params.ow);
    let g = select(vec4(0.0), a4(select(0u, u32(base + ox) * params.co + c, ok)), ok);
    if (CO_TAIL) {
        return first_of_four(g, params.co - c);
    }
    return g;
}

// Columns `first` to `end` of those that a lane needs, for the four output channels from `c` on.
fn load_columns(first: u32, end: u32, inside: bool, base: i32, ox: i32, c: u32) {
    for (var j = first; j < min(end, SPAN); j++) {
        xs[j] = gradient(inside, base, ox + i32(j), c);
    }
}

// Adds what the P columns from xs[start] on give through one tap.
fn multiply(tap: u32, start: u32, channel: u32, c: u32) {
    load_b(vec3(tap, c, channel));
    for (var q = 0u; q < Q; q++) {
        // Turned, so that a vector holds one output channel.
        let t = transpose(mat4x4(bs[4u * q], bs[4u * q + 1u], bs[4u * q + 2u], bs[4u * q + 3u]));
        for (var i = 0u; i < 4u; i++) {
            bs[4u * q + i] = t[i];
        }
        multiply_group(q, start);
    }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let ci = params.ci;
    let channel_tiles = ceil_div(ci, 4u * Q);
    let strips = ceil_div(ceil_div(params.w, S), P);
    let rows = params.n * params.h;

    invocation = (group.y * groups.x + group.x) * WG + lane;
    let tile = tile_of(channel_tiles);
    let strip = tile.x;
    let row = min(strip / (strips * S), rows - 1u);
    let phase = strip / strips % S;
    let ix = phase + strip % strips * P * S;
    let iy = row % params.h;
    let image = row / params.h;
    let live = strip < rows * strips * S;
    let channel = tile.y * Q * 4u;

    for (var ky = first_tap(iy + params.pad_y, KH); ky < KH; ky += K_STEP) {
        // Exact where ky meets this row; negative positions are outside whatever they round to.
        let y_position = i32(iy + params.pad_y) - i32(ky * D);
        let oy = y_position / i32(S);
        let inside = y_position >= 0 && oy < i32(params.oh);
        let base = (i32(image * params.oh) + oy) * i32(params.ow);
        for (var c = 0u; c < params.co; c += 4u) {
            if (S == 1u) {
                // Tap kx meets column p + (KW - 1 - kx) D of these.
                let ox = i32(ix + params.pad_x) - i32((KW - 1u) * D);
                load_columns(0u, 8u, inside, base, ox, c);
                load_columns(8u, 16u, inside, base, ox, c);
                if (SPAN > 16u) {
                    load_columns(16u, SPAN, inside, base, ox, c);
                }
                let tap = ky * KW + KW - 1u;
                multiply(tap, 0u, channel, c);
                if (KW > 1u) {
                    multiply(tap - 1u, D, channel, c);
                }
                if (KW > 2u) {
                    multiply(tap - 2u, 2u * D, channel, c);
                }
                if (KW > 3u) {
                    multiply(tap - 3u, 3u * D, channel, c);
                }
                if (KW > 4u) {
                    multiply(tap - 4u, 4u * D, channel, c);
                }
                for (var k = 5u; k < KW; k++) {
                    multiply(tap - k, k * D, channel, c);
                }
            } else {
                for (var kx = first_tap(ix + params.pad_x, KW); kx < KW; kx += K_STEP) {
                    // A multiple of S by the choice of kx, so this division is exact for negative values too.
                    let ox = (i32(ix + params.pad_x) - i32(kx * D)) / i32(S);
                    load_columns(0u, P, inside, base, ox, c);
                    multiply(ky * KW + kx, 0u, channel, c);
                }
            }
        }
    }

    let last = (ci - 1u) / 4u * 4u;
    for (var q = 0u; q < Q; q++) {
        let first = channel + 4u * q;
        let ending = ending_of(min(first, last), ci);
        for (var p = 0u; p < P; p++) {
            let column = ix + p * S;
            let left = select(0u, ci - min(first, ci), live && column < params.w);
            write_ended((row * params.w + column) * ci + first, acc[p * Q + q], ending, left);
        }
    }
}
