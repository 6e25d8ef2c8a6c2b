// Makes faces ready to be drawn: drops what cannot be seen, clips what crosses the near plane or leaves the guard band, and
// snaps corners to sub-pixels. See face.wgsl for what is written.
//
// The guard band reaches one image size from the image's centre to every side. Within it differences of coordinates fit 15
// bits, so edge functions are exact in 32. An edge that both ends leave whole is the same for both of its faces; one that
// is cut is cut at the same points, for cuts go from the inner end to the outer whatever the face. So there are no holes.
struct Params {
    total: u32,
    vertices: u32,
    indices: u32, // how many the index list has for all images together, or for each
    width: u32,
    height: u32,
    bits: u32,
    cull: u32,
    near: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> corners: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
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

fn is_listed(i: u32) -> bool {
    if !INDEXED {
        return true;
    }
    let at = 3u * (i % params.indices);
    return all(vec3(indices[at], indices[at + 1u], indices[at + 2u]) < vec3(params.vertices));
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = corners_of(i);
    let w = divisors(c.z);
    let size = vec2(f32(params.width), f32(params.height));
    let x = c.x - 0.5 * size.x * w;
    let y = c.y - 0.5 * size.y * w;
    let band = max(size.x, size.y);
    var polygon: Polygon;
    // Written so that a NaN is refused too.
    if is_listed(i) && all(abs(x) < vec3(1e15)) && all(abs(y) < vec3(1e15)) && all(abs(c.z) < vec3(1e15)) {
        polygon.count = 3u;
        polygon.at[0] = vec4(x.x, y.x, w.x, c.z.x);
        polygon.at[1] = vec4(x.y, y.y, w.y, c.z.y);
        polygon.at[2] = vec4(x.z, y.z, w.z, c.z.z);
    }
    var crosses = false;
    for (var plane = 0u; plane < 5u; plane++) {
        var within = true;
        for (var k = 0u; k < polygon.count; k++) {
            within = within && inside(plane, polygon.at[k], band) >= 0.0;
        }
        if !within {
            polygon = clip(polygon, plane, band);
            crosses = crosses || plane == 0u;
        }
    }
    let scale = f32(1u << params.bits);
    let half = i32(1u << (params.bits - 1u));
    let limit = i32(band) << params.bits;
    var low = vec2(limit);
    var high = vec2(-limit);
    var packed: array<u32, 8>;
    var points: array<vec2<i32>, 8>;
    for (var k = 0u; k < polygon.count; k++) {
        let p = polygon.at[k];
        let at = clamp(vec2<i32>(floor(p.xy / p.z * scale + 0.5)), vec2(-limit), vec2(limit));
        low = min(low, at);
        high = max(high, at);
        points[k] = at;
        packed[k] = (bitcast<u32>(at.x) & 0xffffu) | (bitcast<u32>(at.y) << 16u);
    }
    // Twice the area, its sign by how the corners turn: seen from outside they run counter-clockwise, which is negative
    // where y points down. Slivers of polygons are left to their own small areas.
    var area = 0.0;
    var flat = true;
    for (var k = 2u; k < polygon.count; k++) {
        let a = points[k - 1u] - points[0];
        let b = points[k] - points[0];
        let part = a.x * b.y - a.y * b.x;
        flat = flat && part == 0;
        area += f32(part);
    }
    var count = polygon.count;
    if count < 3u || flat || (params.cull != 0u && area > 0.0) {
        count = 0u;
        crosses = false;
    }
    // Pixels whose centres lie within the box, counted from the image's corner.
    let corner = vec2(i32(params.width), i32(params.height)) * half;
    let first = (low + corner + (half - 1)) >> vec2(params.bits);
    let last = (high + corner - half) >> vec2(params.bits);
    let box = (bitcast<vec2<u32>>(first) & vec2(0xffffu)) | (bitcast<vec2<u32>>(last) << vec2(16u));
    setup[3u * i] = vec4(count | select(0u, CROSSES, crosses), box, 0u);
    setup[3u * i + 1u] = vec4(packed[0], packed[1], packed[2], packed[3]);
    setup[3u * i + 2u] = vec4(packed[4], packed[5], packed[6], packed[7]);
}
