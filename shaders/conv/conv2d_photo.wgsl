// conv2d_forward for images of fewer than four channels, which rows of pixels hold as they come: a kernel's row meets KW·CI elements that
// follow each other, so that it is one product, and an image's row is read four elements at a time, whatever pixels they belong to.
// Rows of the image are whole vectors, and lanes a whole number of vectors apart: what is outside of a row is so by whole vectors.
// A lane owns P neighbouring pixels of one output row times Q groups of four channels. Dilation is 1.
// Also from the prelude: CI, and SKIPPED, how many elements of a lane's first vector come before its first column.
// Compilers unroll short loops only and fall back to memory for arrays they cannot keep in registers, so long ones are cut into calls
// with constant arguments.
const ROW: u32 = KW * CI;
const VECTORS: u32 = (SKIPPED + (P - 1u) * S * CI + ROW + 3u) / 4u;

// What a lane needs of a row of the image.
var<private> vectors: array<vec4<f32>, VECTORS>;
// The weights of a kernel's row, those of four elements after each other for each group of channels.
var<private> weights: array<vec4<f32>, (ROW + 3u) / 4u * 4u * Q>;
var<private> bs: array<vec4<f32>, 4u * Q>;
var<private> acc: array<vec4<f32>, P * Q>;
// The lane's number in the whole grid.
var<private> invocation: u32;

// Vector i of the weights from `place.x` on: of one element of the row for four output channels.
fn b_vector(i: u32, place: vec3<u32>) -> vec4<f32> {
    let row = min(place.y + (i & 3u), ROW - 1u);
    let channel = min(place.z + (i & 0xfffffffcu), (params.co - 1u) / 4u * 4u);
    return b4((place.x * ROW + row) * params.co + channel);
}

// Weights of the four elements from 4 `part` on.
fn load_weights(part: u32, ky: u32, channel: u32) {
    if (4u * part < ROW) {
        load_b(vec3(ky, 4u * part, channel));
        for (var i = 0u; i < 4u * Q; i++) {
            weights[part * 4u * Q + i] = bs[i];
        }
    }
}

fn load_vectors(first: u32, end: u32, inside: bool, row: i32, start: i32) {
    let count = i32(params.w * CI / 4u);
    for (var v = first; v < min(end, VECTORS); v++) {
        let at = start + i32(v);
        let ok = inside && at >= 0 && at < count;
        vectors[v] = select(vec4(0.0), a4(select(0u, 4u * u32(row + at), ok)), ok);
    }
}

// Adds what four elements of the row give to four pixels from `first` on.
fn multiply_four(part: u32, first: u32, q: u32) {
    for (var i = 0u; i < min(4u, ROW - min(4u * part, ROW)); i++) {
        for (var p = 0u; p < min(4u, P - first); p++) {
            let at = SKIPPED + (first + p) * S * CI + 4u * part + i;
            acc[(first + p) * Q + q] += vectors[at / 4u][at % 4u] * weights[(part * Q + q) * 4u + i];
        }
    }
}

// Adds a whole row, so that the sums of four pixels stay in registers meanwhile.
fn multiply(first: u32, q: u32) {
    if (first < P && q < Q) {
        multiply_four(0u, first, q);
        multiply_four(1u, first, q);
        multiply_four(2u, first, q);
        multiply_four(3u, first, q);
        multiply_four(4u, first, q);
        multiply_four(5u, first, q);
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

    invocation = (group.y * groups.x + group.x) * WG + lane;
    let tile = tile_of(channel_tiles);
    let strip = tile.x;
    let row = min(strip / strips, rows - 1u);
    let ox = strip % strips * P;
    let image = row / params.oh;
    let oy = row - image * params.oh;
    let live = strip < rows * strips;
    // Groups of channels past the end repeat the last one and write nothing.
    let channel = tile.y * Q * 4u;
    let last = (co - 1u) / 4u * 4u;
    // Exact, by what SKIPPED is.
    let start = ((i32(ox * S) - i32(params.pad_x)) * i32(CI) - i32(SKIPPED)) / 4;

    for (var ky = 0u; ky < KH; ky++) {
        let iy = i32(oy * S + ky) - i32(params.pad_y);
        let inside = iy >= 0 && iy < i32(params.h);
        let base = (i32(image * params.h) + iy) * i32(params.w * CI / 4u);
        load_vectors(0u, 8u, inside, base, start);
        load_vectors(8u, 16u, inside, base, start);
        if (VECTORS > 16u) {
            load_vectors(16u, VECTORS, inside, base, start);
        }
        load_weights(0u, ky, channel);
        load_weights(1u, ky, channel);
        load_weights(2u, ky, channel);
        load_weights(3u, ky, channel);
        load_weights(4u, ky, channel);
        load_weights(5u, ky, channel);
        multiply(0u, 0u);
        multiply(4u, 0u);
        multiply(0u, 1u);
        multiply(4u, 1u);
        multiply(0u, 2u);
        multiply(4u, 2u);
        multiply(0u, 3u);
        multiply(4u, 3u);
    }

    for (var q = 0u; q < Q; q++) {
        let first = channel + 4u * q;
        let ending = ending_of(min(first, last), co);
        for (var p = 0u; p < P; p++) {
            let left = select(0u, co - min(first, co), live && ox + p < params.ow);
            write_ended((row * params.ow + ox + p) * co + first, acc[p * Q + q], ending, left);
        }
    }
}
