// The gradient of point_distance.wgsl with respect to q: a thread looks through all points p, in order, for those whose nearest
// is among its own PER neighbouring points of q. Partial sums of 64 points, so that rounding grows little with their number.
// Where there are many p, a dispatch looks at those from `begin` to `end` and adds to what the one before found.
struct Params {
    total: u32,
    p_count: u32,
    q_count: u32,
    parts: u32, // threads that share a sample
    begin: u32, // the points p looked at
    end: u32,
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
    let sample = i / params.parts;
    let own = i % params.parts * PER;
    let start = sample * params.p_count;
    var points: array<vec3<f32>, PER>;
    var sums = array<vec3<f32>, PER>();
    for (var k = 0u; k < PER; k++) {
        let at = 3u * (sample * params.q_count + min(own + k, params.q_count - 1u));
        points[k] = vec3(q[at], q[at + 1u], q[at + 2u]);
    }
    for (var first = params.begin; first < params.end; first += 64u) {
        var parts = array<vec3<f32>, PER>();
        for (var j = start + first; j < start + min(first + 64u, params.end); j++) {
            let which = nearest[j] - own; // wraps to a large number for a point before its own
            if which < PER {
                let g = gy[j];
                let place = vec3(p[3u * j], p[3u * j + 1u], p[3u * j + 2u]);
                for (var k = 0u; k < PER; k++) {
                    parts[k] += select(vec3<f32>(), g * (points[k] - place), k == which);
                }
            }
        }
        for (var k = 0u; k < PER; k++) {
            sums[k] += parts[k];
        }
    }
    for (var k = 0u; k < PER; k++) {
        if own + k < params.q_count {
            let at = 3u * (sample * params.q_count + own + k);
            var sum = 2.0 * sums[k];
            if params.begin > 0u {
                sum += vec3(gq[at], gq[at + 1u], gq[at + 2u]);
            }
            gq[at] = sum.x;
            gq[at + 1u] = sum.y;
            gq[at + 2u] = sum.z;
        }
    }
}
