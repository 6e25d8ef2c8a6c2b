// y = max of x over windows of KH × KW, N×H×W×C. Padding takes no part. A thread makes one output position.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    c: u32,
    out_h: u32,
    out_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read_write> y: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = i % params.c;
    let pixel = i / params.c;
    let rest = pixel / params.out_w;
    let left = i32((pixel % params.out_w) * SW) - i32(PADDING);
    let top = i32((rest % params.out_h) * SH) - i32(PADDING);
    let image = (rest / params.out_h) * params.h;
    // The lowest f32: WGSL has no literal for infinity. Every window holds at least one element.
    var best = Channels(-0x1.fffffep127f);
    for (var dy = 0; dy < i32(KH); dy++) {
        for (var dx = 0; dx < i32(KW); dx++) {
            // Negative coordinates wrap to numbers beyond any extent.
            let row = u32(top + dy);
            let column = u32(left + dx);
            if row < params.h && column < params.w {
                best = max(best, x[((image + row) * params.w + column) * params.c + c]);
            }
        }
    }
    y[i] = best;
}
