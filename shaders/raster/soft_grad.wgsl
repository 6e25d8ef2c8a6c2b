// The gradient of soft.wgsl with respect to the corners: a thread a face and band of rows walks the pixels that the face
// reaches, in order.
struct Params {
    total: u32,
    faces: u32,
    width: u32,
    height: u32,
    rows: u32,
    bands: u32,
    reach: u32,
    sharpness: f32,
    farthest: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> setup: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> corners: array<f32>;
@group(0) @binding(3) var<storage, read> soft: array<f32>;
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
    let end_row = min(first_row + params.rows, params.height);
    let box = box_within(head, i32(params.reach), params.width, first_row, end_row);
    var gu = vec3(0.0);
    var gv = vec3(0.0);
    var w = vec3(1.0);
    var u = vec3(0.0);
    var v = vec3(0.0);
    let seen = head.x >= 3u && head.x < CROSSES;
    if seen {
        let shape = corners_of(face);
        w = divisors(shape.z);
        u = shape.x / w;
        v = shape.y / w;
    }
    let inverses = inverse_squares(u, v);
    if seen && all(box.first <= box.last) {
        let base = face / params.faces * params.width * params.height;
        for (var y = box.first.y; y <= box.last.y; y++) {
            for (var x = box.first.x; x <= box.last.x; x++) {
                let pixel = base + u32(y) * params.width + u32(x);
                // With D = 1 / (1 + e^-s): ∂α/∂s = Π (1 − D) · D, the product over all faces.
                let g = gy[pixel] * (1.0 - soft[pixel]) * params.sharpness;
                if g != 0.0 {
                    let near = outline(u, v, inverses, centre_of(x, y));
                    if near.signed > -params.farthest {
                        // ∂d²/∂corner = −2 · away · the corner's part of the nearest point.
                        let turn = select(-2.0, 2.0, near.signed < 0.0);
                        let force = turn * g * coverage(near.signed, params.sharpness) * near.away;
                        gu += force.x * near.parts;
                        gv += force.y * near.parts;
                    }
                }
            }
        }
    }
    var gz = vec3(0.0);
    if PERSPECTIVE {
        gz = -(gu * u + gv * v) / w;
    }
    for (var k = 0u; k < 3u; k++) {
        gx[9u * i + 3u * k] = gu[k] / w[k];
        gx[9u * i + 3u * k + 1u] = gv[k] / w[k];
        gx[9u * i + 3u * k + 2u] = gz[k];
    }
}
