// For every map (N×H·W×C seen as maps of `pixels`) and chunk of its pixels: the largest element m, and with e = exp(β(x − m))
// the sums of e, e·u and e·v, where u and v are the centre of a pixel. N×chunks×C of those four.
struct Params {
    total: u32,
    pixels: u32,
    w: u32,
    c: u32,
    chunks: u32,
    chunk: u32,
    beta: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> parts: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let rest = i / params.c;
    // A chunk may begin behind the end; then it repeats the last pixel, with weight 0.
    let first = (rest % params.chunks) * params.chunk;
    let last = min(first + params.chunk, params.pixels);
    let start = (rest / params.chunks) * params.pixels * params.c + i % params.c;
    var largest = x[start + min(first, params.pixels - 1u) * params.c];
    for (var p = first; p < last; p++) {
        largest = max(largest, x[start + p * params.c]);
    }
    var sums = vec3(0.0);
    for (var p = first; p < last; p++) {
        let e = exp(params.beta * (x[start + p * params.c] - largest));
        sums += e * vec3(1.0, f32(p % params.w) + 0.5, f32(p / params.w) + 0.5);
    }
    parts[i] = vec4(largest, sums);
}
