// The gradient of point_distance.wgsl with respect to q: a thread looks through all points p, in order, for those whose nearest
// its own is. Partial sums of 64 points, so that rounding grows little with their number.
struct Params {
    total: u32,
    p_count: u32,
    q_count: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read> q: array<f32>;
@group(0) @binding(3) var<storage, read> nearest: array<u32>;
@group(0) @binding(4) var<storage, read> gy: array<f32>;
@group(0) @binding(5) var<storage, read_write> gq: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let own = i % params.q_count;
    let start = i / params.q_count * params.p_count;
    let point = vec3(q[3u * i], q[3u * i + 1u], q[3u * i + 2u]);
    var sum = vec3<f32>();
    for (var first = 0u; first < params.p_count; first += 64u) {
        var part = vec3<f32>();
        for (var k = start + first; k < start + min(first + 64u, params.p_count); k++) {
            if nearest[k] == own {
                part += gy[k] * (point - vec3(p[3u * k], p[3u * k + 1u], p[3u * k + 2u]));
            }
        }
        sum += part;
    }
    gq[3u * i] = 2.0 * sum.x;
    gq[3u * i + 1u] = 2.0 * sum.y;
    gq[3u * i + 2u] = 2.0 * sum.z;
}
