// B holds a weight kh×kw×n×channels, a row for each tap and channel.
fn b_weight(tap: u32, channel: u32, column: u32) -> vec4<f32> {
    let v = b4((tap * params.n + min(column, params.n - 1u)) * params.channels + channel);
    if (TAIL) {
        return first_of_four(v, params.channels - channel);
    }
    return v;
}
fn b_block(k: u32, column: u32) -> mat4x4<f32> {
    let wanted = k < params.k;
    let tap = min(k, params.k - 1u) / params.depth;
    let channel = select(0u, k - tap * params.depth, wanted);
    let block = mat4x4(
        b_weight(tap, channel, column),
        b_weight(tap, channel, column + 1u),
        b_weight(tap, channel, column + 2u),
        b_weight(tap, channel, column + 3u),
    );
    return transpose(block) * select(0.0, 1.0, wanted);
}
