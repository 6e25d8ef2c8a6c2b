// conv2d_forward for images of fewer than four channels (photo_row): a kernel's row of taps and channels is one product.
// Long loops are cut into calls with constant arguments as in conv2d_forward.

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

// Adds what four elements of the row give to four pixels from `first` on.
fn multiply_four(part: u32, first: u32, q: u32) {
    for (var i = 0u; i < min(4u, ROW - min(4u * part, ROW)); i++) {
        for (var p = 0u; p < min(4u, P - first); p++) {
            acc[(first + p) * Q + q] += element(first + p, 4u * part + i) * weights[(part * Q + q) * 4u + i];
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
    invocation = (group.y * groups.x + group.x) * WG + lane;
    let strip = strip_of_lane();
    for (var ky = 0u; ky < KH; ky++) {
        load_row(strip.image, strip.oy, ky, strip.ox);
        load_weights(0u, ky, strip.channel);
        load_weights(1u, ky, strip.channel);
        load_weights(2u, ky, strip.channel);
        load_weights(3u, ky, strip.channel);
        load_weights(4u, ky, strip.channel);
        load_weights(5u, ky, strip.channel);
        multiply(0u, 0u);
        multiply(4u, 0u);
        multiply(0u, 1u);
        multiply(4u, 1u);
        multiply(0u, 2u);
        multiply(4u, 2u);
        multiply(0u, 3u);
        multiply(4u, 3u);
    }

    write_strip(strip);
}
