// y[n, f] = (b − a) × (c − a), a, b and c the corners of face f: its normal, twice its area long. With ALONG from the prelude its
// derivative where the vertices x move along h: (hb − ha) × (c − a) + (b − a) × (hc − ha).
struct Params {
    total: u32,
    faces: u32,
    vertices: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> faces: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> h: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn vertex(at: u32) -> vec3<f32> {
    return vec3(x[3u * at], x[3u * at + 1u], x[3u * at + 2u]);
}

fn movement(at: u32) -> vec3<f32> {
    return vec3(h[3u * at], h[3u * at + 1u], h[3u * at + 2u]);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let face = 3u * (i % params.faces);
    let first = i / params.faces * params.vertices;
    let a = first + faces[face];
    let b = first + faces[face + 1u];
    let c = first + faces[face + 2u];
    let ab = vertex(b) - vertex(a);
    let ac = vertex(c) - vertex(a);
    var normal: vec3<f32>;
    if ALONG {
        normal = cross(movement(b) - movement(a), ac) + cross(ab, movement(c) - movement(a));
    } else {
        normal = cross(ab, ac);
    }
    y[3u * i] = normal.x;
    y[3u * i + 1u] = normal.y;
    y[3u * i + 2u] = normal.z;
}
