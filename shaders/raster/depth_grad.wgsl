// The gradient of depth.wgsl with respect to the corners, the sum over those pixels of a band of rows in which the face is
// seen: a thread a face and band walks them in order.
struct Params {
    total: u32,
    faces: u32,
    width: u32,
    height: u32,
    rows: u32,
    bands: u32,
    near: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> setup: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> corners: array<f32>;
@group(0) @binding(3) var<storage, read> visible: array<u32>;
@group(0) @binding(4) var<storage, read> gy: array<f32>;
@group(0) @binding(5) var<storage, read_write> gx: array<f32>; // bands × faces of all images × 9

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
        let base = face / params.faces * params.width * params.height;
        for (var y = box.first.y; y <= box.last.y; y++) {
            for (var x = box.first.x; x <= box.last.x; x++) {
                let pixel = base + u32(y) * params.width + u32(x);
                if visible[pixel] == face % params.faces {
                    let at = centre_of(x, y);
                    let h = hit(shape, at);
                    if dot(h.weights, shape.z) >= params.near {
                        let g = gy[pixel];
                        sum = sum_of(sum, through_weights(h, at, g * shape.z));
                        sum.z += g * h.weights;
                    }
                }
            }
        }
    }
    store(9u * i, sum);
}

fn store(at: u32, sum: Corners) {
    for (var k = 0u; k < 3u; k++) {
        gx[at + 3u * k] = sum.x[k];
        gx[at + 3u * k + 1u] = sum.y[k];
        gx[at + 3u * k + 2u] = sum.z[k];
    }
}
