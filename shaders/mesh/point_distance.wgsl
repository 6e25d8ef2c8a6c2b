// y[n, i] = |p[n, i] − q[n, nearest[n, i]]|², or with GRAD from the prelude the gradient of that with respect to p, from gy.
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
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let at = 3u * (i / params.p_count * params.q_count + nearest[i]);
    let offset = vec3(p[3u * i] - q[at], p[3u * i + 1u] - q[at + 1u], p[3u * i + 2u] - q[at + 2u]);
    if GRAD {
        let g = 2.0 * gy[i] * offset;
        y[3u * i] = g.x;
        y[3u * i + 1u] = g.y;
        y[3u * i + 2u] = g.z;
    } else {
        y[i] = dot(offset, offset);
    }
}
