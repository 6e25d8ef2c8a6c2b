// Makes faces ready to be drawn: drops what cannot be seen and snaps corners to sub-pixels. See face.wgsl for what is written.
//
// The guard band reaches the image's longer side from its centre to every side. Within it coordinates in sub-pixels are at most
// 2^14, so twice the area of any triangle there, which is what an edge function is, is at most 2^30: exact in 32 bits. Faces that leave it or cross the near plane are listed for clip.wgsl; in which order
// does not matter.
struct Params {
    total: u32,
    vertices: u32,
    indices: u32, // faces that are listed: the same for all images, or those of each
    width: u32,
    height: u32,
    bits: u32,
    cull: u32,
    near: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> corners: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> setup: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> to_clip: array<atomic<u32>>; // how many, then which

fn is_listed(i: u32) -> bool {
    if !INDEXED {
        return true;
    }
    let at = 3u * (i % params.indices);
    return all(vec3(indices[at], indices[at + 1u], indices[at + 2u]) < vec3(params.vertices));
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = corners_of(i);
    let w = c.w;
    let size = vec2(f32(params.width), f32(params.height));
    let x = c.x - 0.5 * size.x * w;
    let y = c.y - 0.5 * size.y * w;
    let band = max(size.x, size.y);
    // Written so that a NaN is refused too.
    let drawable = is_listed(i) && all(abs(x) < vec3(1e15)) && all(abs(y) < vec3(1e15)) && all(abs(c.z) < vec3(1e15));
    let whole = drawable && all(c.z >= vec3(params.near)) && all(max(abs(x), abs(y)) <= band * w);
    let beyond = all(c.z < vec3(params.near)) || all(x > band * w) || all(-x > band * w) || all(y > band * w) || all(-y > band * w);
    if drawable && !whole && !beyond {
        let place = atomicAdd(&to_clip[0], 1u);
        atomicStore(&to_clip[place + 1u], i);
    }
    let scale = f32(1u << params.bits);
    // Of a face that is not whole these may be anything.
    let u = vec3<i32>(floor(clamp(x / w, vec3(-band), vec3(band)) * scale + 0.5));
    let v = vec3<i32>(floor(clamp(y / w, vec3(-band), vec3(band)) * scale + 0.5));
    let area = (u.y - u.x) * (v.z - v.x) - (v.y - v.x) * (u.z - u.x);
    let seen = whole && area != 0 && !is_turned_away(f32(area), params.cull);
    let low = vec2(min(u.x, min(u.y, u.z)), min(v.x, min(v.y, v.z)));
    let high = vec2(max(u.x, max(u.y, u.z)), max(v.x, max(v.y, v.z)));
    setup[3u * i] = vec4(select(0u, 3u, seen), pixel_box(low, high, params.width, params.height, params.bits), 0u);
    setup[3u * i + 1u] = vec4(packed(vec2(u.x, v.x)), packed(vec2(u.y, v.y)), packed(vec2(u.z, v.z)), 0u);
    setup[3u * i + 2u] = vec4(0u);
}
