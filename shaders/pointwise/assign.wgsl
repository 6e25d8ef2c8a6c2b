// state = value, unless the guard is not finite. Words are copied as bits; buffers are padded to whole vec4s.
struct Params {
    quads: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> value: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> guard: array<u32>;
@group(0) @binding(3) var<storage, read_write> state: array<vec4<u32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    // All exponent bits set: NaN or infinity. Tested on the bits, which no compiler may assume away.
    let finite = (guard[0] & 0x7f800000u) != 0x7f800000u;
    if i < params.quads && finite {
        state[i] = value[i];
    }
}
