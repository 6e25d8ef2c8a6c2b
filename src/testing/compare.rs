//! Comparisons that nothing slips through: neither NaN nor infinity nor a missing element.

/// The unit of [`Tolerance`]: half the spacing of f32 at 1, the rounding error of one operation.
pub const EPSILON: f64 = 1.0 / (1u32 << 24) as f64;

/// How far a result may be from what is expected. An element passes if its error is at most the sum of the parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// In units of [`EPSILON`], relative to the element itself.
    pub of_value: f64,
    /// In units of [`EPSILON`], relative to the tensor's largest element: for sums that cancel.
    pub of_largest: f64,
    /// Absolute.
    pub absolute: f64,
}

impl Tolerance {
    /// Equal values (0 and −0 are).
    pub const EXACT: Tolerance = Tolerance { of_value: 0.0, of_largest: 0.0, absolute: 0.0 };

    /// A number of roundings, relative to each element.
    pub const fn ulps(n: f64) -> Tolerance {
        Tolerance { of_value: n, ..Self::EXACT }
    }

    /// Relative to each element.
    pub const fn relative(part: f64) -> Tolerance {
        Tolerance { of_value: part / EPSILON, ..Self::EXACT }
    }

    /// Relative to the tensor's largest element.
    pub const fn of_largest(part: f64) -> Tolerance {
        Tolerance { of_largest: part / EPSILON, ..Self::EXACT }
    }

    /// The same for every element.
    pub const fn absolute(error: f64) -> Tolerance {
        Tolerance { absolute: error, ..Self::EXACT }
    }

    /// The sum of its relative parts, in units of [`EPSILON`].
    pub fn total(&self) -> f64 {
        self.of_value + self.of_largest
    }
}

/// Fails unless every element of `got` is finite and as close to `want` as `tolerance` says. Gives the worst error as a
/// part of what was allowed.
pub fn close(got: &[f32], want: &[f64], tolerance: Tolerance) -> Result<f64, String> {
    if got.len() != want.len() {
        return Err(format!("{} elements, expected {}", got.len(), want.len()));
    }
    finite(got)?;
    if let Some(i) = want.iter().position(|v| !v.is_finite()) {
        return Err(format!("the expected element {i} is {}", want[i]));
    }
    let largest = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let (mut worst, mut at, mut beyond) = (0.0f64, 0, 0);
    let error = |i: usize| (f64::from(got[i]) - want[i]).abs();
    // Devices may take subnormal numbers for zero.
    let flushed = f64::from(f32::MIN_POSITIVE);
    let allowed = |i: usize| {
        EPSILON * (tolerance.of_value * want[i].abs() + tolerance.of_largest * largest) + tolerance.absolute + flushed
    };
    for i in 0..got.len() {
        let part = error(i) / allowed(i);
        beyond += usize::from(part > 1.0);
        if part > worst {
            (worst, at) = (part, i);
        }
    }
    if beyond == 0 {
        return Ok(worst);
    }
    Err(format!(
        "element {at} is {:e}, expected {:e}: off by {:.2e}, allowed {:.2e} ({beyond} of {} elements are off)",
        got[at],
        want[at],
        error(at),
        allowed(at),
        got.len()
    ))
}

/// Fails if there is a NaN or an infinity.
pub fn finite(values: &[f32]) -> Result<(), String> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(i) => Err(format!("element {i} is {}", values[i])),
        None => Ok(()),
    }
}

/// Fails unless two runs gave the same bits.
pub fn same_bits(first: &[Vec<f32>], second: &[Vec<f32>]) -> Result<(), String> {
    if first.len() != second.len() {
        return Err(format!("{} tensors, then {}", first.len(), second.len()));
    }
    for (t, (a, b)) in first.iter().zip(second).enumerate() {
        if a.len() != b.len() {
            return Err(format!("tensor {t} has {} elements, then {}", a.len(), b.len()));
        }
        if let Some(i) = (0..a.len()).find(|&i| a[i].to_bits() != b[i].to_bits()) {
            return Err(format!("tensor {t}, element {i} is {:e}, then {:e}", a[i], b[i]));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_slips_through() {
        let want = [1.0, -2.0, 0.0];
        assert_eq!(close(&[1.0, -2.0, 0.0], &want, Tolerance::EXACT), Ok(0.0));
        let off = 1.0 + f32::EPSILON;
        assert_eq!(close(&[off, -2.0, 0.0], &want, Tolerance::ulps(2.0)).map(|part| part.round()), Ok(1.0));
        for (got, part) in [
            (&[off, -2.0, 0.0][..], "element 0"),
            (&[1.0, f32::NAN, 0.0], "element 1 is NaN"),
            (&[1.0, -2.0, f32::INFINITY], "element 2 is inf"),
            (&[1.0, -2.0], "2 elements, expected 3"),
        ] {
            let error = close(got, &want, Tolerance::ulps(1.0)).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
        assert!(close(&[1.0], &[f64::NAN], Tolerance::absolute(9.0)).is_err());
        assert!(close(&[0.1, 8.0], &[0.0, 8.0], Tolerance::of_largest(0.02)).is_ok());
        assert!(close(&[0.1, 8.0], &[0.0, 8.0], Tolerance::relative(0.02)).is_err());
        assert!(same_bits(&[vec![0.0]], &[vec![-0.0]]).is_err());
    }
}
