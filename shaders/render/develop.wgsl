// The camera: blur by a 5 × 5 point spread function, vignetting, white balance, noise that grows with the light, a soft
// shoulder, gamma, saturation and contrast. A thread makes PIXELS pixels of a row, so that each is loaded for several.
struct Params {
    size: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scene: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> looks: array<Look>;
@group(0) @binding(3) var<storage, read_write> rgb: array<f32>;

fn at_pixel(at: u32) -> vec3<f32> {
    let words = scene[at];
    let root = vec3(unpack2x16unorm(words.x), unpack2x16unorm(words.y).x);
    return 8.0 * root * root;
}

// Adds a row of five taps to PIXELS neighbouring pixels.
fn blur_row(sum: ptr<function, array<vec3<f32>, PIXELS>>, line: u32, first: i32, last: i32, w: array<f32, 5>) {
    var taps: array<vec3<f32>, PIXELS + 4>;
    for (var k = 0; k < i32(PIXELS) + 4; k++) {
        taps[k] = at_pixel(line + u32(clamp(first + k - 2, 0, last)));
    }
    for (var k = 0; k < i32(PIXELS); k++) {
        (*sum)[k] += w[0] * taps[k] + w[1] * taps[k + 1] + w[2] * taps[k + 2] + w[3] * taps[k + 3] + w[4] * taps[k + 4];
    }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    // A workgroup is part of one row of one image, so what belongs to the image is uniform.
    let size = params.size;
    let image = group.z;
    let first = PIXELS * (group.x * WG + lane);
    if first >= size {
        return;
    }
    let last = i32(size) - 1;
    let grade = looks[image].grade;
    let grain = looks[image].grain;
    let balance = looks[image].balance;
    let seed = mix_bits(u32(looks[image].detail.w));
    let psf_0 = looks[image].psf[0];
    let psf_1 = looks[image].psf[1];
    let psf_2 = looks[image].psf[2];
    let psf_3 = looks[image].psf[3];
    let psf_4 = looks[image].psf[4];
    let psf_5 = looks[image].psf[5];
    let psf_6 = looks[image].psf[6];
    let start = i32(first);
    let row = i32(group.y);
    let line = vec3<i32>(i32(image * size)) + clamp(vec3(row - 1, row, row + 1), vec3(0), vec3(last));
    let lines = vec3<u32>(line) * size;
    var light: array<vec3<f32>, PIXELS>;
    blur_row(&light, lines.x, start, last, array(psf_1.y, psf_1.z, psf_1.w, psf_2.x, psf_2.y));
    blur_row(&light, lines.y, start, last, array(psf_2.z, psf_2.w, psf_3.x, psf_3.y, psf_3.z));
    blur_row(&light, lines.z, start, last, array(psf_3.w, psf_4.x, psf_4.y, psf_4.z, psf_4.w));
    // Sharp photos, which are most, have nothing in the outer rows.
    if grain.w > 1.0 {
        let outer = vec2<i32>(i32(image * size)) + clamp(vec2(row - 2, row + 2), vec2(0), vec2(last));
        let far = vec2<u32>(outer) * size;
        blur_row(&light, far.x, start, last, array(psf_0.x, psf_0.y, psf_0.z, psf_0.w, psf_1.x));
        blur_row(&light, far.y, start, last, array(psf_5.x, psf_5.y, psf_5.z, psf_5.w, psf_6.x));
    }
    for (var k = 0u; k < PIXELS; k++) {
        let column = first + k;
        let from_centre = (vec2(f32(column), f32(group.y)) + 0.5) / f32(size) - 0.5;
        let exposed = light[k] * (balance.rgb * (grade.x * (1.0 - grade.w * dot(from_centre, from_centre))));
        // Sums of four bytes are near enough to a normal distribution; their variance is 4 · 256² / 12.
        let pixel = group.y * size + column;
        var noise: vec3<f32>;
        for (var c = 0u; c < 3u; c++) {
            let h = mix_bits(pixel * 3u + c + seed);
            noise[c] = f32((h & 0xffu) + ((h >> 8u) & 0xffu) + ((h >> 16u) & 0xffu) + (h >> 24u)) - 510.0;
        }
        let noisy = max(exposed + noise * (sqrt(grain.x * grain.x + grain.y * grain.y * exposed) / 147.8), vec3(1e-5));
        // From 0.7 on, a soft shoulder instead of a hard clip: 0.7 + 0.3 t / (1 + t).
        let over = max(noisy - 0.7, vec3(0.0)) / 0.3;
        let linear = min(noisy, 0.7 + 0.3 * over / (1.0 + over));
        var value = pow(linear, vec3(balance.w / 2.2));
        value = mix(vec3(dot(value, vec3(0.299, 0.587, 0.114))), value, grade.z);
        value = clamp(0.5 + (value - 0.5) * grade.y, vec3(0.0), vec3(1.0));
        if column < size {
            let at = 3u * (image * size * size + pixel);
            rgb[at] = value.r;
            rgb[at + 1u] = value.g;
            rgb[at + 2u] = value.b;
        }
    }
}
