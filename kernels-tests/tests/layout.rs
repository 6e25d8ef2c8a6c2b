use kernels_tests::harness::TRUSTED;
use kernels_tests::{cases, harness};
use knuckle::{Recorder, Result};

#[test]
fn agrees_with_the_reference_in_both_directions() {
    harness::prove(&cases::layout::cases());
}

/// Words are moved as they are: indices, and bits that as f32 would be NaN.
#[test]
fn u32_tensors_move_bit_by_bit() -> Result<()> {
    for width in [3, 4] {
        let r = Recorder::new();
        let (a, b) = (r.input_u32("a", [2, width]), r.input_u32("b", [2, 4]));
        let both = r.concat(&[a, b], 1)?;
        let mut executable = TRUSTED.compile(&r, [both, both.slice(1, width, 4)?, both.reshape([2 * (width + 4)])?])?;
        let first: Vec<u32> = (0..2 * width as u32).map(|i| 0x7fc0_0000 + i).collect();
        let second: Vec<u32> = (0..8).map(|i| u32::MAX - i).collect();
        let out = executable.run([("a", &first), ("b", &second)])?;
        let rows = first.chunks(width).zip(second.chunks(4));
        let expected: Vec<u32> = rows.flat_map(|(a, b)| [a, b].concat()).collect();
        assert_eq!((out.u32(0), out.u32(1), out.u32(2)), (&expected[..], &second[..], &expected[..]));
    }
    Ok(())
}
