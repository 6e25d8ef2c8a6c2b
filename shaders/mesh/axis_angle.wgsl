// y = exp([x]×): the rotation about x by |x| radians (Rodrigues), I + a [x]× + b (x·xᵀ − |x|² I) with a = sin|x| / |x| and
// b = (1 − cos|x|) / |x|². By the half angle: a = sinc·cos and b = ½ sinc², without a difference that cancels.
struct Params {
    rotations: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.rotations {
        return;
    }
    let whole = vec3(x[3u * i], x[3u * i + 1u], x[3u * i + 2u]);
    let v = whole * least_turn(length(whole));
    let u = 0.25 * dot(v, v);
    let s = sinc(u);
    var matrix = rotation(s * cosine(u) * v, 0.5 * s * s * v, v);
    for (var k = 0u; k < 9u; k++) {
        y[9u * i + k] = matrix[k];
    }
}
