// The gradient of interpolate.wgsl with respect to what the corners carry: a thread a face, channel and band of rows.
struct Params {
    total: u32, // faces of all images × channels
    faces: u32,
    width: u32,
    height: u32,
    rows: u32,
    bands: u32,
    channels: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> setup: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> corners: array<f32>;
@group(0) @binding(3) var<storage, read> visible: array<u32>;
@group(0) @binding(4) var<storage, read> gy: array<f32>;
@group(0) @binding(5) var<storage, read_write> gx: array<f32>; // bands × faces of all images × 3 × channels

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i / params.total >= params.bands {
        return;
    }
    let c = params.channels;
    let face = i % params.total / c;
    let channel = i % c;
    let head = setup[3u * face];
    let first_row = i / params.total * params.rows;
    let box = box_within(head, 0, params.width, first_row, min(first_row + params.rows, params.height));
    var sum = vec3(0.0);
    if (head.x & 255u) >= 3u && all(box.first <= box.last) {
        let shape = corners_of(face);
        let base = face / params.faces * params.width * params.height;
        for (var y = box.first.y; y <= box.last.y; y++) {
            for (var x = box.first.x; x <= box.last.x; x++) {
                let pixel = base + u32(y) * params.width + u32(x);
                if visible[pixel] == face % params.faces {
                    sum += gy[pixel * c + channel] * hit(shape, centre_of(x, y)).weights;
                }
            }
        }
    }
    let first = 3u * (i / c) * c + channel;
    gx[first] = sum.x;
    gx[first + c] = sum.y;
    gx[first + 2u * c] = sum.z;
}
