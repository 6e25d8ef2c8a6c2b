//! The proof of `knuckle`'s kernels.
//!
//! One case table ([`cases`]) says for every operator which operands and attributes to try. For each case the
//! [`harness`] runs the operator and its gradient on an adapter and compares them with naive f64 implementations
//! ([`mod@reference`]) and with central differences of those, within the error [`budget`] of the operator.

pub mod budget;
pub mod case;
pub mod cases;
pub mod compare;
pub mod harness;
pub mod reference;

pub use case::{Case, Fill, Operand};
