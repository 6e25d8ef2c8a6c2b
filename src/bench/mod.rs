//! Measuring: what an adapter can do, how near to that every kernel comes, and where a model's time goes. Behind the feature
//! `cli`; the command line's `profile` and `cargo bench` are made of it. Nothing here reaches further into the crate than
//! an application could.

mod model;
mod profile;
mod stats;

pub use model::{inference, training_step};
pub use profile::{HostSpan, Phase, Profile, Span};
