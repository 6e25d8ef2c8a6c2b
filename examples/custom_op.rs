//! An operator from outside the crate: softsign, `x / (1 + |x|)`, with its own WGSL, forward and gradient, checked against f64.
//!
//! `cargo run --release --example custom_op`

use knuckle::error::Mismatch;
use knuckle::exec::{Lowering, Shader};
use knuckle::ops::{Operator, VjpCall};
use knuckle::{Gpu, Recorder, Result, TensorType, Var};

/// Both kernels; `GRADIENT` chooses. Every buffer is padded to whole vec4s, so none needs a test for its end.
const SOFTSIGN: Shader = Shader {
    name: "softsign",
    sources: &["
struct Params { quads: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * (groups.x * WG) + id.x;
    if i >= params.quads { return; }
    let scale = 1.0 / (1.0 + abs(x[i]));
    if GRADIENT {
        y[i] = gy[i] * scale * scale;
    } else {
        y[i] = x[i] * scale;
    }
}
"],
};

/// The operator: of `x` alone softsign, of `x` and a cotangent its gradient.
#[derive(Debug)]
struct Softsign {
    gradient: bool,
}

impl Operator for Softsign {
    fn name(&self) -> &'static str {
        if self.gradient { "softsign_grad" } else { "softsign" }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let wanted = 1 + usize::from(self.gradient);
        match inputs {
            [x, rest @ ..] if inputs.len() == wanted && rest.iter().all(|gy| gy == x) => Ok((*x).clone()),
            _ => Err(Mismatch::new("operands", format!("{wanted} of one type"), inputs.len())),
        }
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        if self.gradient {
            return Ok(vec![None, None]); // no second derivatives
        }
        let x = call.inputs[0];
        Ok(vec![call.grad(0, || x.recorder().apply(Softsign { gradient: true }, &[x, call.cotangent]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let quads = x.ty.shape.numel().div_ceil(4);
        // Forward does not read `gy`; a variant that leaves a binding unread says so.
        let gy = self.gradient.then(|| lowering.input(1).buffer);
        let dispatch = lowering.dispatch(&SOFTSIGN).define("WG", lanes).define("GRADIENT", self.gradient);
        let dispatch = dispatch.bind("x", x.buffer).bind("y", y);
        let dispatch = match gy {
            Some(gy) => dispatch.bind("gy", gy),
            None => dispatch.unused("gy"),
        };
        dispatch.param("quads", quads).threads(quads)
    }
}

fn main() -> Result<()> {
    knuckle::gpu::prepare_environment();
    let values: Vec<f32> = (0..1001).map(|i| (i as f32 - 500.3) * 0.013).collect();

    let r = Recorder::new();
    let x = r.input("x", [values.len()]);
    let y = r.apply(Softsign { gradient: false }, &[x])?;
    let loss = y.square()?.sum_all()?;
    let gradients = loss.backward_to(&[x])?;
    let gradient = gradients.of(x).expect("x was asked for");
    let mut program = Gpu::new()?.compile(&r, [y, gradient])?;
    let out = program.run([("x", &values)])?;

    // Against f64, the gradient against central differences of the f64 loss: no second derivation by hand.
    let softsign = |x: f64| x / (1.0 + x.abs());
    let step = 1e-6;
    let (mut worst, mut worst_gradient) = (0.0f64, 0.0f64);
    for (i, &x) in values.iter().enumerate() {
        let x = f64::from(x);
        let difference = (softsign(x + step).powi(2) - softsign(x - step).powi(2)) / (2.0 * step);
        worst = worst.max((f64::from(out.f32(0)[i]) - softsign(x)).abs());
        worst_gradient = worst_gradient.max((f64::from(out.f32(1)[i]) - difference).abs());
    }
    println!("softsign of {} values: off by {worst:.1e}, its gradient by {worst_gradient:.1e}", values.len());
    // Written so that a NaN fails too.
    assert!(worst < 1e-6 && worst_gradient < 1e-5, "softsign disagrees with f64");

    // A wrong call is told at its line.
    let error = r.apply(Softsign { gradient: true }, &[x]).expect_err("the gradient takes two operands");
    println!("a wrong call: {error}");
    Ok(())
}

#[test]
fn runs_from_outside_the_crate() -> Result<()> {
    main()
}
