// conv2d_weight_gradient for images of fewer than four channels (photo_row): a the input, b the gradient of y, the result kh×kw×ci×co or a
// stack of partial sums. A lane owns one kernel row, whose ROW elements follow each other in the image and in the result, × Q groups of four
// output channels, and walks over its rows' pixels, P at a time (four at most), always in the same order.
// Long loops are cut into calls with constant arguments as in conv2d_forward.

// The output gradient's pixels beside them, of each group of channels: filled by load_b (common/b_alone, common/b_shared).
var<private> bs: array<vec4<f32>, 4u * Q>;
// [element of the kernel's row][group of output channels]
var<private> acc: array<vec4<f32>, ROW * Q>;
// The lane's number in the whole grid.
var<private> invocation: u32;

// Adds the products of four elements of the kernel's row with the gradient of a group of channels, which stays in registers.
fn multiply_four(part: u32, q: u32) {
    for (var i = 0u; i < min(4u, ROW - min(4u * part, ROW)); i++) {
        for (var p = 0u; p < P; p++) {
            acc[(4u * part + i) * Q + q] += element(p, 4u * part + i) * bs[4u * q + p];
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
        for (var ox = 0u; ox < params.ow; ox += P) {
            load_b(vec3(row, ox, co_first));
            load_row(image, row - image * params.oh, ky, ox);
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
