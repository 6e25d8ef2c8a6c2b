// The gradient of interpolate.wgsl with respect to the corners, as in depth_grad.wgsl.
struct Params {
    total: u32,
    faces: u32,
    width: u32,
    height: u32,
    rows: u32,
    bands: u32,
    channels: u32,
    stride: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> setup: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> corners: array<f32>;
@group(0) @binding(3) var<storage, read> visible: array<u32>;
@group(0) @binding(4) var<storage, read> attributes: array<f32>;
@group(0) @binding(5) var<storage, read> gy: array<f32>;
@group(0) @binding(6) var<storage, read_write> gx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i / params.total >= params.bands {
        return;
    }
    let face = i % params.total;
    let head = setup[3u * face];
    let first_row = i / params.total * params.rows;
    let box = box_within(head, 0, params.width, first_row, min(first_row + params.rows, params.height));
    var sum = Corners();
    if (head.x & 255u) >= 3u && all(box.first <= box.last) {
        let shape = corners_of(face);
        let c = params.channels;
        let image = face / params.faces;
        let first = 3u * (image * params.stride + face % params.faces) * c;
        let base = image * params.width * params.height;
        for (var y = box.first.y; y <= box.last.y; y++) {
            for (var x = box.first.x; x <= box.last.x; x++) {
                let pixel = base + u32(y) * params.width + u32(x);
                if visible[pixel] == face % params.faces {
                    var g = vec3(0.0);
                    for (var k = 0u; k < c; k++) {
                        let of_corner = vec3(attributes[first + k], attributes[first + c + k], attributes[first + 2u * c + k]);
                        g += gy[pixel * c + k] * of_corner;
                    }
                    let at = centre_of(x, y);
                    sum = sum_of(sum, through_weights(hit(shape, at), at, g));
                }
            }
        }
    }
    for (var k = 0u; k < 3u; k++) {
        gx[9u * i + 3u * k] = sum.x[k];
        gx[9u * i + 3u * k + 1u] = sum.y[k];
        gx[9u * i + 3u * k + 2u] = sum.z[k];
    }
}
