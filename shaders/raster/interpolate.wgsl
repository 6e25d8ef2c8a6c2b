// What corners carry, weighted as the face seen in each pixel weighs them; 0 where there is none.
struct Params {
    total: u32,
    pixels: u32,
    width: u32,
    faces: u32,
    channels: u32,
    stride: u32, // faces from one image's attributes to the next's, 0 where all share them
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> corners: array<f32>;
@group(0) @binding(2) var<storage, read> visible: array<u32>;
@group(0) @binding(3) var<storage, read> attributes: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let face = visible[i];
    let c = params.channels;
    if face >= params.faces {
        for (var k = 0u; k < c; k++) {
            y[i * c + k] = 0.0;
        }
        return;
    }
    let image = i / params.pixels;
    let pixel = i % params.pixels;
    let at = centre_of(i32(pixel % params.width), i32(pixel / params.width));
    let w = hit(corners_of(image * params.faces + face), at).weights;
    let first = 3u * (image * params.stride + face) * c;
    for (var k = 0u; k < c; k++) {
        let of_corner = vec3(attributes[first + k], attributes[first + c + k], attributes[first + 2u * c + k]);
        y[i * c + k] = dot(w, of_corner);
    }
}
