//! The light that arrives at a surface.

use super::detach::vjp_of_formula;
use super::vectors::rows;
use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{Shape, TensorType};

const IRRADIANCE: Shader = shader!("mesh/irradiance.wgsl", with "common/index.wgsl", with "mesh/harmonic.wgsl");

/// Operands normals N×…×3, ambient n×3, directions and colours n×L×3, and with harmonics n×9×3; n is N or 1.
#[derive(Debug, Clone, Copy)]
struct Irradiance {
    harmonics: bool,
}

impl Operator for Irradiance {
    fn name(&self) -> &'static str {
        "irradiance"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let (given, harmonics) = if self.harmonics { inputs.split_at(4) } else { (inputs, &[][..]) };
        let [normals, ambient, directions, colours] = operands(given)?;
        rows("normals", normals, 3)?;
        if normals.shape.rank() < 2 {
            return Err(Mismatch::new("normals", "N×…×3", normals));
        }
        expect_f32("directions", directions)?;
        let images = normals.shape.dims()[0];
        let [n, l] = match *directions.shape.dims() {
            [n, l, 3] if (n == images || n == 1) && l > 0 => [n, l],
            _ => return Err(Mismatch::new("directions", format!("{images}×L×3 or 1×L×3"), directions)),
        };
        let others = [("ambient", ambient, vec![n, 3]), ("colours", colours, vec![n, l, 3])];
        for (name, ty, dims) in others.into_iter().chain(harmonics.iter().map(|h| ("harmonics", *h, vec![n, 9, 3]))) {
            let expected = TensorType::f32(Shape::from(dims));
            Mismatch::unless(*ty == expected, name, &expected, ty)?;
        }
        Ok(normals.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        vjp_of_formula(call, formula)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [normals, ambient, directions, colours] = [0, 1, 2, 3].map(|i| lowering.input(i));
        let harmonics = self.harmonics.then(|| lowering.input(4).buffer);
        let (y, lanes, pixels) = (lowering.output(), lowering.target().lanes(), normals.ty.shape.rows());
        let (sets, lights) = (directions.ty.shape.dims()[0], directions.ty.shape.dims()[1]);
        let dispatch = lowering.dispatch(&IRRADIANCE).define("WG", lanes).define("HARMONICS", self.harmonics);
        let dispatch = dispatch.bind("normals", normals.buffer).bind("ambient", ambient.buffer);
        let dispatch = dispatch.bind("directions", directions.buffer).bind("colours", colours.buffer);
        let dispatch = match harmonics {
            Some(harmonics) => dispatch.bind("harmonics", harmonics),
            None => dispatch.unused("harmonics"),
        };
        let dispatch = dispatch.bind("y", y).param("normals", pixels).param("normals_a_set", pixels / sets);
        dispatch.param("lights", lights).threads(pixels)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let lights = inputs[2].shape.dims()[1] + if self.harmonics { 9 } else { 0 };
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 4 * (lights * output.shape.numel()) as u64, bytes }
    }
}

/// The same from operators that have gradients.
fn formula<'r>(x: &[Var<'r>]) -> Result<Var<'r>> {
    let [normals, ambient, directions, colours] = [0, 1, 2, 3].map(|i| x[i]);
    let (shape, sets) = (normals.shape(), directions.shape().dims()[0]);
    let rows = normals.reshape([sets, shape.rows() / sets, 3])?;
    let mut light = rows.batch_matmul(directions, false, true)?.relu()?.batch_matmul(colours, false, false)?;
    if let Some(&harmonics) = x.get(4) {
        light = rows.spherical_harmonics()?.batch_matmul(harmonics, false, false)?.add(light)?;
    }
    light.add(ambient.reshape([sets, 1, 3])?)?.reshape(shape)
}

impl<'r> Var<'r> {
    /// The light that arrives at surfaces with these unit normals n (N×…×3, to the same): `ambient + Σ_l max(n·direction_l, 0) ·
    /// colour_l + Σ_k Y_k(n) · harmonics_k`. Ambient light is N×3, unit directions (towards the lights) and colours N×L×3,
    /// harmonics (see [`Var::spherical_harmonics`]) N×9×3; all with N = 1 if they are the same for all. One dispatch;
    /// [`Lights`](crate::nn::shading::Lights) is the comfortable form.
    #[track_caller]
    pub fn irradiance(
        self,
        ambient: Var<'r>,
        directions: Var<'r>,
        colours: Var<'r>,
        harmonics: Option<Var<'r>>,
    ) -> Result<Var<'r>> {
        let inputs: Vec<Var<'r>> = [self, ambient, directions, colours].into_iter().chain(harmonics).collect();
        self.recorder().apply(Irradiance { harmonics: harmonics.is_some() }, &inputs)
    }
}
