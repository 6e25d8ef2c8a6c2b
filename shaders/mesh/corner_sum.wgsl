// y[n, v] = Σ (p − q) × g[n, f] over the faces f around vertex v, p the corner after v and q the one before it: the gradient of
// Σ g·normal with respect to the vertices x. The corners of v are listed from corners_ptr[v] to corners_ptr[v + 1], as
// 3 · face + corner, ascending.
struct Params {
    total: u32,
    faces: u32,
    vertices: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> faces: array<u32>;
@group(0) @binding(2) var<storage, read> corners_ptr: array<u32>;
@group(0) @binding(3) var<storage, read> corners: array<u32>;
@group(0) @binding(4) var<storage, read> x: array<f32>;
@group(0) @binding(5) var<storage, read> g: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

fn vertex(at: u32) -> vec3<f32> {
    return vec3(x[3u * at], x[3u * at + 1u], x[3u * at + 2u]);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let own = i % params.vertices;
    let first = i - own;
    let sample = i / params.vertices;
    var sum = vec3<f32>();
    let last = corners_ptr[own + 1u];
    for (var k = corners_ptr[own]; k < last; k++) {
        let face = corners[k] / 3u;
        let corner = corners[k] % 3u;
        let after = first + faces[3u * face + (corner + 1u) % 3u];
        let before = first + faces[3u * face + (corner + 2u) % 3u];
        let at = 3u * (sample * params.faces + face);
        sum += cross(vertex(after) - vertex(before), vec3(g[at], g[at + 1u], g[at + 2u]));
    }
    y[3u * i] = sum.x;
    y[3u * i + 1u] = sum.y;
    y[3u * i + 2u] = sum.z;
}
