// A holds, for each tap and channel (a row), what each pixel of the grid meets.
fn a_begin(slot: u32, row: u32) {
}

fn a_block(slot: u32, row: u32, k: u32) -> mat4x4<f32> {
    let wanted = row < params.m;
    let tap = min(row, params.m - 1u) / params.depth;
    let channel = select(0u, row - tap * params.depth, wanted);
    let last = params.k - 1u;
    return transpose(mat4x4(
        image4(corner(min(k, last)), tap, channel, wanted && k < params.k),
        image4(corner(min(k + 1u, last)), tap, channel, wanted && k + 1u < params.k),
        image4(corner(min(k + 2u, last)), tap, channel, wanted && k + 2u < params.k),
        image4(corner(min(k + 3u, last)), tap, channel, wanted && k + 3u < params.k),
    ));
}

// The weight's row, or one past the last if there is no such channel.
fn result_row(row: u32) -> u32 {
    let tap = row / params.depth;
    let channel = row - tap * params.depth;
    return select(params.y_rows, tap * params.channels + channel, channel < params.channels);
}
