// Where a lane of a convolution's forward pass is: P neighbouring pixels of one row of the result times Q groups of four channels. A kernel
// has `acc`, their sums, and `invocation`, the lane's number in the whole grid.
struct Strip {
    image: u32,
    // The row among those of all images, and in its own.
    row: u32,
    oy: u32,
    // The first pixel and the first channel.
    ox: u32,
    channel: u32,
    live: bool,
}

fn strip_of_lane() -> Strip {
    let strips = ceil_div(params.ow, P);
    let rows = params.n * params.oh;
    let tile = tile_of(ceil_div(params.co, 4u * Q));
    let row = min(tile.x / strips, rows - 1u);
    let image = row / params.oh;
    return Strip(image, row, row - image * params.oh, tile.x % strips * P, tile.y * Q * 4u, tile.x < rows * strips);
}

// Writes the sums. Groups of channels past the end repeat the last one and write nothing.
fn write_strip(strip: Strip) {
    let co = params.co;
    let last = (co - 1u) / 4u * 4u;
    for (var q = 0u; q < Q; q++) {
        let first = strip.channel + 4u * q;
        let ending = ending_of(min(first, last), co);
        for (var p = 0u; p < P; p++) {
            let left = select(0u, co - min(first, co), strip.live && strip.ox + p < params.ow);
            write_ended((strip.row * params.ow + strip.ox + p) * co + first, acc[p * Q + q], ending, left);
        }
    }
}
