// y = the rotation whose first two columns come from two vectors by Gram and Schmidt, the third their cross product (Zhou et
// al. 2019, "On the Continuity of Rotation Representations", eq. 15). A column that cannot be told is 0.
struct Params {
    rotations: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

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
    let b = unit(second - dot(a, second) * a);
    let c = cross(a, b);
    for (var row = 0u; row < 3u; row++) {
        y[9u * i + 3u * row] = a[row];
        y[9u * i + 3u * row + 1u] = b[row];
        y[9u * i + 3u * row + 2u] = c[row];
    }
}
