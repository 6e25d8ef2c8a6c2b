// The depth of the face seen in each pixel, `background` where there is none.
struct Params {
    total: u32,
    pixels: u32, // of an image
    width: u32,
    faces: u32,
    near: f32,
    background: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> corners: array<f32>;
@group(0) @binding(2) var<storage, read> visible: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let face = visible[i];
    var depth = params.background;
    if face < params.faces {
        let shape = corners_of(i / params.pixels * params.faces + face);
        let pixel = i % params.pixels;
        let at = centre_of(i32(pixel % params.width), i32(pixel / params.width));
        depth = max(dot(hit(shape, at).weights, shape.z), params.near);
    }
    y[i] = depth;
}
