// Both arrays to all ones, the farthest depth and no face, four words a thread. Buffers are padded to whole vec4s.
struct Params {
    quads: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> nearest: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> visible: array<vec4<u32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i < params.quads {
        nearest[i] = vec4(0xffffffffu);
        visible[i] = vec4(0xffffffffu);
    }
}
