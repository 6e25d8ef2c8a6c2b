// Every position of x (N×H×W×C) becomes a block of FH × FW equal positions of y, times scale.
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
    let column = (pixel % params.out_w) / FW;
    // Images follow one another without a gap, so the row over all images divides as one number.
    let row = pixel / params.out_w / FH;
    y[i] = params.scale * x[(row * params.w + column) * params.c + c];
}
