// average = keep·average + (1 − keep)·value, but the value itself while `begun` is 0. Skipped if the guard is not finite.
struct Params {
    quads: u32,
    keep: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> value: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> begun: array<f32>;
@group(0) @binding(3) var<storage, read> guard: array<u32>;
@group(0) @binding(4) var<storage, read_write> average: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    let finite = (guard[0] & 0x7f800000u) != 0x7f800000u;
    if i < p.quads && finite {
        let now = value[i];
        average[i] = select(now, average[i] + (1.0 - p.keep) * (now - average[i]), begun[0] != 0.0);
    }
}
