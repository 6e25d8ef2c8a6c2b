// The gradient of the soft-argmax with respect to its maps: β p (gu (u' − u) + gv (v' − v)), p a pixel's weight, (u', v') its
// centre and (u, v) the mean position. y holds u, v, the largest element m and ln Σ exp(β(x − m)) of every map.
struct Params {
    total: u32,
    pixels: u32,
    w: u32,
    c: u32,
    beta: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> gy: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> gx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let rest = i / params.c;
    let map = (rest / params.pixels) * params.c + i % params.c;
    let pixel = rest % params.pixels;
    let own = y[map];
    let centre = vec2(f32(pixel % params.w) + 0.5, f32(pixel / params.w) + 0.5);
    let p = exp(params.beta * (x[i] - own.z) - own.w);
    gx[i] = params.beta * p * dot(gy[map].xy, centre - own.xy);
}
