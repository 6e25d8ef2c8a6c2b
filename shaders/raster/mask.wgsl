// 1 where a face is seen, 0 elsewhere.
struct Params {
    total: u32,
    faces: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> visible: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i < params.total {
        y[i] = select(0.0, 1.0, visible[i] < params.faces);
    }
}
