// The hand's depth in mm or its mask, from keys and from what shading says is seen of the hand; four pixels a thread.
struct Params {
    pixels: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> key: array<u32>;
@group(0) @binding(2) var<storage, read> scene: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    let last = params.pixels - 1u;
    if 4u * i <= last {
        let at = min(vec4(4u * i) + vec4(0u, 1u, 2u, 3u), vec4(last));
        let seen = vec4(scene[at.x].y, scene[at.y].y, scene[at.z].y, scene[at.w].y) >= vec4(0x10000u);
        var value = vec4(1.0);
        if !MASK {
            // Half a step up: the middle of what the key's depth stands for.
            value = (vec4<f32>(vec4(key[at.x], key[at.y], key[at.z], key[at.w]) >> vec4(12u)) + 0.5) / 256.0;
        }
        y[i] = select(vec4(0.0), value, seen);
    }
}
