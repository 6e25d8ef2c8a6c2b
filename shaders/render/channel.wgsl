// The hand's depth or its mask from the fourth channel of a scene.
struct Params {
    pixels: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scene: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i < params.pixels {
        let depth = scene[i].w;
        y[i] = select(depth, select(0.0, 1.0, depth > 0.0), MASK);
    }
}
