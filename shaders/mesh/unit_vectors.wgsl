// y = the direction of each vector x, or with GRAD from the prelude the gradient of that from x and gy.
struct Params {
    vectors: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.vectors {
        return;
    }
    let v = vec3(x[3u * i], x[3u * i + 1u], x[3u * i + 2u]);
    var result: vec3<f32>;
    if GRAD {
        result = unit_grad(v, vec3(gy[3u * i], gy[3u * i + 1u], gy[3u * i + 2u]));
    } else {
        result = unit(v);
    }
    y[3u * i] = result.x;
    y[3u * i + 1u] = result.y;
    y[3u * i + 2u] = result.z;
}
