//! Comparisons that nothing slips through: neither NaN nor infinity nor a missing element.

use crate::budget::Accuracy;

/// The unit in which errors are budgeted: half the spacing of f32 at 1.
pub const EPSILON: f64 = 1.0 / (1u32 << 24) as f64;

/// Fails unless every element of `got` is finite and as close to `want` as `accuracy` says.
pub fn close(got: &[f32], want: &[f64], accuracy: Accuracy) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{} elements, expected {}", got.len(), want.len()));
    }
    finite(got)?;
    if let Some(i) = want.iter().position(|v| !v.is_finite()) {
        return Err(format!("the reference's element {i} is {}", want[i]));
    }
    let largest = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(got) - want).abs();
        // Devices may take subnormal numbers for zero.
        let flushed = f64::from(f32::MIN_POSITIVE);
        let allowed = EPSILON * (accuracy.of_value * want.abs() + accuracy.of_largest * largest) + flushed;
        if error > allowed {
            return Err(format!(
                "element {i} is {got:e}, expected {want:e}: off by {error:.2e}, allowed {allowed:.2e}"
            ));
        }
    }
    Ok(())
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
