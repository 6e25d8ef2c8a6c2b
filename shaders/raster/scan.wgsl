// Z-buffer without float atomics, in two passes over the pixels of each face. The first leaves the least depth in each
// pixel, as an integer that sorts as the number does; the second leaves the lowest of the faces at that depth. Minima of
// integers do not depend on order. Both passes are one pipeline, for compiled twice a depth may come out a rounding apart: then
// no face would be at the least one.
//
// A thread walks some rows of one face's box. Edge functions are exact on snapped corners, and the top-left rule decides
// for pixel centres on an edge: faces that share it leave neither holes nor pixels drawn twice.
struct Params {
    total: u32, // faces of all images
    faces: u32,
    width: u32,
    height: u32,
    rows: u32, // of a band
    bands: u32,
    bits: u32,
    near: f32,
    second: u32, // whether this is the second pass
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> setup: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> corners: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> nearest: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> visible: array<atomic<u32>>;

// An unsigned integer that sorts as the number does, and back.
fn sortable(z: f32) -> u32 {
    let bits = bitcast<u32>(z);
    return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

fn number(sorted: u32) -> f32 {
    return bitcast<f32>(select(~sorted, sorted & 0x7fffffffu, (sorted >> 31u) == 1u));
}

// What an edge leading along `d` lacks where it passes through a pixel centre that belongs to its neighbour.
fn top_left_bias(d: vec2<i32>) -> i32 {
    return select(-1, 0, d.y < 0 || (d.y == 0 && d.x > 0));
}

fn cross2(a: vec2<i32>, b: vec2<i32>) -> i32 {
    return a.x * b.y - a.y * b.x;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i / params.total >= params.bands {
        return;
    }
    let face = i % params.total;
    let head = setup[3u * face];
    let count = head.x & 255u;
    let first_row = i / params.total * params.rows;
    let box = box_within(head, 0, params.width, first_row, min(first_row + params.rows, params.height));
    if count < 3u || any(box.first > box.last) {
        return;
    }
    let front = setup[3u * face + 1u];
    let back = setup[3u * face + 2u];
    var polygon = array<u32, 8>(front.x, front.y, front.z, front.w, back.x, back.y, back.z, back.w);
    let shape = corners_of(face);
    let step = i32(1u << params.bits);
    let image = vec2(i32(params.width), i32(params.height));
    let start = (2 * box.first + 1 - image) * (step >> 1u);
    let base = face / params.faces * params.width * params.height;
    let a = halves(polygon[0]);
    // A fan of triangles, mostly one.
    for (var k = 2u; k < count; k++) {
        var b = halves(polygon[k - 1u]);
        var c = halves(polygon[k]);
        let area = cross2(b - a, c - a);
        if area == 0 {
            continue;
        }
        if area < 0 {
            let swapped = b;
            b = c;
            c = swapped;
        }
        let ab = b - a;
        let bc = c - b;
        let ca = a - c;
        let bias = vec3(top_left_bias(bc), top_left_bias(ca), top_left_bias(ab));
        var row = vec3(cross2(bc, start - b), cross2(ca, start - c), cross2(ab, start - a)) + bias;
        let along_x = -vec3(bc.y, ca.y, ab.y) * step;
        let along_y = vec3(bc.x, ca.x, ab.x) * step;
        for (var y = box.first.y; y <= box.last.y; y++) {
            var edges = row;
            let line = base + u32(y) * params.width;
            for (var x = box.first.x; x <= box.last.x; x++) {
                if all(edges >= vec3(0)) {
                    let z = max(dot(hit(shape, centre_of(x, y)).weights, shape.z), params.near);
                    let pixel = line + u32(x);
                    if params.second == 0u {
                        atomicMin(&nearest[pixel], sortable(z));
                    } else {
                        // Faces in one plane come out a rounding apart.
                        let least = number(atomicLoad(&nearest[pixel]));
                        if z <= least + abs(least) * 1e-6 {
                            atomicMin(&visible[pixel], face % params.faces);
                        }
                    }
                }
                edges += along_x;
            }
            row += along_y;
        }
    }
}
