// y[row, c] = 1 where index[row] is c, else 0; the index as u32, or with FLOAT from the prelude as f32.
struct Params {
    total: u32,
    classes: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let word = index[i / params.classes];
    let class_here = i % params.classes;
    let hit = select(word == class_here, bitcast<f32>(word) == f32(class_here), FLOAT);
    y[i] = select(0.0, 1.0, hit);
}
