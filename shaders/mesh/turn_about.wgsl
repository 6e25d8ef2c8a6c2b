// y = (R | p − R·p): turns R, 3×3 row by row, about points p.
struct Params {
    turns: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rotations: array<f32>;
@group(0) @binding(2) var<storage, read> points: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.turns {
        return;
    }
    let p = vec3(points[3u * i], points[3u * i + 1u], points[3u * i + 2u]);
    for (var k = 0u; k < 3u; k++) {
        let at = 9u * i + 3u * k;
        let row = vec3(rotations[at], rotations[at + 1u], rotations[at + 2u]);
        y[3u * i + k] = vec4(row, p[k] - dot(row, p));
    }
}
