//! Measuring: what an adapter can do, how near to that every kernel comes ([`Card`]), and where a model's time goes
//! ([`Profile`]). Behind the feature `cli`; the command line's `bench` and `profile` and `cargo bench` are made of it. Nothing here
//! reaches further into the crate than an application could.

mod card;
mod case;
mod cases;
mod ceilings;
mod clock;
mod compare;
mod html;
mod model;
mod probes;
mod profile;
mod run;
mod stats;

pub use card::{Card, Row};
pub use case::{Case, Operands, Pass};
pub use cases::cases;
pub use ceilings::{Ceilings, CopyRate};
pub use clock::Clock;
pub use compare::{Change, Comparison};
pub use model::{inference, training_step};
pub use profile::{HostSpan, Phase, Profile, Span};
pub use run::{BenchOptions, Progress, run};
