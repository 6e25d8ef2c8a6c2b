// Z-buffer without float atomics: a thread a face walks the pixels of its box and takes the minimum of
// `depth in 1/256 mm << 12 | face` in each. An integer minimum does not depend on order; ties go to the lowest face.
//
// Corners are snapped to fixed point and the top-left rule is kept on integers, so faces that share an edge leave
// neither holes nor pixels hit twice. Edge products are taken within the face's box: below 2^30 as long as the box is
// below 2^15 sub-pixels; larger faces are skipped, as are those before the near plane or beyond the far one.
struct Params {
    images: u32,
    faces: u32,
    vertices: u32,
    size: u32,
    bits: u32,
    cull: u32,
    near: f32,
    far: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> vertices: array<f32>;
@group(0) @binding(2) var<storage, read> camera: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> faces: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> key: array<atomic<u32>>;

// What an edge leading along `d` lacks where it passes through a pixel centre that belongs to its neighbour.
fn top_left_bias(d: vec2<i32>) -> i32 {
    return select(-1, 0, d.y < 0 || (d.y == 0 && d.x > 0));
}

fn vertex(image: u32, index: u32) -> vec3<f32> {
    let at = 3u * (image * params.vertices + index);
    return vec3(vertices[at], vertices[at + 1u], vertices[at + 2u]);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.images * params.faces {
        return;
    }
    let image = i / params.faces;
    let face = i % params.faces;
    let corners = faces[face];
    let a = vertex(image, corners.x);
    var b = vertex(image, corners.y);
    var c = vertex(image, corners.z);
    // Written so that a NaN is refused too, here and below; minima and maxima may pass it over.
    if !(a.z > params.near && b.z > params.near && c.z > params.near)
        || !(a.z < params.far && b.z < params.far && c.z < params.far) {
        return;
    }
    let lens = camera[image];
    let scale = f32(1u << params.bits);
    let pa = (lens.xy * a.xy / a.z + lens.zw) * scale;
    var pb = (lens.xy * b.xy / b.z + lens.zw) * scale;
    var pc = (lens.xy * c.xy / c.z + lens.zw) * scale;
    let low = min(pa, min(pb, pc));
    let high = max(pa, max(pb, pc));
    let side = f32(params.size) * scale;
    if !(all(abs(pa + pb + pc) < vec2(1e9)) && all(high > vec2(0.0)) && all(low < vec2(side)) && all(high - low < vec2(32000.0))) {
        return;
    }
    // The box is near the image and small, so all of these fit.
    let sa = vec2<i32>(floor(pa + 0.5));
    var sb = vec2<i32>(floor(pb + 0.5));
    var sc = vec2<i32>(floor(pc + 0.5));
    var area = (sb.x - sa.x) * (sc.y - sa.y) - (sb.y - sa.y) * (sc.x - sa.x);
    // Seen from outside, corners run counter-clockwise, which is negative where y points down.
    if area == 0 || (params.cull != 0u && area > 0) {
        return;
    }
    if area < 0 {
        let s = sb;
        sb = sc;
        sc = s;
        let v = b;
        b = c;
        c = v;
        area = -area;
    }
    let bits = params.bits;
    let one = 1i << bits;
    let half = one >> 1u;
    let last = vec2(i32(params.size) - 1);
    let first_pixel = max((min(sa, min(sb, sc)) + (half - 1)) >> vec2(bits), vec2(0));
    let last_pixel = min((max(sa, max(sb, sc)) - half) >> vec2(bits), last);
    if first_pixel.x > last_pixel.x || first_pixel.y > last_pixel.y {
        return;
    }
    let ab = sb - sa;
    let bc = sc - sb;
    let ca = sa - sc;
    let start = first_pixel * one + half;
    var row = vec3(
        bc.x * (start.y - sb.y) - bc.y * (start.x - sb.x),
        ca.x * (start.y - sc.y) - ca.y * (start.x - sc.x),
        ab.x * (start.y - sa.y) - ab.y * (start.x - sa.x),
    );
    let bias = vec3(top_left_bias(bc), top_left_bias(ca), top_left_bias(ab));
    let along_x = -vec3(bc.y, ca.y, ab.y) * one;
    let along_y = vec3(bc.x, ca.x, ab.x) * one;
    // 1/z is affine in the image.
    let inverse_z = 1.0 / (vec3(a.z, b.z, c.z) * f32(area));
    let base = image * params.size * params.size;
    for (var y = first_pixel.y; y <= last_pixel.y; y++) {
        var edges = row;
        let line = base + u32(y) * params.size;
        for (var x = first_pixel.x; x <= last_pixel.x; x++) {
            if all(edges + bias >= vec3(0)) {
                let z = 1.0 / dot(vec3<f32>(edges), inverse_z);
                let depth = u32(clamp(z * 256.0, 0.0, 1048574.0));
                atomicMin(&key[line + u32(x)], (depth << 12u) | face);
            }
            edges += along_x;
        }
        row += along_y;
    }
}
