// Clips the faces that setup.wgsl listed at the near plane and at the guard band, and snaps what is left.
//
// An edge is cut from its inner end to its outer whatever the face, so both of its faces have the same points; one that
// both ends leave whole is the same for both as it is. So there are no holes.
struct Params {
    width: u32,
    height: u32,
    bits: u32,
    cull: u32,
    near: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> corners: array<f32>;
@group(0) @binding(2) var<storage, read> to_clip: array<u32>; // how many, then which
@group(0) @binding(3) var<storage, read_write> setup: array<vec4<u32>>;

// A convex polygon in homogeneous pixels from the image's centre: X, Y, w, z.
struct Polygon {
    count: u32,
    at: array<vec4<f32>, 8>,
}

// How far inside of a plane a corner is: the near plane, then the four of the guard band.
fn inside(plane: u32, p: vec4<f32>, band: f32) -> f32 {
    switch plane {
        case 0u: { return p.w - params.near; }
        case 1u: { return band * p.z + p.x; }
        case 2u: { return band * p.z - p.x; }
        case 3u: { return band * p.z + p.y; }
        default: { return band * p.z - p.y; }
    }
}

// Sutherland and Hodgman's clipping at one plane.
fn clip(whole: Polygon, plane: u32, band: f32) -> Polygon {
    var polygon = whole;
    var kept: Polygon;
    for (var i = 0u; i < polygon.count; i++) {
        let p = polygon.at[i];
        let q = polygon.at[select(i + 1u, 0u, i + 1u == polygon.count)];
        let dp = inside(plane, p, band);
        let dq = inside(plane, q, band);
        if dp >= 0.0 && kept.count < 8u {
            kept.at[kept.count] = p;
            kept.count++;
        }
        if (dp >= 0.0) != (dq >= 0.0) && kept.count < 8u {
            if dp >= 0.0 {
                kept.at[kept.count] = p + (q - p) * (dp / (dp - dq));
            } else {
                kept.at[kept.count] = q + (p - q) * (dq / (dq - dp));
            }
            kept.count++;
        }
    }
    return kept;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var next = id.x; next < to_clip[0]; next += groups.x * WG) {
        clip_face(to_clip[next + 1u]);
    }
}

fn clip_face(face: u32) {
    let c = corners_of(face);
    let w = divisors(c.z);
    let size = vec2(f32(params.width), f32(params.height));
    let x = c.x - 0.5 * size.x * w;
    let y = c.y - 0.5 * size.y * w;
    let band = max(size.x, size.y);
    var polygon: Polygon;
    polygon.count = 3u;
    polygon.at[0] = vec4(x.x, y.x, w.x, c.z.x);
    polygon.at[1] = vec4(x.y, y.y, w.y, c.z.y);
    polygon.at[2] = vec4(x.z, y.z, w.z, c.z.z);
    for (var plane = 0u; plane < 5u; plane++) {
        polygon = clip(polygon, plane, band);
    }
    let scale = f32(1u << params.bits);
    let limit = i32(band) << params.bits;
    var low = vec2(limit);
    var high = vec2(-limit);
    var words: array<u32, 8>;
    var points: array<vec2<i32>, 8>;
    for (var k = 0u; k < polygon.count; k++) {
        let p = polygon.at[k];
        let at = clamp(vec2<i32>(floor(p.xy / p.z * scale + 0.5)), vec2(-limit), vec2(limit));
        low = min(low, at);
        high = max(high, at);
        points[k] = at;
        words[k] = packed(at);
    }
    var area = 0.0;
    var flat = true;
    for (var k = 2u; k < polygon.count; k++) {
        let a = points[k - 1u] - points[0];
        let b = points[k] - points[0];
        let part = a.x * b.y - a.y * b.x;
        flat = flat && part == 0;
        area += f32(part);
    }
    if polygon.count < 3u || flat || is_turned_away(area, params.cull) {
        return;
    }
    let crosses = select(0u, CROSSES, any(c.z < vec3(params.near)));
    setup[3u * face] = vec4(polygon.count | crosses, pixel_box(low, high, params.width, params.height, params.bits), 0u);
    setup[3u * face + 1u] = vec4(words[0], words[1], words[2], words[3]);
    setup[3u * face + 2u] = vec4(words[4], words[5], words[6], words[7]);
}
