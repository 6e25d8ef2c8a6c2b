// The camera: blur by a 5 × 5 point spread function, vignetting, white balance, contrast, saturation, the sRGB curve
// with a further gamma, and noise that grows with the light.
struct Params {
    size: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scene: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> looks: array<Look>;
@group(0) @binding(3) var<storage, read_write> rgb: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    // A workgroup is part of one row of one image, so what belongs to the image is uniform.
    let size = params.size;
    let image = group.z;
    let column = group.x * WG + lane;
    if column >= size {
        return;
    }
    let pixel_index = group.y * size + column;
    let i = image * size * size + pixel_index;
    let x = i32(column);
    let y = i32(group.y);
    let last = i32(size) - 1;
    var light = vec3(0.0);
    for (var dy = 0; dy < 5; dy++) {
        let line = image * size * size + u32(clamp(y + dy - 2, 0, last)) * size;
        for (var dx = 0; dx < 5; dx++) {
            let tap = u32(5 * dy + dx);
            light += looks[image].psf[tap / 4u][tap % 4u] * scene[line + u32(clamp(x + dx - 2, 0, last))].rgb;
        }
    }
    let grade = looks[image].grade;
    let grain = looks[image].grain;
    let balance = looks[image].balance;
    let from_centre = (vec2(f32(x), f32(y)) + 0.5) / f32(size) - 0.5;
    light *= grade.x * (1.0 - grade.w * dot(from_centre, from_centre)) * balance.rgb;
    // Sums of four bytes are near enough to a normal distribution: variance 4 · 256² / 12.
    let seed = u32(looks[image].detail.w);
    var noise = vec3(0.0);
    for (var k = 0u; k < 3u; k++) {
        let h = mix_bits(pixel_index * 3u + k + seed * 0x9e3779b1u);
        noise[k] = (f32(h & 0xffu) + f32(h >> 8u & 0xffu) + f32(h >> 16u & 0xffu) + f32(h >> 24u) - 510.0) / 147.8;
    }
    light += noise * sqrt(grain.x * grain.x + grain.y * grain.y * max(light, vec3(0.0)));
    // A soft shoulder instead of a hard clip.
    light = max(light, vec3(0.0));
    light = min(light, 0.7 + 0.3 * (1.0 - exp2(-4.8 * max(light - 0.7, vec3(0.0)))));
    let linear = pow(max(light, vec3(1e-5)), vec3(balance.w));
    var value = select(1.055 * pow(linear, vec3(1.0 / 2.4)) - 0.055, 12.92 * linear, linear < vec3(0.0031308));
    let grey = dot(value, vec3(0.299, 0.587, 0.114));
    value = mix(vec3(grey), value, grade.z);
    value = 0.5 + (value - 0.5) * grade.y;
    value = clamp(value, vec3(0.0), vec3(1.0));
    rgb[3u * i] = value.r;
    rgb[3u * i + 1u] = value.g;
    rgb[3u * i + 2u] = value.b;
}
