//! Random numbers by counting.

use super::Tensor;

/// Ten rounds of Philox-4×32 (Salmon et al. 2011): four words from a counter and a key.
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let (mut c, mut k) = (counter, key);
    for _ in 0..10 {
        let p = 0xD251_1F53u64 * u64::from(c[0]);
        let q = 0xCD9E_8D57u64 * u64::from(c[2]);
        c = [(q >> 32) as u32 ^ c[1] ^ k[0], q as u32, (p >> 32) as u32 ^ c[3] ^ k[1], p as u32];
        k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
    }
    c
}

/// The word of an element.
fn word(element: usize, step: u32, seed: u64) -> u32 {
    philox([(element / 4) as u32, step, 0, 0], [seed as u32, (seed >> 32) as u32])[element % 4]
}

/// Uniform in [0, 1), 24 bits each.
pub fn uniform(dims: &[usize], step: u32, seed: u64) -> Tensor {
    let count = dims.iter().product();
    let data = (0..count).map(|i| f64::from(word(i, step, seed) >> 8) / f64::from(1 << 24)).collect();
    Tensor { dims: dims.to_vec(), data }
}

/// Standard normal, each pair of words a radius and an angle.
pub fn normal(dims: &[usize], step: u32, seed: u64) -> Tensor {
    let count = dims.iter().product();
    let unit = f64::from(1 << 24);
    let draw = |i: usize| {
        let radius = f64::from((word(i - i % 2, step, seed) >> 8) + 1) / unit;
        let angle = std::f64::consts::TAU * f64::from(word(i - i % 2 + 1, step, seed) >> 8) / unit;
        (-2.0 * radius.ln()).sqrt() * if i.is_multiple_of(2) { angle.cos() } else { angle.sin() }
    };
    Tensor { dims: dims.to_vec(), data: (0..count).map(draw).collect() }
}

/// Elements whose word is below 2³²·probability are 0, the others divided by 1 − probability.
pub fn dropout(x: &Tensor, probability: f64, step: u32, seed: u64) -> Tensor {
    let kept = |i: usize| f64::from(word(i, step, seed)) >= (probability * 2f64.powi(32)).floor();
    let data = x.data.iter().enumerate().map(|(i, v)| if kept(i) { v / (1.0 - probability) } else { 0.0 }).collect();
    Tensor { dims: x.dims.clone(), data }
}
