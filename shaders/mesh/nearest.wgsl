// y[n, i] = which of the points q[n] is nearest to p[n, i]; of equally near ones the first.
struct Params {
    total: u32,
    p_count: u32,
    q_count: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read> q: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

fn squared_distance(point: vec3<f32>, at: u32) -> f32 {
    let offset = point - vec3(q[3u * at], q[3u * at + 1u], q[3u * at + 2u]);
    return dot(offset, offset);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let point = vec3(p[3u * i], p[3u * i + 1u], p[3u * i + 2u]);
    let first = i / params.p_count * params.q_count;
    var nearest = 0u;
    var least = squared_distance(point, first);
    for (var k = 1u; k < params.q_count; k++) {
        let distance = squared_distance(point, first + k);
        if distance < least {
            least = distance;
            nearest = k;
        }
    }
    y[i] = nearest;
}
