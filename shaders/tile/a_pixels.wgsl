// A holds what each pixel of the grid (a row) meets through each tap, four channels at a time.
var<private> corners: array<vec3<i32>, 4u * A_SLOTS>;

fn a_begin(slot: u32, row: u32) {
    for (var j = 0u; j < 4u; j++) {
        corners[4u * slot + j] = corner(min(row + j, params.m - 1u));
    }
}

fn a_block(slot: u32, row: u32, k: u32) -> mat4x4<f32> {
    let wanted = k < params.k;
    let tap = min(k, params.k - 1u) / params.depth;
    let channel = select(0u, k - tap * params.depth, wanted);
    return mat4x4(
        image4(corners[4u * slot], tap, channel, wanted),
        image4(corners[4u * slot + 1u], tap, channel, wanted),
        image4(corners[4u * slot + 2u], tap, channel, wanted),
        image4(corners[4u * slot + 3u], tap, channel, wanted),
    );
}

fn result_row(row: u32) -> u32 {
    return row;
}
