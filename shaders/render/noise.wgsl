// Hashes and value noise in two and three dimensions, in [0, 1].
fn mix_bits(x: u32) -> u32 {
    var h = x;
    h = (h ^ (h >> 15u)) * 0x2c1b3c6du;
    h = (h ^ (h >> 12u)) * 0x297a2d39u;
    return h ^ (h >> 15u);
}

fn unit(h: u32) -> f32 {
    return f32(h >> 8u) * (1.0 / 16777216.0);
}

fn hash2(p: vec2<i32>, seed: u32) -> u32 {
    return mix_bits(u32(p.x) * 0x9e3779b1u + u32(p.y) * 0x85ebca77u + seed);
}

fn noise2(p: vec2<f32>, seed: u32) -> f32 {
    let cell = floor(p);
    let f = p - cell;
    let w = f * f * (3.0 - 2.0 * f);
    let x = vec2(0, 1) + i32(cell.x);
    let y = i32(cell.y);
    let low = mix(unit(hash2(vec2(x.x, y), seed)), unit(hash2(vec2(x.y, y), seed)), w.x);
    let high = mix(unit(hash2(vec2(x.x, y + 1), seed)), unit(hash2(vec2(x.y, y + 1), seed)), w.x);
    return mix(low, high, w.y);
}

fn noise3(p: vec3<f32>, seed: u32) -> f32 {
    let cell = floor(p.z);
    let f = p.z - cell;
    let layer = u32(i32(cell)) * 0xc2b2ae3du + seed;
    return mix(noise2(p.xy, layer), noise2(p.xy, layer + 0xc2b2ae3du), f * f * (3.0 - 2.0 * f));
}
