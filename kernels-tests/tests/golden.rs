//! Kernels against PyTorch: numbers that PyTorch computed in f64, kept in `golden/pytorch.safetensors` with the script that
//! made them. The f64 references of the case table were written here; these were not.

use std::collections::BTreeSet;

use kernels_tests::budget;
use kernels_tests::harness::TRUSTED;
use knuckle::graph::TensorData;
use knuckle::nn::losses::{self, Reduction};
use knuckle::ops::{
    Adam, AdamW, AvgPool2d, Comparison, Conv2d, ConvTranspose2d, CumulativeSum, GridPadding, GridSample, Pad2d,
    PadMode, Resize, RmsProp, Sgd, SortOrder, SpmmMatrix, Unary,
};
use knuckle::sparse::Csr;
use knuckle::testing::{Tolerance, close};
use knuckle::{Init, Recorder, Result, TensorType, Var, nn};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

const FILE: &[u8] = include_bytes!("../golden/pytorch.safetensors");

/// A case's operator and attributes.
struct Attributes(Value);

impl Attributes {
    fn op(&self) -> &str {
        self.0["op"].as_str().expect("an operator")
    }

    fn number(&self, name: &str) -> f32 {
        self.0[name].as_f64().unwrap_or_else(|| panic!("{}: no number {name}", self.0)) as f32
    }

    fn size(&self, name: &str) -> usize {
        self.0[name].as_u64().unwrap_or_else(|| panic!("{}: no size {name}", self.0)) as usize
    }

    fn flag(&self, name: &str) -> bool {
        self.0[name].as_bool().unwrap_or_else(|| panic!("{}: no flag {name}", self.0))
    }

    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_else(|| panic!("{}: no text {name}", self.0))
    }

    fn indices(&self) -> Vec<u32> {
        self.sizes("indices").iter().map(|&i| i as u32).collect()
    }

    fn numbers(&self, name: &str) -> Vec<f32> {
        let list = self.0[name].as_array().unwrap_or_else(|| panic!("{}: no list {name}", self.0));
        list.iter().map(|v| v.as_f64().expect("a number") as f32).collect()
    }

    fn sizes(&self, name: &str) -> Vec<usize> {
        let list = self.0[name].as_array().unwrap_or_else(|| panic!("{}: no list {name}", self.0));
        list.iter().map(|v| v.as_u64().expect("a size") as usize).collect()
    }
}

/// Records what the case says.
fn record<'r>(a: &Attributes, r: &'r Recorder, x: &[Var<'r>]) -> Result<Var<'r>> {
    let first = x[0];
    match a.op() {
        "relu" => first.relu(),
        "sigmoid" => first.sigmoid(),
        "tanh" => first.tanh(),
        "exp" => first.exp(),
        "log" => first.log(),
        "sqrt" => first.sqrt(),
        "abs" => first.abs(),
        "square" => first.square(),
        "softplus" => first.softplus(),
        // PyTorch's default is the exact form, as ours.
        "gelu" => first.gelu(),
        "hard_swish" => first.hard_swish(),
        "reciprocal" => first.reciprocal(),
        "sin" => first.sin(),
        "cos" => first.cos(),
        "leaky_relu" => first.leaky_relu(a.number("slope")),
        "elu" => first.elu(a.number("alpha")),
        "huber" => first.unary(Unary::Huber { delta: a.number("delta") }),
        // PyTorch's is ½x²/β below β, as ours.
        "smooth_l1" => first.unary(Unary::SmoothL1 { beta: a.number("beta") }),
        "clamp" => first.clamp(a.number("low"), a.number("high")),
        "power" => first.unary(Unary::Power { exponent: a.number("exponent") }),
        "affine" => first.unary(Unary::Affine { scale: a.number("scale"), offset: a.number("offset") }),
        "add" => first.add(x[1]),
        "sub" => first.sub(x[1]),
        "mul" => first.mul(x[1]),
        "div" => first.div(x[1]),
        "max" => first.max(x[1]),
        "min" => first.min(x[1]),
        "power_of" => first.power_of(x[1]),
        "prelu" => first.prelu(x[1]),
        "sum" => first.sum(&a.sizes("axes")),
        "mean" => first.mean(&a.sizes("axes")),
        "norm" => first.norm(&a.sizes("axes")),
        "max_over" => first.max_over(&a.sizes("axes")),
        "min_over" => first.min_over(&a.sizes("axes")),
        "arg_max" => first.arg_max(a.size("axis")),
        "arg_min" => first.arg_min(a.size("axis")),
        "softmax" => first.softmax(a.size("axis")),
        "log_softmax" => first.log_softmax(a.size("axis")),
        "permute" => first.permute(&a.sizes("order")),
        "concat" => r.concat(x, a.size("axis")),
        "slice" => first.slice(a.size("axis"), a.size("start"), a.size("len")),
        "gather_rows" => first.gather_rows(&a.indices()),
        "conv2d" => {
            let [stride, padding, dilation, groups] =
                ["stride", "padding", "dilation", "groups"].map(|name| a.size(name));
            first.conv2d(x[1], Conv2d { stride, padding, dilation, groups })
        }
        "matmul" => first.matmul(x[1]),
        "linear" => first.linear(x[1], x[2], a.flag("relu")),
        "max_pool2d" => first.max_pool2d(a.size("kernel"), a.size("stride"), a.size("padding")),
        "upsample_nearest" => first.upsample_nearest(a.size("factor")),
        "batch_norm_train" => Ok(first.batch_norm_train(affine(x)?, 1e-5, false)?.y),
        "instance_norm" => first.instance_norm(affine(x)?, 1e-5),
        "layer_norm" => first.layer_norm(affine(x)?, 1e-5),
        "group_norm" => first.group_norm(a.size("groups"), affine(x)?, 1e-5),
        "cumulative_sum" => {
            let sum = CumulativeSum { exclusive: a.flag("exclusive"), reverse: a.flag("reverse") };
            first.cumulative_sum(a.size("axis"), sum)
        }
        "sort" => {
            let order = if a.flag("descending") { SortOrder::Descending } else { SortOrder::Ascending };
            Ok(first.sort(a.size("axis"), order)?.values)
        }
        "top_k" => Ok(first.top_k(a.size("axis"), a.size("k"))?.values),
        "tile" => first.tile(&a.sizes("repeats")),
        "conv_transpose2d" => {
            let [stride, padding, output_padding, dilation, groups] =
                ["stride", "padding", "output_padding", "dilation", "groups"].map(|name| a.size(name));
            first.conv_transpose2d(x[1], ConvTranspose2d { stride, padding, output_padding, dilation, groups })
        }
        "solve_spd" => first.solve_spd(x[1]),
        "batch_matmul" => first.batch_matmul(x[1], a.flag("transpose_a"), a.flag("transpose_b")),
        "avg_pool2d" => {
            let [kernel, stride, padding] = ["kernel", "stride", "padding"].map(|name| a.size(name));
            first.avg_pool2d(AvgPool2d { kernel, stride, padding, count_include_pad: a.flag("count_include_pad") })
        }
        "adaptive_avg_pool2d" => first.adaptive_avg_pool2d(a.size("h"), a.size("w")),
        "global_avg_pool2d" => first.global_avg_pool2d(),
        "global_max_pool2d" => first.global_max_pool2d(),
        "resize_nearest" => first.resize(a.size("h"), a.size("w"), Resize::Nearest),
        "resize_bilinear" => {
            first.resize(a.size("h"), a.size("w"), Resize::Bilinear { align_corners: a.flag("align_corners") })
        }
        "grid_sample" => {
            let padding = match a.text("padding") {
                "zeros" => GridPadding::Zeros,
                "border" => GridPadding::Border,
                _ => GridPadding::Reflection,
            };
            let (nearest, align_corners) = (a.text("mode") == "nearest", a.flag("align_corners"));
            first.grid_sample(x[1], GridSample { nearest, padding, align_corners })
        }
        "pad2d" => {
            let mode = match a.text("mode") {
                "constant" => PadMode::Zero,
                "reflect" => PadMode::Reflect,
                _ => PadMode::Replicate,
            };
            let amounts = a.sizes("amounts");
            first.pad2d(Pad2d { top: amounts[0], bottom: amounts[1], left: amounts[2], right: amounts[3], mode })
        }
        "l1_loss" => losses::l1_loss(first, x[1], Reduction::Mean),
        "mse_loss" => losses::mse_loss(first, x[1], Reduction::Mean),
        "smooth_l1_loss" => losses::smooth_l1_loss(first, x[1], 1.0, Reduction::Mean),
        "huber_loss" => losses::huber_loss(first, x[1], a.number("delta"), Reduction::Mean),
        "binary_cross_entropy" => losses::binary_cross_entropy_with_logits(first, x[1], None, Reduction::Mean),
        "cross_entropy" => losses::cross_entropy(first, x[1], 0.0, Reduction::Mean),
        "soft_cross_entropy" => losses::soft_cross_entropy(first, x[1], Reduction::Mean),
        "kl_divergence" => losses::kl_divergence(first, x[1], Reduction::BatchMean),
        "cosine_similarity" => losses::cosine_similarity(first, x[1], 1e-8),
        "cosine_embedding_loss" => {
            let signs = a.numbers("signs");
            losses::cosine_embedding_loss(
                first,
                x[1],
                r.constant([signs.len()], &signs)?,
                a.number("margin"),
                Reduction::Mean,
            )
        }
        "spectral_norm" => {
            let vector = a.numbers("vector");
            let ty = TensorType::f32([1, vector.len()]);
            let data = TensorData::f32([1, vector.len()], &vector).expect("a row");
            r.buffer("layer/u", ty, Init::Data(data));
            nn::spectral_norm(first, "layer", 1)
        }
        "gather" => first.gather(a.size("axis"), x[1]),
        "scatter_add" => first.scatter_add(a.size("axis"), x[1], a.size("extent")),
        "scatter_rows" => first.scatter_rows(&a.indices(), a.size("extent")),
        "repeat" => first.repeat(a.size("axis"), a.size("times")),
        "one_hot" => first.one_hot(a.size("classes")),
        "arg_sort" => first.arg_sort(a.size("axis"), SortOrder::Ascending),
        "select" => r.constant(first.shape(), &a.numbers("mask"))?.select(first, x[1]),
        "broadcast" => first.broadcast(a.sizes("shape")),
        "batch_norm_infer" => {
            let statistics = r.constant([2, first.shape().channels()], &a.numbers("statistics"))?;
            first.batch_norm_infer(affine(x)?, statistics, 1e-5, false)
        }
        "equal" => first.compare(Comparison::Equal, x[1]),
        "not_equal" => first.compare(Comparison::NotEqual, x[1]),
        "less" => first.compare(Comparison::Less, x[1]),
        "less_equal" => first.compare(Comparison::LessEqual, x[1]),
        "greater" => first.compare(Comparison::Greater, x[1]),
        "greater_equal" => first.compare(Comparison::GreaterEqual, x[1]),
        "spmm" => {
            let entry = |e: &Value| {
                let [row, column, value] = [0, 1, 2].map(|i| e[i].as_f64().expect("a number"));
                (row as usize, column as usize, value as f32)
            };
            let entries: Vec<_> = a.0["entries"].as_array().expect("entries").iter().map(entry).collect();
            let matrix = Csr::from_triplets(a.size("rows"), a.size("columns"), &entries).expect("inside");
            first.spmm(&SpmmMatrix::new(matrix)?)
        }
        other => panic!("no operator for {other}"),
    }
}

/// Scale and shift in one tensor, as normalisations take them.
fn affine<'r>(x: &[Var<'r>]) -> Result<Var<'r>> {
    let c = x[0].shape().channels();
    x[0].recorder().concat(&[x[1].reshape([1, c])?, x[2].reshape([1, c])?], 0)
}

fn f32s(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let view = file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    let words = view.data().chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
    match view.dtype() {
        Dtype::F32 => words.map(f32::from_le_bytes).collect(),
        Dtype::U32 => words.map(|b| u32::from_le_bytes(b) as f32).collect(),
        other => panic!("{name} is {other:?}"),
    }
}

/// Runs a case; the error says what is off.
fn check(file: &SafeTensors<'_>, name: &str, attributes: &Attributes) -> Result<(), String> {
    let budget =
        budget::of(attributes.op(), knuckle::DType::F32).ok_or_else(|| format!("{} has no budget", attributes.op()))?;
    let count = attributes.size("inputs");
    let gradient = attributes.flag("gradient");
    let words = |name: &str| f32s(file, name);
    let say = |e: knuckle::Error| e.to_string();
    let r = Recorder::new();
    let mut inputs = Vec::new();
    let mut floats = Vec::new();
    for i in 0..count {
        let view = file.tensor(&format!("{name}/x{i}")).map_err(|e| e.to_string())?;
        let input = format!("x{i}");
        let float = view.dtype() == Dtype::F32;
        inputs.push(if float { r.input(&input, view.shape()) } else { r.input_u32(&input, view.shape()) });
        floats.push(float);
    }
    let y = record(attributes, &r, &inputs).map_err(say)?;
    let expected = file.tensor(&format!("{name}/y")).map_err(|e| e.to_string())?;
    if y.shape().dims() != expected.shape() {
        return Err(format!("shape {:?}, PyTorch's is {:?}", y.shape(), expected.shape()));
    }
    let mut outputs = vec![y];
    let wanted: Vec<usize> = (0..count).filter(|&i| gradient && floats[i]).collect();
    if gradient {
        let weights = r.constant(y.shape(), &words(&format!("{name}/w"))).map_err(say)?;
        let loss = y.mul(weights).and_then(|v| v.sum_all()).map_err(say)?;
        let asked: Vec<_> = wanted.iter().map(|&i| inputs[i]).collect();
        let gradients = loss.backward_to(&asked).map_err(say)?;
        for &v in &asked {
            outputs.push(gradients.of(v).ok_or("no gradient")?);
        }
    }
    let mut executable = TRUSTED.compile(&r, outputs).map_err(say)?;
    let known: Vec<String> = executable.program().inputs.iter().map(|p| p.name.clone()).collect();
    for i in (0..count).filter(|i| known.contains(&format!("x{i}"))) {
        let values = words(&format!("{name}/x{i}"));
        let whole: Vec<u32> = values.iter().map(|&v| v as u32).collect();
        let input = format!("x{i}");
        match floats[i] {
            true => executable.upload([(input.as_str(), &values)]),
            false => executable.upload([(input.as_str(), &whole)]),
        }
        .map_err(say)?;
    }
    let got = executable.run(std::iter::empty::<(&str, &[f32])>()).map_err(say)?;
    let values = |i: usize| match got.ty(i).dtype {
        knuckle::DType::U32 => got.u32(i).iter().map(|&v| v as f32).collect(),
        _ => got.f32(i).to_vec(),
    };
    let golden = |part: &str| words(&format!("{name}/{part}")).into_iter().map(f64::from).collect::<Vec<_>>();
    // The golden numbers are rounded to f32 themselves.
    let forward = Tolerance { of_value: budget.forward.of_value + 1.0, ..budget.forward };
    close(&values(0), &golden("y"), forward).map_err(|e| format!("result: {e}"))?;
    for (k, i) in wanted.iter().enumerate() {
        let tolerance = Tolerance { of_value: budget.gradient + 1.0, of_largest: budget.gradient, absolute: 0.0 };
        close(&values(k + 1), &golden(&format!("g{i}")), tolerance).map_err(|e| format!("gradient {i}: {e}"))?;
    }
    Ok(())
}

/// Steps of an optimizer: the parameter after the last.
fn check_steps(file: &SafeTensors<'_>, name: &str, a: &Attributes) -> Result<(), String> {
    let words = |part: &str| f32s(file, &format!("{name}/{part}"));
    let (start, slopes, end) = (words("x0"), words("x1"), words("y"));
    let or = |name: &str, other: f32| a.0[name].as_f64().map_or(other, |v| v as f32);
    let betas = if a.0["betas"].is_null() { vec![0.9, 0.999] } else { a.numbers("betas") };
    let (eps, weight_decay) = (or("eps", 1e-8), or("weight_decay", 0.0));
    let steps = || -> Result<Vec<f32>> {
        let (r, n) = (Recorder::training(), start.len());
        let data = TensorData::f32([n], &start).expect("as long as itself");
        let parameter = r.param_with("w", [n], Init::Data(data));
        let gradients = parameter.mul(r.input("slope", [n]))?.sum_all()?.backward()?;
        let rate = r.scalar(a.number("rate"));
        let (beta1, beta2) = (betas[0], betas[1]);
        match a.op() {
            "sgd" => {
                let nesterov = a.0["nesterov"].as_bool().unwrap_or(false);
                r.step(&Sgd { momentum: or("momentum", 0.0), nesterov, weight_decay }, &gradients, rate)?;
            }
            "rmsprop" => r.step(&RmsProp { rho: or("alpha", 0.99), eps, weight_decay }, &gradients, rate)?,
            "adam" => r.step(&Adam { beta1, beta2, eps, weight_decay }, &gradients, rate)?,
            _ => r.step(&AdamW { beta1, beta2, eps, weight_decay }, &gradients, rate)?,
        }
        let mut executable = TRUSTED.compile(&r, [gradients.loss()])?;
        for slope in slopes.chunks(n) {
            executable.run([("slope", slope)])?;
        }
        let left = executable.states().read(&["w"])?;
        Ok(bytemuck::cast_slice(left[0].bytes()).to_vec())
    };
    let got = steps().map_err(|e| e.to_string())?;
    let want: Vec<f64> = end.into_iter().map(f64::from).collect();
    // Some ten roundings a step, six steps.
    close(&got, &want, Tolerance { of_value: 64.0, of_largest: 64.0, absolute: 0.0 }).map(|_| ())
}

#[test]
fn operators_agree_with_pytorch_in_both_directions() {
    let file = SafeTensors::deserialize(FILE).expect("the golden file");
    let (_, header) = SafeTensors::read_metadata(FILE).expect("the golden file's header");
    let cases = header.metadata().as_ref().expect("cases");
    let mut names: Vec<&String> = cases.keys().collect();
    names.sort();
    assert!(names.len() > 150, "only {} cases", names.len());
    let attributes = |name: &String| Attributes(serde_json::from_str(&cases[name]).expect("JSON"));
    let failures: Vec<String> = names
        .iter()
        .filter_map(|name| {
            let judge = if attributes(name).0["optimizer"].is_null() { check } else { check_steps };
            judge(&file, name, &attributes(name)).err().map(|e| format!("{name} ({}): {e}", cases[*name]))
        })
        .collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), names.len(), failures.join("\n"));
    let ops: BTreeSet<String> = names.iter().map(|name| attributes(name).op().to_string()).collect();
    for op in ops {
        let count = names.iter().filter(|name| attributes(name).op() == op).count();
        assert!(count >= 2, "{op} has {count} case");
    }
}
