//! The proof of `knuckle`'s kernels.
//!
//! One case table ([`cases`]) says for every operator which operands and attributes to try. For each case the
//! [`harness`] runs the operator and its gradient on an adapter and compares them with naive f64 implementations
//! ([`mod@reference`]) and with central differences of those, within the error [`budget`] of the operator.
//!
//! A new operator takes a function in `reference/`, a row in `budget.rs` with its reason, and a few [`Case::new`] in its
//! family under `cases/`; nothing says what its gradient should be, for the differences tell. Every case is
//!
//! - run with NaN, then with another word in every buffer beforehand, and must give the same bits;
//! - run with the driver's bounds checks, and on a grid folded as for a much larger tensor: the same bits;
//! - run with the kernels meant for the other class of adapter, within the same budget.
//!
//! Random shapes and random mistakes are tried in `tests/properties.rs`, shapes past every limit in `tests/limits.rs`. Every
//! kernel in every form ([`variants`]) is translated for each API in `tests/backends.rs` and, where Chromium is installed,
//! compiled by Tint in `tests/tint.rs`.
//!
//! `tests/planted.rs` shows that each of these rejects an operator with a mistake; `tests/device_free.rs` fails if a
//! kernel is met by no case.

pub mod budget;
pub mod case;
pub mod cases;
pub mod harness;
pub mod reference;
pub mod report;
pub mod variants;

pub use case::{Case, Fill, Operand};
