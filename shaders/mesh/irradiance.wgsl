// y = ambient + Σ_l max(n·direction_l, 0) · colour_l, and with HARMONICS from the prelude + Σ_k Y_k(n) · harmonics_k, for each
// unit normal n. A set of lights is for so many normals, one after the other.
struct Params {
    normals: u32,
    normals_a_set: u32,
    lights: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> normals: array<f32>;
@group(0) @binding(2) var<storage, read> ambient: array<f32>;
@group(0) @binding(3) var<storage, read> directions: array<f32>;
@group(0) @binding(4) var<storage, read> colours: array<f32>;
@group(0) @binding(5) var<storage, read> harmonics: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.normals {
        return;
    }
    let lamps = i / params.normals_a_set;
    let n = vec3(normals[3u * i], normals[3u * i + 1u], normals[3u * i + 2u]);
    var light = vec3(ambient[3u * lamps], ambient[3u * lamps + 1u], ambient[3u * lamps + 2u]);
    for (var l = lamps * params.lights; l < (lamps + 1u) * params.lights; l++) {
        let cosine = dot(n, vec3(directions[3u * l], directions[3u * l + 1u], directions[3u * l + 2u]));
        light += max(cosine, 0.0) * vec3(colours[3u * l], colours[3u * l + 1u], colours[3u * l + 2u]);
    }
    if HARMONICS {
        var basis = spherical_harmonics(n);
        for (var k = 0u; k < 9u; k++) {
            let at = 27u * lamps + 3u * k;
            light += basis[k] * vec3(harmonics[at], harmonics[at + 1u], harmonics[at + 2u]);
        }
    }
    y[3u * i] = light.x;
    y[3u * i + 1u] = light.y;
    y[3u * i + 2u] = light.z;
}
