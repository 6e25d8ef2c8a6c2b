// y = x (N×H×W×C) with rows and columns around it. MODE: 0 zeros, 1 the image mirrored at its outermost pixels, 2 these
// repeated. A thread makes one output position.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    c: u32,
    top: u32,
    bottom: u32,
    left: u32,
    right: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read_write> y: array<Channels>;

// The index along an axis of the image that output index `at` copies; beyond the extent if it copies none.
fn source(at: u32, before: u32, extent: u32) -> u32 {
    let i = i32(at) - i32(before);
    let last = i32(extent) - 1;
    if (MODE == 1u) {
        return u32(select(abs(i), 2 * last - i, i > last));
    }
    if (MODE == 2u) {
        return u32(clamp(i, 0, last));
    }
    // Negative indices wrap to numbers beyond any extent.
    return u32(i);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = i % params.c;
    let pixel = i / params.c;
    let out_w = params.left + params.w + params.right;
    let out_h = params.top + params.h + params.bottom;
    let row = source(pixel / out_w % out_h, params.top, params.h);
    let column = source(pixel % out_w, params.left, params.w);
    var value = Channels();
    if row < params.h && column < params.w {
        value = x[((pixel / (out_w * out_h) * params.h + row) * params.w + column) * params.c + c];
    }
    y[i] = value;
}
