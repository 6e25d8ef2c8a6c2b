//! Matrix products of tensors seen as rows × channels: linear layers, 1×1 convolutions and their gradients.

use super::{Cost, Operator, VjpCall, expect_f32};
use crate::error::{Mismatch, Result};
use crate::exec::{BufferRef, Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{Shape, TensorType};

const DIRECT: Shader = shader!("matmul/direct.wgsl", with "common/index.wgsl");

/// `op(a)·op(b)` with a bias and ReLU if asked. Operand a is rows × channels whatever its rank; b has two axes.
#[derive(Debug, Clone, Copy)]
struct Matmul {
    trans_a: bool,
    trans_b: bool,
    bias: bool,
    relu: bool,
}

impl Matmul {
    fn extents(&self, a: &Shape, b: &Shape) -> Result<(usize, usize, usize), Mismatch> {
        let (m, k) = if self.trans_a { (a.channels(), a.rows()) } else { (a.rows(), a.channels()) };
        let (kb, n) = if self.trans_b { (b.channels(), b.rows()) } else { (b.rows(), b.channels()) };
        if k != kb {
            return Err(Mismatch::new("b", format!("an inner extent of {k} as in a {a}"), format!("{kb} in {b}")));
        }
        for (operand, shape) in [("a", a), ("b", b)] {
            if shape.numel() == 0 {
                return Err(Mismatch::new(operand, "no axis of extent 0", shape));
            }
        }
        Ok((m, n, k))
    }
}

impl Operator for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let expected = if self.bias { 3 } else { 2 };
        if inputs.len() != expected {
            return Err(Mismatch::new("operands", expected, inputs.len()));
        }
        let (a, b) = (inputs[0], inputs[1]);
        expect_f32("a", a)?;
        expect_f32("b", b)?;
        if !self.trans_a && b.shape.rank() != 2 {
            return Err(Mismatch::new("b", "2 axes", b));
        }
        let (m, n, _) = self.extents(&a.shape, &b.shape)?;
        if let Some(bias) = inputs.get(2).filter(|t| t.shape != Shape::from([n])) {
            return Err(Mismatch::new("bias", Shape::from([n]), bias));
        }
        Ok(TensorType::f32(if self.trans_a { Shape::from([m, n]) } else { a.shape.with_channels(n) }))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (a, b, r) = (call.inputs[0], call.inputs[1], call.output.recorder());
        let gy = if self.relu { call.cotangent.relu_mask(call.output)? } else { call.cotangent };
        let product = |a, b, trans_a, trans_b| r.apply(Matmul { trans_a, trans_b, bias: false, relu: false }, &[a, b]);
        let ga = call.grad(0, || match (self.trans_a, self.trans_b) {
            (false, tb) => product(gy, b, false, !tb)?.reshape(a.shape()),
            (true, false) => product(b, gy, false, true)?.reshape(a.shape()),
            (true, true) => product(b, gy, true, true)?.reshape(a.shape()),
        })?;
        let gb = call.grad(1, || match (self.trans_a, self.trans_b) {
            (ta, false) => {
                if ta { product(a, gy, false, false) } else { product(a, gy, true, false) }?.reshape(b.shape())
            }
            (false, true) => product(gy, a, true, false)?.reshape(b.shape()),
            (true, true) => product(gy, a, true, true)?.reshape(b.shape()),
        })?;
        let mut grads = vec![ga, gb];
        if self.bias {
            grads.push(call.grad(2, || gy.sum_to(call.inputs[2].shape()))?);
        }
        Ok(grads)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (a, b) = (lowering.input(0), lowering.input(1));
        let bias = if self.bias { lowering.input(2).buffer } else { BufferRef::Unused };
        let (m, n, k) = self.extents(&a.ty.shape, &b.ty.shape).expect("checked by infer");
        let (c, lanes) = (lowering.output(), lowering.target().lanes());
        let dispatch = lowering.dispatch(&DIRECT).define("WG", lanes);
        let dispatch = dispatch.define("TRANS_A", self.trans_a).define("TRANS_B", self.trans_b);
        let dispatch = dispatch.define("BIAS", self.bias).define("RELU", self.relu);
        let dispatch = dispatch.bind("a", a.buffer).bind("b", b.buffer).bind("bias", bias).bind("c", c);
        dispatch.param("m", m).param("n", n).param("k", k).threads(m * n)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let (m, n, k) = self.extents(&inputs[0].shape, &inputs[1].shape).unwrap_or_default();
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 2 * (m * n * k) as u64, bytes }
    }
}

impl<'r> Var<'r> {
    /// The product with a K×N matrix: every row of K channels becomes a row of N channels.
    #[track_caller]
    pub fn matmul(self, b: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Matmul { trans_a: false, trans_b: false, bias: false, relu: false }, &[self, b])
    }

    /// `x·W + b` for every row, then ReLU if asked, in one dispatch.
    #[track_caller]
    pub fn linear(self, weight: Var<'r>, bias: Var<'r>, relu: bool) -> Result<Var<'r>> {
        let op = Matmul { trans_a: false, trans_b: false, bias: true, relu };
        self.recorder().apply(op, &[self, weight, bias])
    }
}
