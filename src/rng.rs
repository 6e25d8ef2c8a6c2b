//! Random numbers by counting: draw `n` of a stream is a hash of its key and `n`.
//!
//! The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). Integers,
//! [`Rng::uniform`] and [`Rng::normal`] use exact arithmetic only, so a seed gives the same bits on every machine.

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of random numbers; `Copy`, so keeping one is keeping a place to resume from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The start of stream `stream` of `seed`. Different pairs give unrelated streams: give each sample its own.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self { state: mix(mix(seed.wrapping_add(GAMMA)) ^ stream.wrapping_mul(GAMMA)) }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        mix(self.state)
    }

    /// Uniform in [0, 1), a multiple of 2⁻²⁴.
    pub fn uniform(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// Uniform between `low` (included) and `high`.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Uniform integer below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.next_u64() as u128 * n as u128) >> 64) as usize
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f32) -> bool {
        self.uniform() < p
    }

    /// Nearly normal, mean 0 and variance 1, never beyond ±6: the sum of twelve uniform 16-bit integers, rescaled.
    /// No logarithm or cosine, whose last bits differ between platforms.
    pub fn normal(&mut self) -> f32 {
        let mut sum = 0u64;
        for _ in 0..3 {
            let bits = self.next_u64();
            sum += (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
        }
        // Each term has mean 65535/2; twelve of variance ≈ 65536²/12 make one of 65536².
        (sum as i64 - 6 * 65_535) as f32 / 65_536.0
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_reference_values() {
        // The published test vector for state 0.
        let mut rng = Rng { state: 0 };
        assert_eq!(rng.next_u64(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(rng.next_u64(), 0x6E78_9E6A_A1B9_65F4);
        assert_eq!(rng.next_u64(), 0x06C4_5D18_8009_454F);
    }

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |seed, stream| Rng::new(seed, stream).next_u64();
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(2, 1));
        assert_ne!(draw(0, 0), draw(0, 1));
        assert_ne!(draw(0, 0), draw(1, 0));
    }

    #[test]
    fn moments() {
        let mut rng = Rng::new(7, 0);
        let n = 40_000;
        let (mut mean, mut square, mut uniform) = (0.0f64, 0.0f64, 0.0f64);
        for _ in 0..n {
            let x = rng.normal() as f64;
            mean += x / n as f64;
            square += x * x / n as f64;
            uniform += rng.uniform() as f64 / n as f64;
        }
        assert!(mean.abs() < 0.02, "mean {mean}");
        assert!((square - 1.0).abs() < 0.03, "variance {square}");
        assert!((uniform - 0.5).abs() < 0.01, "uniform mean {uniform}");
    }

    #[test]
    fn below_covers_its_range() {
        let mut rng = Rng::new(3, 3);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            seen[rng.below(5)] += 1;
        }
        assert!(seen.iter().all(|&n| n > 150), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert!((0..1000).all(|_| (2.0..3.0).contains(&rng.range(2.0, 3.0))));
    }
}
