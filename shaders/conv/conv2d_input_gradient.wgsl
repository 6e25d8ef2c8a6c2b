// gx = relu(conv2d's input gradient + c + d): a the gradient of y, b the weights, c a row of ci, d and the result n×h×w×ci;
// c and d may be access/*_none. As a transposed convolution: a the input, gx the result, c the bias.
// A lane owns P pixels of one row of gx, S apart so that they meet the same taps, times Q groups of four channels. A workgroup owns
// pixels of one phase, the place of a row and a column among S, so that all its lanes meet the same taps.
// Also from the prelude: K_STEP = S / gcd(S, D), the distance between taps that meet one pixel; CO_LOADS = min(co, 4),
// CO_TAIL = (co % 4 != 0).
// Long loops are cut into calls with constant arguments as in conv2d_forward.

// How many taps of a kernel's row meet a pixel at most, and how far apart the columns are that two neighbours of them lead to.
const TAPS: u32 = (KW + K_STEP - 1u) / K_STEP;
const SHIFT: u32 = K_STEP * D / S;
const SPAN: u32 = P + (TAPS - 1u) * SHIFT;
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

// Adds what the k-th tap that meets the lane's pixels gives, where `first` is the first of the kernel's row.
fn multiply(k: u32, row: u32, first: u32, channel: u32, c: u32) {
    let kx = first + k * K_STEP;
    if (kx >= KW) {
        return;
    }
    load_b(vec3(row * KW + kx, c, channel));
    for (var q = 0u; q < Q; q++) {
        // Turned, so that a vector holds one output channel.
        let t = transpose(mat4x4(bs[4u * q], bs[4u * q + 1u], bs[4u * q + 2u], bs[4u * q + 3u]));
        for (var i = 0u; i < 4u; i++) {
            bs[4u * q + i] = t[i];
        }
        multiply_group(q, (TAPS - 1u - k) * SHIFT);
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
    let height = ceil_div(params.h, S);
    let rows = params.n * height;

    let phase_groups = ceil_div(channel_tiles * ceil_div(strips * rows, TOGETHER) * TOGETHER, WG);
    let flat = group.y * groups.x + group.x;
    let phase = min(flat / phase_groups, S * S - 1u);
    invocation = (flat - phase * phase_groups) * WG + lane;
    let tile = tile_of(channel_tiles);
    let strip = tile.x;
    let row = min(strip / strips, rows - 1u);
    let image = row / height;
    let iy = (row - image * height) * S + phase / S;
    let ix = strip % strips * P * S + phase % S;
    let live = strip < rows * strips && iy < params.h;
    let channel = tile.y * Q * 4u;

    let first_x = first_tap(phase % S + params.pad_x, KW);
    // Exact where a tap meets these pixels, also below zero; and the column of the last tap comes first.
    let ox = (i32(ix + params.pad_x) - i32(first_x * D)) / i32(S) - i32((TAPS - 1u) * SHIFT);
    for (var ky = first_tap(phase / S + params.pad_y, KH); ky < KH && first_x < KW; ky += K_STEP) {
        // Exact where ky meets this row; negative positions are outside whatever they round to.
        let y_position = i32(iy + params.pad_y) - i32(ky * D);
        let oy = y_position / i32(S);
        let inside = y_position >= 0 && oy < i32(params.oh);
        let base = (i32(image * params.oh) + oy) * i32(params.ow);
        for (var c = 0u; c < params.co; c += 4u) {
            load_columns(0u, 8u, inside, base, ox, c);
            load_columns(8u, 16u, inside, base, ox, c);
            if (SPAN > 16u) {
                load_columns(16u, SPAN, inside, base, ox, c);
            }
            multiply(0u, ky, first_x, channel, c);
            if (TAPS > 1u) {
                multiply(1u, ky, first_x, channel, c);
            }
            if (TAPS > 2u) {
                multiply(2u, ky, first_x, channel, c);
            }
            if (TAPS > 3u) {
                multiply(3u, ky, first_x, channel, c);
            }
            if (TAPS > 4u) {
                multiply(4u, ky, first_x, channel, c);
            }
            for (var k = 5u; k < TAPS; k++) {
                multiply(k, ky, first_x, channel, c);
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
            write_ended(((image * params.h + iy) * params.w + column) * ci + first, acc[p * Q + q], ending, left);
        }
    }
}
