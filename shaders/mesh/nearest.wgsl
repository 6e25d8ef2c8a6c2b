// y[n, i] = which of the points q[n] is nearest to p[n, i]; of equally near ones the first. A thread looks for PER neighbouring
// points at once: each q is then read once for all. Where there are many q, a dispatch looks at those from `begin` to `end`
// and goes on from what the one before found.
struct Params {
    total: u32,
    p_count: u32,
    q_count: u32,
    parts: u32, // threads that share a sample
    begin: u32, // the points q looked at
    end: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read> q: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let sample = i / params.parts;
    let start = i % params.parts * PER;
    let first = sample * params.q_count;
    var points: array<vec3<f32>, PER>;
    var least: array<f32, PER>;
    var nearest: array<u32, PER>;
    for (var k = 0u; k < PER; k++) {
        // Behind the last point the last again.
        let at = 3u * (sample * params.p_count + min(start + k, params.p_count - 1u));
        points[k] = vec3(p[at], p[at + 1u], p[at + 2u]);
        if params.begin > 0u {
            nearest[k] = y[at / 3u];
        }
        let so_far = 3u * (first + nearest[k]);
        let offset = points[k] - vec3(q[so_far], q[so_far + 1u], q[so_far + 2u]);
        least[k] = dot(offset, offset);
    }
    for (var other = max(params.begin, 1u); other < params.end; other++) {
        let at = 3u * (first + other);
        let place = vec3(q[at], q[at + 1u], q[at + 2u]);
        for (var k = 0u; k < PER; k++) {
            let offset = points[k] - place;
            let squared = dot(offset, offset);
            nearest[k] = select(nearest[k], other, squared < least[k]);
            least[k] = min(least[k], squared);
        }
    }
    for (var k = 0u; k < PER; k++) {
        if start + k < params.p_count {
            y[sample * params.p_count + start + k] = nearest[k];
        }
    }
}
