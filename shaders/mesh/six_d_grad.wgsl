// gx of six_d.wgsl.
struct Params {
    rotations: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gy: array<f32>;
@group(0) @binding(3) var<storage, read_write> gx: array<f32>;

fn column(i: u32, k: u32) -> vec3<f32> {
    let at = 9u * i + k;
    return vec3(gy[at], gy[at + 3u], gy[at + 6u]);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.rotations {
        return;
    }
    let at = 6u * i;
    let first = vec3(x[at], x[at + 1u], x[at + 2u]);
    let second = vec3(x[at + 3u], x[at + 4u], x[at + 5u]);
    let a = unit(first);
    let across = second - dot(a, second) * a;
    let b = unit(across);
    let gc = column(i, 2u);
    let g_across = unit_grad(across, column(i, 1u) + cross(gc, a));
    let ga = column(i, 0u) + cross(b, gc) - dot(a, second) * g_across - dot(a, g_across) * second;
    let g_first = unit_grad(first, ga);
    let g_second = g_across - dot(a, g_across) * a;
    gx[at] = g_first.x;
    gx[at + 1u] = g_first.y;
    gx[at + 2u] = g_first.z;
    gx[at + 3u] = g_second.x;
    gx[at + 4u] = g_second.y;
    gx[at + 5u] = g_second.z;
}
