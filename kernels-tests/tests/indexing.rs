use kernels_tests::harness::{CHECKED, TRUSTED};
use kernels_tests::{cases, harness};
use knuckle::gpu::Data;
use knuckle::ops::{CumulativeSum, SortOrder};
use knuckle::rng::Rng;
use knuckle::{Recorder, Result};

#[test]
fn agrees_with_the_reference_in_both_directions() {
    harness::prove(&cases::indexing::cases());
}

/// Indices as large as can be read nothing and write nothing, in shaders that are not checked by the driver.
#[test]
fn indices_that_only_the_device_knows_may_be_anything() -> Result<()> {
    let r = Recorder::new();
    let (x, index) = (r.input("x", [4, 2]), r.input_u32("index", [5, 1]));
    let outputs =
        [x.gather(0, index)?, x.slice(0, 0, 2)?.gather(0, index)?, x.gather(0, index)?.scatter_add(0, index, 3)?];
    for gpu in [&TRUSTED, &CHECKED] {
        let mut executable = gpu.compile(&r, outputs)?;
        let inputs: [(&str, Data<'_>); 2] = [
            ("x", (&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0][..]).into()),
            ("index", (&[3u32, 4, u32::MAX, 0, 1 << 31][..]).into()),
        ];
        let out = executable.run(inputs)?;
        assert_eq!(out.f32(0), [7.0, 8.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0]);
        assert_eq!(out.f32(1), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0]);
        assert_eq!(out.f32(2), [1.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
    }
    Ok(())
}

/// Ascending: numbers, infinity, NaNs of either sign; zeros of both signs are equal, and equals keep their order.
#[test]
fn nan_is_greater_than_every_number() -> Result<()> {
    let nan = f32::NAN;
    let x = [nan, 1.0, -0.0, f32::INFINITY, -nan, 0.0, f32::NEG_INFINITY, -1.0, 1e-40, -1e-40];
    let r = Recorder::new();
    let v = r.input("x", [10]);
    let (up, down) = (v.sort(0, SortOrder::Ascending)?, v.sort(0, SortOrder::Descending)?);
    let top = v.top_k(0, 3)?;
    let mut executable = TRUSTED.compile(&r, [up.places, up.values, down.places, top.places])?;
    let out = executable.run([("x", &x[..])])?;
    let ascending = [6, 7, 9, 2, 5, 8, 1, 3, 0, 4];
    assert_eq!(out.u32(0), ascending);
    let bits: Vec<u32> = ascending.iter().map(|&i| x[i as usize].to_bits()).collect();
    assert_eq!(out.u32(1), bits, "values are moved bit by bit");
    assert_eq!(out.u32(2), [0, 4, 3, 1, 8, 2, 5, 9, 7, 6]);
    assert_eq!(out.u32(3), [0, 4, 3]);
    Ok(())
}

#[test]
fn u32_elements_are_sorted_as_they_are() -> Result<()> {
    let x = [5u32, 1 << 31, 0, u32::MAX, 5, 0x7fc0_0000];
    let r = Recorder::new();
    let v = r.input_u32("x", [6]);
    let (up, down) = (v.sort(0, SortOrder::Ascending)?, v.sort(0, SortOrder::Descending)?);
    let mut executable = TRUSTED.compile(&r, [up.values, up.places, down.values, down.places])?;
    let out = executable.run([("x", &x[..])])?;
    assert_eq!(out.u32(0), [0, 5, 5, 0x7fc0_0000, 1 << 31, u32::MAX]);
    assert_eq!(out.u32(1), [2, 0, 4, 5, 1, 3]);
    assert_eq!(out.u32(2), [u32::MAX, 1 << 31, 0x7fc0_0000, 5, 5, 0]);
    assert_eq!(out.u32(3), [3, 1, 5, 0, 4, 2]);
    Ok(())
}

/// More than a hundred thousand elements: order, ties and running sums are those of the standard library.
#[test]
fn long_axes_are_sorted_and_summed() -> Result<()> {
    const N: usize = 100_003;
    let mut rng = Rng::new(11, 0);
    let x: Vec<f32> = (0..N).map(|_| (rng.normal() * 5000.0).round()).collect();
    let r = Recorder::new();
    let v = r.input("x", [N]);
    let sorted = v.sort(0, SortOrder::Descending)?;
    let sum = v.cumulative_sum(0, CumulativeSum::default())?;
    let counts = r.constant([1], &[1.0])?.broadcast([N])?.scatter_add(0, sorted.places, N + 5)?;
    let top = v.top_k(0, 1000)?.places;
    let mut executable = TRUSTED.compile(&r, [sorted.places, sorted.values, sum, counts, top])?;
    let out = executable.run([("x", &x[..])])?;
    let mut order: Vec<u32> = (0..N as u32).collect();
    let zeros = |v: f32| if v == 0.0 { 0.0 } else { v };
    order.sort_by(|&a, &b| zeros(x[b as usize]).total_cmp(&zeros(x[a as usize])).then(a.cmp(&b)));
    assert_eq!(out.u32(0), order);
    assert_eq!(out.u32(4), &order[..1000]);
    assert!(out.f32(1).iter().zip(&order).all(|(v, &i)| v.to_bits() == x[i as usize].to_bits()));
    let mut exact = 0.0f64;
    for (i, (&got, &value)) in out.f32(2).iter().zip(&x).enumerate() {
        exact += f64::from(value);
        // Whole numbers below 2²⁴ are summed exactly.
        assert!(f64::from(got) == exact || exact.abs() > 1.6e7, "sum {i} is {got}, exactly {exact}");
    }
    let expected: Vec<f32> = (0..N + 5).map(|i| if i < N { 1.0 } else { 0.0 }).collect();
    assert_eq!(out.f32(3), expected, "each place occurs once");
    Ok(())
}

/// A running sum of 10⁶ tenths: rounding stays that of a few additions.
#[test]
fn running_sums_are_stable() -> Result<()> {
    const N: usize = 1 << 20;
    let r = Recorder::new();
    let sum = r.input("x", [1]).broadcast([N])?.cumulative_sum(0, CumulativeSum::default())?;
    let mut executable = TRUSTED.compile(&r, [sum])?;
    let out = executable.run([("x", &[0.1f32][..])])?;
    let worst = out.f32(0).iter().enumerate().map(|(i, &got)| {
        let exact = f64::from(0.1f32) * (i + 1) as f64;
        (f64::from(got) - exact).abs() / exact
    });
    let worst = worst.fold(0.0, f64::max) * f64::from(1u32 << 24);
    assert!(worst < 64.0, "off by {worst} times half a unit in the last place");
    Ok(())
}
