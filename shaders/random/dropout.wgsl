// y = scale·x where a random word is at least `threshold`, else 0; four elements a thread, numbered as in noise.wgsl. Buffers are
// padded to whole vec4s.
struct Params {
    quads: u32,
    seed_low: u32,
    seed_high: u32,
    threshold: u32,
    scale: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> step_word: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.quads {
        return;
    }
    let counter = vec4(i, whole_step(step_word[0]), 0u, 0u);
    let words = philox(counter, vec2(params.seed_low, params.seed_high));
    y[i] = select(vec4(0.0), params.scale * x[i], words >= vec4(params.threshold));
}
