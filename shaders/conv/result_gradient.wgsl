// The gradient of a convolution's result as the weights' gradient reads it. From the prelude: OW_TAIL = (ow % P != 0).

// Vector i of the output gradient's tile that begins at a row, one of its pixels and a channel: of one pixel four channels.
fn b_vector(i: u32, place: vec3<u32>) -> vec4<f32> {
    let ox = place.y + min(i & 3u, P - 1u);
    let channel = min(place.z + (i & 0xfffffffcu), (params.co - 1u) / 4u * 4u);
    let e = (place.x * params.ow + ox) * params.co + channel;
    if (OW_TAIL) {
        let ok = ox < params.ow;
        return select(vec4(0.0), b4(select(0u, e, ok)), ok);
    }
    return b4(e);
}
