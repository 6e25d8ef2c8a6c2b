// Every position of y (N×H×W×C) is the sum of a block of FH × FW positions of x, times scale.
struct Params {
    total: u32,
    w: u32,
    c: u32,
    out_w: u32,
    scale: f32,
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
    // Images follow one another without a gap, so the row over all images multiplies as one number.
    let corner = ((pixel / params.out_w) * FH * params.w + (pixel % params.out_w) * FW) * params.c + c;
    var sum = Channels();
    for (var dy = 0u; dy < FH; dy++) {
        for (var dx = 0u; dx < FW; dx++) {
            sum += x[corner + (dy * params.w + dx) * params.c];
        }
    }
    y[i] = params.scale * sum;
}
