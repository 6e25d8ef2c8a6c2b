//! Gradients of gradients of products and convolutions, and of what moves or compares pixels. The result of these cases is itself a gradient, so that what the harness checks by central
//! differences are second derivatives: how every gradient operator is differentiated in turn.

use knuckle::ops::{Conv2d, ConvTranspose2d, Correlation, Pad2d, PadMode};
use knuckle::{Recorder, Result, Var};

use crate::case::{Case, Operand};
use crate::reference::{Tensor, conv, layout, matmul, reduce};

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(convolutions());
    cases.extend(transposed());
    cases.extend(products());
    cases.extend(others());
    cases.push(gradient_penalty(3, [6, 5], 2));
    cases.push(gradient_penalty(1, [4, 4], 1));
    cases
}

/// For each operand the case whose result is the gradient of Σ y² with respect to it, y what `build` records. The
/// reference of those gradients takes the operands and 2y, that of the sum with respect to y.
fn of_squares(
    op: &'static str,
    attributes: String,
    operands: Vec<Operand>,
    build: impl for<'r> Fn(&[Var<'r>]) -> Result<Var<'r>> + Clone + Send + Sync + 'static,
    forward: impl Fn(&[Tensor]) -> Tensor + Clone + Send + Sync + 'static,
    gradients: impl Fn(&Tensor, &[Tensor]) -> Vec<Tensor> + Clone + Send + Sync + 'static,
) -> Vec<Case> {
    let of = |i: usize| {
        let (build, forward, gradients) = (build.clone(), forward.clone(), gradients.clone());
        Case::new(
            op,
            format!("{attributes}, gradient of the sum of squares by operand {i}"),
            operands.clone(),
            move |_: &Recorder, x: &[Var<'_>]| {
                let y = build(x)?;
                let recorded = y.mul(y)?.sum_all()?.backward_to(x)?;
                Ok(recorded.of(x[i]).expect("a gradient of every operand"))
            },
            move |x| gradients(&forward(x).map(|y| 2.0 * y), x).swap_remove(i),
        )
    };
    (0..operands.len()).map(of).collect()
}

/// The sum over all axes but the last: the gradient of a bias.
fn by_bias(gy: &Tensor) -> Tensor {
    let axes: Vec<usize> = (0..gy.dims.len() - 1).collect();
    layout::reshape(&reduce::sum(gy, &axes, 1.0), &[gy.dims[axes.len()]])
}

fn convolutions() -> Vec<Case> {
    // Image, kernel extents, output channels; stride, padding, dilation, groups.
    type Row = ([usize; 4], [usize; 2], usize, [usize; 4]);
    let table: [Row; 12] = [
        ([1, 5, 6, 4], [3, 3], 8, [1, 1, 1, 1]),
        ([2, 5, 4, 3], [3, 3], 5, [2, 1, 1, 1]),
        ([1, 7, 7, 2], [4, 4], 4, [2, 1, 1, 1]),
        ([2, 3, 4, 4], [1, 1], 8, [1, 0, 1, 1]),
        ([1, 6, 5, 4], [3, 3], 4, [1, 2, 2, 1]),
        ([1, 6, 6, 4], [2, 2], 4, [3, 0, 1, 1]),
        ([1, 11, 10, 3], [3, 3], 4, [9, 1, 1, 1]),
        ([2, 5, 6, 4], [3, 3], 4, [1, 1, 1, 4]),
        ([1, 5, 5, 3], [3, 3], 3, [2, 1, 1, 3]),
        ([1, 5, 4, 8], [3, 3], 8, [1, 1, 1, 2]),
        ([1, 6, 7, 4], [3, 3], 8, [2, 2, 2, 4]),
        ([1, 4, 5, 6], [1, 1], 4, [1, 0, 1, 2]),
    ];
    let mut cases = Vec::new();
    for (row, (image, [kh, kw], co, [stride, padding, dilation, groups])) in table.into_iter().enumerate() {
        let own = Conv2d { stride, padding, dilation, groups };
        let attributes = [stride, padding, dilation];
        let text = format!("stride {stride}, padding {padding}, dilation {dilation}, groups {groups}");
        let mut operands = vec![Operand::normal(image), Operand::normal([kh, kw, image[3] / groups, co])];
        let both = move |gy: &Tensor, x: &[Tensor]| {
            vec![
                conv::conv2d_input_gradient(gy, &x[1], &x[0].dims, attributes),
                conv::conv2d_weight_gradient(&x[0], gy, &x[1].dims, attributes),
            ]
        };
        cases.extend(if row % 2 == 0 {
            let forward = move |x: &[Tensor]| conv::conv2d(&x[0], &x[1], None, attributes, false);
            of_squares("conv2d", text, operands, move |x| x[0].conv2d(x[1], own), forward, both)
        } else {
            operands.push(Operand::normal([co]));
            // What the ReLU makes 0 has a gradient of 0, and so has the square of 0.
            let forward = move |x: &[Tensor]| conv::conv2d(&x[0], &x[1], Some(&x[2]), attributes, true);
            let all = move |gy: &Tensor, x: &[Tensor]| [both(gy, x), vec![by_bias(gy)]].concat();
            of_squares(
                "conv2d",
                text + ", bias, relu",
                operands,
                move |x| x[0].conv2d_bias(x[1], x[2], own, true),
                forward,
                all,
            )
        });
    }
    cases
}

fn transposed() -> Vec<Case> {
    // Image, kernel extents, output channels; stride, padding, output padding, dilation, groups.
    type Row = ([usize; 4], [usize; 2], usize, [usize; 5]);
    let table: [Row; 6] = [
        ([1, 3, 4, 4], [3, 3], 8, [2, 1, 1, 1, 1]),
        ([2, 3, 3, 3], [4, 4], 2, [2, 1, 0, 1, 1]),
        ([1, 3, 5, 4], [1, 1], 4, [1, 0, 0, 1, 1]),
        ([1, 4, 3, 4], [3, 3], 4, [2, 1, 1, 1, 4]),
        ([1, 3, 3, 8], [3, 3], 16, [1, 1, 0, 2, 2]),
        ([2, 2, 3, 4], [2, 2], 6, [3, 0, 2, 1, 2]),
    ];
    let mut cases = Vec::new();
    for (row, (image, [kh, kw], co, attributes)) in table.into_iter().enumerate() {
        let [stride, padding, output_padding, dilation, groups] = attributes;
        let own = ConvTranspose2d { stride, padding, output_padding, dilation, groups };
        let text = format!("{own:?}");
        let mut operands = vec![Operand::normal(image), Operand::normal([kh, kw, co / groups, image[3]])];
        let both = move |gy: &Tensor, x: &[Tensor]| {
            let adjoint = [stride, padding, dilation];
            vec![
                conv::conv2d(gy, &x[1], None, adjoint, false),
                conv::conv2d_weight_gradient(gy, &x[0], &x[1].dims, adjoint),
            ]
        };
        cases.extend(if row % 2 == 0 {
            let forward = move |x: &[Tensor]| conv::conv_transpose2d(&x[0], &x[1], None, attributes, false);
            of_squares("conv_transpose2d", text, operands, move |x| x[0].conv_transpose2d(x[1], own), forward, both)
        } else {
            operands.push(Operand::normal([co]));
            let forward = move |x: &[Tensor]| conv::conv_transpose2d(&x[0], &x[1], Some(&x[2]), attributes, true);
            let all = move |gy: &Tensor, x: &[Tensor]| [both(gy, x), vec![by_bias(gy)]].concat();
            of_squares(
                "conv_transpose2d",
                text + ", bias, relu",
                operands,
                move |x| x[0].conv_transpose2d_bias(x[1], x[2], own, true),
                forward,
                all,
            )
        });
    }
    cases
}

fn products() -> Vec<Case> {
    let mut cases = Vec::new();
    let by_product = |gy: &Tensor, x: &[Tensor]| {
        let rows = |t: &Tensor| {
            layout::reshape(t, &[t.data.len() / t.dims.last().unwrap_or(&1), *t.dims.last().unwrap_or(&1)])
        };
        vec![
            matmul::linear(gy, &matmul::transpose(&x[1]), None, false),
            matmul::linear(&matmul::transpose(&rows(&x[0])), &rows(gy), None, false),
        ]
    };
    let shapes: [(&[usize], usize); 4] = [(&[5, 4], 6), (&[2, 3, 7], 5), (&[9, 8], 8), (&[1, 1], 1)];
    for (dims, n) in shapes {
        let k = dims[dims.len() - 1];
        let mut operands = vec![Operand::normal(dims), Operand::normal([k, n])];
        let forward = |x: &[Tensor]| matmul::linear(&x[0], &x[1], None, false);
        cases.extend(of_squares(
            "matmul",
            "plain".to_string(),
            operands.clone(),
            |x| x[0].matmul(x[1]),
            forward,
            by_product,
        ));
        operands.push(Operand::normal([n]));
        let forward = |x: &[Tensor]| matmul::linear(&x[0], &x[1], Some(&x[2]), true);
        let all = move |gy: &Tensor, x: &[Tensor]| [by_product(gy, x), vec![by_bias(gy)]].concat();
        cases.extend(of_squares(
            "linear",
            "relu".to_string(),
            operands,
            |x| x[0].linear(x[1], x[2], true),
            forward,
            all,
        ));
    }
    for (transpose_a, transpose_b) in [(false, false), (true, false), (false, true), (true, true)] {
        let a = if transpose_a { [2, 4, 5] } else { [2, 5, 4] };
        let b = if transpose_b { [2, 6, 4] } else { [2, 4, 6] };
        cases.extend(of_squares(
            "batch_matmul",
            format!("transposed {transpose_a}, {transpose_b}"),
            vec![Operand::normal(a), Operand::normal(b)],
            move |x| x[0].batch_matmul(x[1], transpose_a, transpose_b),
            move |x| matmul::batch_matmul(&x[0], &x[1], transpose_a, transpose_b),
            move |gy, x| {
                // Of the matrices as they are multiplied, then as they are stored.
                let by_a = match transpose_a {
                    false => matmul::batch_matmul(gy, &x[1], false, !transpose_b),
                    true => matmul::batch_matmul(&x[1], gy, transpose_b, true),
                };
                let by_b = match transpose_b {
                    false => matmul::batch_matmul(&x[0], gy, !transpose_a, false),
                    true => matmul::batch_matmul(gy, &x[0], true, transpose_a),
                };
                vec![by_a, by_b]
            },
        ));
    }
    cases
}

fn others() -> Vec<Case> {
    let mut cases = Vec::new();
    for (image, most, stride) in [([1, 4, 5, 4], 2, 1), ([2, 3, 4, 3], 4, 2)] {
        cases.extend(of_squares(
            "correlation",
            format!("displacements up to {most}, {stride} apart"),
            vec![Operand::normal(image), Operand::normal(image)],
            move |x| x[0].correlation(x[1], Correlation { max_displacement: most, stride }),
            move |x| conv::correlation(&x[0], &x[1], [most, stride]),
            move |gy, x| conv::correlation_gradients(gy, &x[0], &x[1], [most, stride]).to_vec(),
        ));
    }
    // Each pixel's square counts as often as it is there.
    for mode in [PadMode::Zero, PadMode::Replicate] {
        let pad = Pad2d { top: 1, bottom: 0, left: 2, right: 1, mode };
        let copies = move |i: usize, extent: usize, before: usize, after: usize| match mode {
            PadMode::Replicate => 1 + if i == 0 { before } else { 0 } + if i + 1 == extent { after } else { 0 },
            _ => 1,
        };
        let gradient = move |x: &Tensor| {
            Tensor::from_fn(&x.dims, |i| {
                let times = copies(i[1], x.dims[1], pad.top, pad.bottom) * copies(i[2], x.dims[2], pad.left, pad.right);
                2.0 * times as f64 * x.at(i)
            })
        };
        cases.push(Case::new(
            "pad2d",
            format!("{mode:?}, gradient of the sum of squares"),
            [Operand::normal([2, 3, 4, 3])],
            move |_, x| {
                let y = x[0].pad2d(pad)?;
                Ok(y.mul(y)?.sum_all()?.backward_to(x)?.of(x[0]).expect("a gradient"))
            },
            move |x| gradient(&x[0]),
        ));
    }
    cases
}

/// The loss of a Wasserstein critic with a penalty on its gradient (Gulrajani et al. 2017, "Improved Training of Wasserstein
/// GANs", eq. 3, for one kind of images): the mean over images of D(x) + 10·(‖∇x D(x)‖ − 1)², where D is a convolution, a
/// leaky ReLU and a linear layer.
fn gradient_penalty(n: usize, [h, w]: [usize; 2], stride: usize) -> Case {
    const SLOPE: f32 = 0.2;
    let own = Conv2d { stride, padding: 1, ..Conv2d::default() };
    let pixels = h.div_ceil(stride) * w.div_ceil(stride);
    Case::new(
        "gradient_penalty",
        format!("stride {stride}"),
        [Operand::normal([n, h, w, 3]), Operand::normal([3, 3, 3, 4]), Operand::normal([pixels * 4, 1])],
        move |_, x| {
            let features = x[0].conv2d(x[1], own)?.leaky_relu(SLOPE)?.reshape([n, pixels * 4])?;
            let scores = features.matmul(x[2])?;
            let gradients = scores.sum_all()?.backward_to(&x[..1])?;
            let gradient = gradients.of(x[0]).expect("the gradient by the image");
            let penalty = gradient.norm(&[1, 2, 3])?.offset(-1.0)?.square()?.mean_all()?;
            scores.mean_all()?.add(penalty.scale(10.0)?)
        },
        move |x| {
            let attributes = [stride, 1, 1];
            let mut slopes = conv::conv2d(&x[0], &x[1], None, attributes, false);
            let count = slopes.data.len() / n;
            let mut scores = 0.0;
            for (i, v) in slopes.data.iter_mut().enumerate() {
                let slope = x[2].data[i % count] * if *v > 0.0 { 1.0 } else { f64::from(SLOPE) };
                scores += *v * slope;
                *v = slope;
            }
            let gradient = conv::conv2d_input_gradient(&slopes, &x[1], &x[0].dims, attributes);
            let images = gradient.data.chunks_exact(h * w * 3);
            let penalties = images.map(|g| (g.iter().map(|v| v * v).sum::<f64>().sqrt() - 1.0).powi(2));
            Tensor { dims: vec![1], data: vec![(scores + 10.0 * penalties.sum::<f64>()) / n as f64] }
        },
    )
}
