use kernels_tests::{cases, harness};

#[test]
fn gradients_of_gradients_agree_with_the_reference() {
    harness::prove(&cases::second::cases());
}
