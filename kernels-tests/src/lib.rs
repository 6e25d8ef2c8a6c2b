//! Case table, harness and f64 references for the kernels of `knuckle`.
