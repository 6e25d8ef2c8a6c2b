// The gradient of turn_about.wgsl with respect to the rotations; with POINTS from the prelude to the points.
struct Params {
    turns: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rotations: array<f32>;
@group(0) @binding(2) var<storage, read> points: array<f32>;
@group(0) @binding(3) var<storage, read> gy: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> gx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.turns {
        return;
    }
    let p = vec3(points[3u * i], points[3u * i + 1u], points[3u * i + 2u]);
    let moved = vec3(gy[3u * i].w, gy[3u * i + 1u].w, gy[3u * i + 2u].w);
    if POINTS {
        for (var k = 0u; k < 3u; k++) {
            let at = 9u * i + k;
            gx[3u * i + k] = moved[k] - dot(vec3(rotations[at], rotations[at + 3u], rotations[at + 6u]), moved);
        }
        return;
    }
    for (var k = 0u; k < 3u; k++) {
        let g = gy[3u * i + k].xyz - moved[k] * p;
        gx[9u * i + 3u * k] = g.x;
        gx[9u * i + 3u * k + 1u] = g.y;
        gx[9u * i + 3u * k + 2u] = g.z;
    }
}
