//! Unit tests of compute shaders, from `cargo test`, on whatever adapter is there (feature `testing`).
//!
//! A [`TestShader`] is a WGSL file; a [`Call`] binds arrays and parameters by the names they have in the shader, dispatches
//! it and hands back what it wrote. Nothing is said twice: groups, bindings, element types and struct layouts are reflected.
//!
//! ```
//! use knuckle::testing::{TestShader, Tolerance, gpu, uniform};
//!
//! # fn main() -> knuckle::Result<()> {
//! let shader = TestShader::from_source("scale.wgsl", "
//!     struct Params { factor: f32, n: u32 }
//!     @group(0) @binding(0) var<uniform> params: Params;
//!     @group(0) @binding(1) var<storage, read> x: array<f32>;
//!     @group(0) @binding(2) var<storage, read_write> y: array<f32>;
//!     @compute @workgroup_size(64)
//!     fn main(@builtin(global_invocation_id) id: vec3<u32>) {
//!         if id.x < params.n { y[id.x] = params.factor * x[id.x]; }
//!     }");
//! let x = uniform(1, 1000, -1.0..1.0);
//! let got = shader.on(gpu()?)?
//!     .input("x", &x).output("y", x.len())
//!     .param("factor", 3.0f32).param("n", x.len() as u32)
//!     .threads([x.len(), 1, 1]).run()?;
//! let want: Vec<f64> = x.iter().map(|&v| 3.0 * f64::from(v)).collect();
//! got.close("y", &want, Tolerance::ulps(1.0))?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Call::run`] is strict: every output begins as NaN and, in a second run, as another word, so an element that was not
//! written or that depends on what was there before is found; words behind the end of each output must survive. A shader
//! that does not parse, validate or bind answers with a typed [`Error`] that carries naga's message with the
//! line; [`expect_error`] turns such an error into the success of a test. [`Call::faults`] runs the shader under the sanitizer;
//! [`Call::bench`] times the same call.

mod compare;
mod random;
mod reflect;
mod shader;

use std::sync::OnceLock;

pub use crate::exec::sanitize::{Fault, FaultKind};
pub use compare::{EPSILON, Tolerance, close, finite, same_bits};
pub use random::{Fill, below, normal, uniform};
pub use reflect::{Element, ElementKind};
pub use shader::{Call, Results, TestShader, Timing, Value};

use crate::error::{Error, Result};
use crate::gpu::Gpu;

/// The adapter of the tests of this process, opened once: the best, or the one `KNUCKLE_ADAPTER` names.
pub fn gpu() -> Result<&'static Gpu> {
    static GPU: OnceLock<Result<Gpu>> = OnceLock::new();
    GPU.get_or_init(Gpu::new).as_ref().map_err(Clone::clone)
}

/// Succeeds if `result` is an error whose message contains `part`.
///
/// ```
/// use knuckle::testing::{TestShader, expect_error, gpu};
/// # fn main() -> knuckle::Result<()> {
/// let shader = TestShader::from_source("wrong.wgsl", "@compute @workgroup_size(1) fn main() { let a: u32 = 1.5; }");
/// expect_error(shader.on(gpu()?), "wrong.wgsl:1")?;
/// # Ok(())
/// # }
/// ```
pub fn expect_error<T>(result: Result<T>, part: &str) -> Result<()> {
    match result {
        Ok(_) => Err(Error::invalid("result", format!("an error with `{part}` in it"), "none")),
        Err(error) if error.to_string().contains(part) => Ok(()),
        Err(error) => Err(Error::invalid("error", format!("one with `{part}` in it"), error)),
    }
}
