use kernels_tests::{cases, harness};

#[test]
fn agrees_with_the_reference_in_both_directions() {
    harness::prove(&cases::hand::cases());
}
