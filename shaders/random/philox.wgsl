// Philox-4×32-10 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", §3.3): random words as a
// function of a counter and a key, in whole numbers alone, so that they are the same everywhere.

// The 64 bits of a·b: high word, low word.
fn wide_product(a: u32, b: u32) -> vec2<u32> {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let cross = a_low * b_high;
    let other = a_high * b_low;
    let middle = ((a_low * b_low) >> 16u) + (cross & 0xffffu) + (other & 0xffffu);
    let high = a_high * b_high + (cross >> 16u) + (other >> 16u) + (middle >> 16u);
    return vec2(high, a * b);
}

fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    var words = counter;
    var round_key = key;
    for (var r = 0u; r < 10u; r++) {
        let p = wide_product(0xd2511f53u, words.x);
        let q = wide_product(0xcd9e8d57u, words.z);
        words = vec4(q.x ^ words.y ^ round_key.x, q.y, p.x ^ words.w ^ round_key.y, p.y);
        round_key += vec2(0x9e3779b9u, 0xbb67ae85u);
    }
    return words;
}

// The step as a whole number: the operand's word, or with FLOAT_STEP from the prelude the number it holds. One that is
// negative or not finite counts as 0.
fn whole_step(word: u32) -> u32 {
    let negative_or_not_finite = word >= 0x7f800000u;
    if FLOAT_STEP {
        // The greatest f32 below 2³².
        return select(u32(min(bitcast<f32>(word), 4294967040.0)), 0u, negative_or_not_finite);
    }
    return word;
}
