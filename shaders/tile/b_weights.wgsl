// B holds a weight kh×kw×channels×n, a row for each tap and channel.
fn b_weight(tap: u32, channel: u32, column: u32, wanted: bool) -> vec4<f32> {
    let ok = wanted && channel < params.channels;
    let e = (tap * params.channels + channel) * params.n + min(column, (params.n - 1u) / 4u * 4u);
    return select(vec4(0.0), b4(select(0u, e, ok)), ok);
}
fn b_block(k: u32, column: u32) -> mat4x4<f32> {
    let wanted = k < params.k;
    let tap = min(k, params.k - 1u) / params.depth;
    let channel = k - tap * params.depth;
    return mat4x4(
        b_weight(tap, channel, column, wanted),
        b_weight(tap, channel + 1u, column, wanted),
        b_weight(tap, channel + 2u, column, wanted),
        b_weight(tap, channel + 3u, column, wanted),
    );
}
