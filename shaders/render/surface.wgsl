// What shading needs at each vertex: the normal (area-weighted sum over its faces), how much of the surroundings it
// sees, and how much of the first two lights. Occluders are the hand's bones as capsules: soft shadows and contact
// darkening for a few hundred operations a vertex.
//
// surface is images × vertices × 2 words: the normal in three times ten bits; visibility and the two lights in bytes.
struct Params {
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
@group(0) @binding(6) var<storage, read_write> surface: array<vec2<u32>>;

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
    let radius = mix(capsule.from_end.w, capsule.to_end.w, t);
    let gap = length(w + towards * s - v * t) - radius;
    let blur = 1.5 + 0.18 * max(s, 0.0);
    return select(smoothstep(-blur, blur, gap), 1.0, s < 1.0);
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    // Four vertices a thread, so that each capsule is loaded once for four.
    let image = group.y;
    let first = 4u * (group.x * WG + lane);
    let lamp_a = looks[image].lights[0].towards.xyz;
    let lamp_b = looks[image].lights[1].towards.xyz;
    var p: array<vec3<f32>, 4>;
    var normal: array<vec3<f32>, 4>;
    var own: array<u32, 4>;
    var light: array<vec2<f32>, 4>;
    var open: array<f32, 4>;
    for (var j = 0u; j < 4u; j++) {
        let v = min(first + j, params.vertices - 1u);
        p[j] = vertex(image, v);
        own[j] = rows[v].y;
        light[j] = vec2(1.0);
        open[j] = 1.0;
        var sum = vec3(0.0);
        for (var k = rows[v].x; k < rows[v + 1u].x; k++) {
            let fan = fans[k];
            sum += cross(vertex(image, fan & 0xffffu) - p[j], vertex(image, fan >> 16u) - p[j]);
        }
        normal[j] = sum / max(length(sum), 1e-6);
    }
    for (var k = 0u; k < params.capsules; k++) {
        let capsule = capsules[image * params.capsules + k];
        let axis = capsule.to_end.xyz - capsule.from_end.xyz;
        let per_length = 1.0 / max(dot(axis, axis), 1e-6);
        for (var j = 0u; j < 4u; j++) {
            let t = clamp(dot(p[j] - capsule.from_end.xyz, axis) * per_length, 0.0, 1.0);
            let radius = mix(capsule.from_end.w, capsule.to_end.w, t);
            let d = capsule.from_end.xyz + axis * t - p[j];
            let distance = max(length(d), 1e-3);
            // The part of the hemisphere that a sphere there would cover.
            let near = min(radius / distance, 1.0);
            let covered = 0.75 * near * near * clamp(0.3 + 0.7 * dot(normal[j], d) / distance, 0.0, 1.0);
            let other = ((own[j] >> k) & 1u) == 0u;
            open[j] *= select(1.0, 1.0 - covered, other);
            let pass_ = vec2(passing(p[j], lamp_a, capsule), passing(p[j], lamp_b, capsule));
            light[j] *= select(vec2(1.0), pass_, other);
        }
    }
    for (var j = 0u; j < 4u; j++) {
        if first + j < params.vertices {
            let n = vec3<u32>(vec3<i32>(round(normal[j] * 511.0))) & vec3(0x3ffu);
            let seen = pack4x8unorm(vec4(open[j], light[j], 0.0));
            surface[image * params.vertices + first + j] = vec2(n.x | (n.y << 10u) | (n.z << 20u), seen);
        }
    }
}
