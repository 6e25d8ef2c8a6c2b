// What shading needs at each vertex: the normal (area-weighted sum over its faces), how much of the surroundings it
// sees, and how much of the first two lights. Occluders are the hand's bones as capsules: soft shadows and contact
// darkening for a few hundred operations a vertex.
//
// surface is images × vertices × 8: normal, ambient visibility, light of the first and second lamp, two unused.
struct Params {
    images: u32,
    vertices: u32,
    capsules: u32,
}
// Two ends with the radius there.
struct Capsule {
    from_end: vec4<f32>,
    to_end: vec4<f32>,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> vertices: array<f32>;
@group(0) @binding(2) var<storage, read> capsules: array<Capsule>;
@group(0) @binding(3) var<storage, read> looks: array<Look>;
// Per vertex: first entry of its faces in `fans`, and the set of capsules that it is part of.
@group(0) @binding(4) var<storage, read> rows: array<vec2<u32>>;
// Per vertex and face around it: the other two corners, 16 bits each.
@group(0) @binding(5) var<storage, read> fans: array<u32>;
@group(0) @binding(6) var<storage, read_write> surface: array<vec4<f32>>;

fn vertex(image: u32, index: u32) -> vec3<f32> {
    let at = 3u * (image * params.vertices + index);
    return vec3(vertices[at], vertices[at + 1u], vertices[at + 2u]);
}

// The share of a lamp's light that passes a capsule on its way to `p`.
fn passing(p: vec3<f32>, towards: vec3<f32>, capsule: Capsule) -> f32 {
    // The closest points of the ray p + s·towards and the segment.
    let v = capsule.to_end.xyz - capsule.from_end.xyz;
    let w = p - capsule.from_end.xyz;
    let vv = dot(v, v);
    let uv = dot(towards, v);
    let uw = dot(towards, w);
    let vw = dot(v, w);
    let t = clamp((vw - uv * uw) / max(vv - uv * uv, 1e-3 * vv), 0.0, 1.0);
    let s = uv * t - uw;
    if s < 1.0 {
        return 1.0;
    }
    let radius = mix(capsule.from_end.w, capsule.to_end.w, t);
    let gap = length(w + towards * s - v * t) - radius;
    let blur = 1.5 + 0.18 * s;
    return smoothstep(-blur, blur, gap);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.images * params.vertices {
        return;
    }
    let image = i / params.vertices;
    let v = i % params.vertices;
    let p = vertex(image, v);
    var sum = vec3(0.0);
    for (var k = rows[v].x; k < rows[v + 1u].x; k++) {
        let fan = fans[k];
        sum += cross(vertex(image, fan & 0xffffu) - p, vertex(image, fan >> 16u) - p);
    }
    let normal = sum / max(length(sum), 1e-6);
    let towards = array(looks[image].lights[0].towards.xyz, looks[image].lights[1].towards.xyz);
    var light = vec2(1.0);
    var open = 1.0;
    for (var k = 0u; k < params.capsules; k++) {
        if (rows[v].y >> k & 1u) == 1u {
            continue;
        }
        let capsule = capsules[image * params.capsules + k];
        let axis = capsule.to_end.xyz - capsule.from_end.xyz;
        let t = clamp(dot(p - capsule.from_end.xyz, axis) / max(dot(axis, axis), 1e-6), 0.0, 1.0);
        let radius = mix(capsule.from_end.w, capsule.to_end.w, t);
        let d = capsule.from_end.xyz + axis * t - p;
        let distance = max(length(d), 1e-3);
        // The part of the hemisphere that a sphere there would cover.
        let near = min(radius / distance, 1.0);
        open *= 1.0 - 0.75 * near * near * clamp(0.3 + 0.7 * dot(normal, d) / distance, 0.0, 1.0);
        light *= vec2(passing(p, towards[0], capsule), passing(p, towards[1], capsule));
    }
    surface[2u * i] = vec4(normal, open);
    surface[2u * i + 1u] = vec4(light, 0.0, 0.0);
}
