//! Operands and attributes that do not fit: a typed error names the operator, the operand and the line, and nothing
//! panics. No device is needed.

use knuckle::ops::{Comparison, Conv2d, ConvTranspose2d, Correlation, Pad2d, PadMode, SpmmMatrix, Unary};
use knuckle::sparse::Csr;
use knuckle::{Error, Recorder, Result, Var};

type Build = for<'r> fn(&'r Recorder) -> Result<Var<'r>>;

/// The operator, the operand that does not fit, and a call with the mistake.
const MISTAKES: &[(&str, &str, Build)] = &[
    ("concat", "operands", |r| r.concat(&[], 0)),
    ("concat", "axis", |r| r.concat(&[r.input("a", [2, 3])], 2)),
    ("concat", "operand", |r| r.concat(&[r.input("a", [2, 3]), r.input("b", [2, 4])], 0)),
    ("concat", "operand", |r| r.concat(&[r.input("a", [2, 3]), r.input("b", [2])], 0)),
    ("concat", "operand", |r| r.concat(&[r.input("a", [2, 3]), r.input_u32("b", [2, 3])], 0)),
    ("slice", "axis", |r| r.input("a", [2, 3]).slice(2, 0, 1)),
    ("slice", "len", |r| r.input("a", [2, 3]).slice(1, 0, 0)),
    ("slice", "range", |r| r.input("a", [2, 3]).slice(1, 2, 2)),
    ("slice", "range", |r| r.input("a", [2, 3]).slice(1, usize::MAX, 2)),
    ("max_pool2d", "x", |r| r.input("a", [2, 3, 4]).max_pool2d(2, 2, 0)),
    ("max_pool2d", "x", |r| r.input("a", [2, 0, 3, 4]).max_pool2d(2, 2, 0)),
    ("max_pool2d", "x", |r| r.input_u32("a", [2, 4, 4, 4]).max_pool2d(2, 2, 0)),
    ("max_pool2d", "kernel", |r| r.input("a", [2, 4, 4, 4]).max_pool2d(0, 2, 0)),
    ("max_pool2d", "stride", |r| r.input("a", [2, 4, 4, 4]).max_pool2d(2, 0, 0)),
    ("max_pool2d", "kernel", |r| r.input("a", [2, 4, 4, 4]).max_pool2d(5, 1, 0)),
    ("max_pool2d", "padding", |r| r.input("a", [2, 4, 4, 4]).max_pool2d(2, 2, 2)),
    ("max_pool2d", "kernel", |r| r.input("a", [2, 4, 4, 4]).max_pool2d(usize::MAX, 1, usize::MAX - 1)),
    ("upsample_nearest", "x", |r| r.input("a", [4, 4, 4]).upsample_nearest(2)),
    ("upsample_nearest", "factor", |r| r.input("a", [1, 4, 4, 4]).upsample_nearest(0)),
    ("upsample_nearest", "factor", |r| r.input("a", [1, 4, 4, 4]).upsample_nearest(usize::MAX)),
    ("graph_pool_max", "x", |r| r.input("a", [1, 4, 4, 4]).graph_pool_max(2)),
    ("graph_pool_max", "x", |r| r.input("a", [1, 7, 4]).graph_pool_max(2)),
    ("graph_pool_max", "kernel", |r| r.input("a", [1, 7, 4]).graph_pool_max(0)),
    ("graph_pool_mean", "x", |r| r.input("a", [1, 7, 4]).graph_pool_mean(4)),
    ("graph_pool_mean", "factor", |r| r.input("a", [1, 7, 4]).graph_pool_mean(0)),
    ("graph_upsample", "factor", |r| r.input("a", [1, 7, 4]).graph_upsample(0)),
    ("gather_rows", "indices", |r| r.input("a", [1, 7, 4]).gather_rows(&[])),
    ("gather_rows", "indices", |r| r.input("a", [1, 7, 4]).gather_rows(&[0, 7])),
    ("gather_rows", "x", |r| r.input("a", [7, 4]).gather_rows(&[0])),
    ("spmm", "x", |r| r.input("a", [7, 4]).spmm(&matrix())),
    ("spmm", "x", |r| r.input("a", [1, 4, 4]).spmm(&matrix())),
    ("spmm", "x", |r| r.input("a", [1, 3, 0]).spmm(&matrix())),
    ("gather_rows", "x", |r| r.input("a", [0, 7, 4]).gather_rows(&[0])),
    ("spmm", "z", |r| r.input("a", [1, 3, 4]).spmm_add(&matrix(), 1.0, r.input("z", [1, 3, 4]), 1.0)),
    ("spmm", "factors", |r| r.input("a", [1, 3, 4]).spmm_add(&matrix(), f32::NAN, r.input("z", [1, 2, 4]), 1.0)),
    ("gaussian_heatmaps", "uv", |r| r.gaussian_heatmaps(r.input("uv", [1, 21, 3]), 4, 4, 1.0)),
    ("gaussian_heatmaps", "h", |r| r.gaussian_heatmaps(r.input("uv", [1, 21, 2]), 0, 4, 1.0)),
    ("gaussian_heatmaps", "sigma_px", |r| r.gaussian_heatmaps(r.input("uv", [1, 21, 2]), 4, 4, 0.0)),
    ("conv2d", "weight", |r| r.input("a", [1, 4, 4, 3]).conv2d(r.input("w", [3, 3, 4, 8]), Conv2d::default())),
    ("conv2d", "weight", |r| r.input("a", [1, 4, 4, 3]).conv2d(r.input("w", [5, 5, 3, 8]), Conv2d::default())),
    ("conv2d", "input", |r| conv(r, &[4, 4, 3], &[3, 3, 3, 8], Conv2d::default())),
    ("conv2d", "input", |r| conv(r, &[0, 4, 4, 3], &[3, 3, 3, 8], Conv2d::default())),
    ("conv2d", "weight", |r| conv(r, &[1, 4, 4, 3], &[3, 3, 3], Conv2d::default())),
    ("conv2d", "weight", |r| conv(r, &[1, 4, 4, 3], &[3, 3, 3, 0], Conv2d::default())),
    ("conv2d", "weight", |r| conv(r, &[1, 4, 4, 3], &[0, 3, 3, 8], Conv2d::default())),
    ("conv2d", "weight", |r| conv(r, &[1, 4, 4, 3], &[usize::MAX, 1, 3, 8], Conv2d::default())),
    ("conv2d", "weight", |r| conv(r, &[1, 4, 4, 3], &[5, 1, 3, 8], Conv2d::default())),
    ("conv2d", "weight", |r| conv(r, &[1, 4, 4, 3], &[3, 3, 3, 8], Conv2d { dilation: 2, ..Conv2d::default() })),
    ("conv2d", "weight", |r| conv(r, &[1, 4, 4, 6], &[3, 3, 6, 8], Conv2d { groups: 2, ..Conv2d::default() })),
    ("conv2d", "stride", |r| conv(r, &[1, 4, 4, 3], &[3, 3, 3, 8], Conv2d { stride: 0, ..Conv2d::default() })),
    ("conv2d", "stride", |r| conv(r, &[1, 4, 4, 3], &[3, 3, 3, 8], Conv2d { stride: usize::MAX, ..Conv2d::default() })),
    ("conv2d", "dilation", |r| conv(r, &[1, 4, 4, 3], &[3, 3, 3, 8], Conv2d { dilation: 0, ..Conv2d::default() })),
    ("conv2d", "dilation", |r| {
        conv(r, &[1, 4, 4, 3], &[3, 3, 3, 8], Conv2d { dilation: usize::MAX, ..Conv2d::default() })
    }),
    ("conv2d", "padding", |r| {
        conv(r, &[1, 4, 4, 3], &[3, 3, 3, 8], Conv2d { padding: usize::MAX, ..Conv2d::default() })
    }),
    ("conv2d", "groups", |r| conv(r, &[1, 4, 4, 4], &[3, 3, 4, 8], Conv2d { groups: 0, ..Conv2d::default() })),
    ("conv2d", "groups", |r| conv(r, &[1, 4, 4, 4], &[3, 3, 1, 8], Conv2d { groups: 8, ..Conv2d::default() })),
    ("conv2d", "groups", |r| conv(r, &[1, 4, 4, 4], &[3, 3, 2, 7], Conv2d { groups: 2, ..Conv2d::default() })),
    ("conv2d", "groups", |r| conv(r, &[1, 4, 4, 4], &[3, 3, 1, 8], Conv2d { groups: usize::MAX, ..Conv2d::default() })),
    ("conv2d", "result", |r| {
        let wide = [1 << 40, 1, 1, 1];
        conv(r, &wide, &[1, 1, 1, 1 << 20], Conv2d { padding: 65_535, ..Conv2d::default() })
    }),
    ("conv2d", "bias", |r| {
        let (x, w) = (r.input("a", [1, 4, 4, 3]), r.input("w", [3, 3, 3, 8]));
        x.conv2d_bias(w, r.input("b", [4]), Conv2d::default(), true)
    }),
    ("conv2d", "bias", |r| {
        let (x, w) = (r.input("a", [1, 4, 4, 3]), r.input("w", [3, 3, 3, 8]));
        x.conv2d_bias(w, r.input_u32("b", [8]), Conv2d::default(), true)
    }),
    ("conv2d", "weight", |r| r.input("a", [1, 4, 4, 3]).conv2d(r.input_u32("w", [3, 3, 3, 8]), Conv2d::default())),
    ("conv_transpose2d", "input", |r| transpose(r, &[4, 4, 3], &[3, 3, 8, 3], ConvTranspose2d::default())),
    ("conv_transpose2d", "input", |r| transpose(r, &[1, 0, 4, 3], &[3, 3, 8, 3], ConvTranspose2d::default())),
    ("conv_transpose2d", "weight", |r| transpose(r, &[1, 4, 4, 3], &[3, 8, 3], ConvTranspose2d::default())),
    ("conv_transpose2d", "weight", |r| transpose(r, &[1, 4, 4, 3], &[3, 3, 3, 8], ConvTranspose2d::default())),
    ("conv_transpose2d", "weight", |r| transpose(r, &[1, 4, 4, 3], &[3, 0, 8, 3], ConvTranspose2d::default())),
    ("conv_transpose2d", "weight", |r| {
        transpose(r, &[1, 4, 4, 3], &[usize::MAX, 1, 8, 3], ConvTranspose2d { dilation: 2, ..Default::default() })
    }),
    ("conv_transpose2d", "groups", |r| {
        transpose(r, &[1, 4, 4, 3], &[3, 3, 8, 3], ConvTranspose2d { groups: 2, ..Default::default() })
    }),
    ("conv_transpose2d", "groups", |r| {
        transpose(r, &[1, 4, 4, 3], &[3, 3, 8, 3], ConvTranspose2d { groups: 0, ..Default::default() })
    }),
    ("conv_transpose2d", "groups", |r| {
        transpose(r, &[1, 4, 4, 3], &[3, 3, 8, 3], ConvTranspose2d { groups: usize::MAX, ..Default::default() })
    }),
    ("conv_transpose2d", "stride", |r| {
        transpose(r, &[1, 4, 4, 3], &[3, 3, 8, 3], ConvTranspose2d { stride: 0, ..Default::default() })
    }),
    ("conv_transpose2d", "dilation", |r| {
        transpose(r, &[1, 4, 4, 3], &[3, 3, 8, 3], ConvTranspose2d { dilation: 0, ..Default::default() })
    }),
    ("conv_transpose2d", "output_padding", |r| {
        transpose(
            r,
            &[1, 4, 4, 3],
            &[3, 3, 8, 3],
            ConvTranspose2d { stride: 2, output_padding: 2, ..Default::default() },
        )
    }),
    ("conv_transpose2d", "output_padding", |r| {
        transpose(r, &[1, 4, 4, 3], &[3, 3, 8, 3], ConvTranspose2d { output_padding: usize::MAX, ..Default::default() })
    }),
    ("conv_transpose2d", "padding", |r| {
        transpose(r, &[1, 4, 4, 3], &[3, 3, 8, 3], ConvTranspose2d { padding: 3, ..Default::default() })
    }),
    ("conv_transpose2d", "padding", |r| {
        transpose(r, &[1, 4, 4, 3], &[3, 3, 8, 3], ConvTranspose2d { padding: usize::MAX, ..Default::default() })
    }),
    ("conv_transpose2d", "result", |r| {
        transpose(r, &[1 << 40, 1, 1, 1], &[1 << 20, 1 << 20, 1, 1], ConvTranspose2d::default())
    }),
    ("conv_transpose2d", "bias", |r| {
        let (x, w) = (r.input("a", [1, 4, 4, 3]), r.input("w", [3, 3, 8, 3]));
        x.conv_transpose2d_bias(w, r.input("b", [3]), ConvTranspose2d::default(), false)
    }),
    ("correlation", "a", |r| correlation(r, &[4, 4, 3], &[4, 4, 3], 2, 1)),
    ("correlation", "a", |r| correlation(r, &[1, 4, 0, 3], &[1, 4, 0, 3], 2, 1)),
    ("correlation", "b", |r| correlation(r, &[1, 4, 4, 3], &[1, 4, 4, 4], 2, 1)),
    ("correlation", "b", |r| correlation(r, &[1, 4, 4, 3], &[1, 4, 4], 2, 1)),
    ("correlation", "stride", |r| correlation(r, &[1, 4, 4, 3], &[1, 4, 4, 3], 2, 0)),
    ("correlation", "stride", |r| correlation(r, &[1, 4, 4, 3], &[1, 4, 4, 3], 2, usize::MAX)),
    ("correlation", "max_displacement", |r| correlation(r, &[1, 4, 4, 3], &[1, 4, 4, 3], usize::MAX, 1)),
    ("correlation", "result", |r| correlation(r, &[1 << 30, 1, 1, 1], &[1 << 30, 1, 1, 1], 65_535, 1)),
    ("pad2d", "x", |r| r.input("a", [4, 4, 3]).pad2d(Pad2d::default())),
    ("pad2d", "x", |r| r.input("a", [1, 4, 4, 0]).pad2d(Pad2d::default())),
    ("pad2d", "x", |r| r.input_u32("a", [1, 4, 4, 3]).pad2d(Pad2d::default())),
    ("pad2d", "top", |r| pad(r, Pad2d { top: 4, mode: PadMode::Reflect, ..Pad2d::default() })),
    ("pad2d", "bottom", |r| pad(r, Pad2d { bottom: 4, mode: PadMode::Reflect, ..Pad2d::default() })),
    ("pad2d", "left", |r| pad(r, Pad2d { left: 5, mode: PadMode::Reflect, ..Pad2d::default() })),
    ("pad2d", "right", |r| pad(r, Pad2d { right: usize::MAX, mode: PadMode::Reflect, ..Pad2d::default() })),
    ("pad2d", "right", |r| pad(r, Pad2d { right: usize::MAX, ..Pad2d::default() })),
    ("pad2d", "top", |r| pad(r, Pad2d { top: 65_536, mode: PadMode::Replicate, ..Pad2d::default() })),
    ("pad2d", "result", |r| {
        r.input("a", [1 << 40, 1, 1, 1]).pad2d(Pad2d { top: 65_535, left: 65_535, ..Pad2d::default() })
    }),
    ("batch_matmul", "a", |r| r.input("a", [4, 3]).batch_matmul(r.input("b", [3, 4]), false, false)),
    ("batch_matmul", "a", |r| r.input("a", [3]).batch_matmul(r.input("b", [3, 4]), false, false)),
    ("batch_matmul", "a", |r| r.input("a", [2, 0, 3]).batch_matmul(r.input("b", [2, 3, 4]), false, false)),
    ("batch_matmul", "a", |r| r.input_u32("a", [2, 4, 3]).batch_matmul(r.input("b", [2, 3, 4]), false, false)),
    ("batch_matmul", "b", |r| r.input("a", [2, 4, 3]).batch_matmul(r.input("b", [3, 4]), false, false)),
    ("batch_matmul", "b", |r| r.input("a", [2, 4, 3]).batch_matmul(r.input("b", [3, 3, 4]), false, false)),
    ("batch_matmul", "b", |r| r.input("a", [2, 4, 3]).batch_matmul(r.input("b", [2, 3, 4]), true, false)),
    ("batch_matmul", "b", |r| r.input("a", [2, 4, 3]).batch_matmul(r.input("b", [2, 3, 4]), false, true)),
    ("batch_matmul", "b", |r| r.input("a", [2, 4, 3]).batch_matmul(r.input("b", [2, 3, 5]), true, true)),
    ("batch_matmul", "a", |r| r.input("a", [4, 3]).batch_matmul(r.input("b", [4, 3]), true, true)),
    ("batch_matmul", "result", |r| {
        r.input("a", [1, 1 << 40, 1]).batch_matmul(r.input("b", [1, 1, 1 << 40]), false, false)
    }),
    ("matmul", "a", |r| r.input("a", [0, 3]).matmul(r.input("w", [3, 5]))),
    ("matmul", "b", |r| r.input("a", [4, 3]).matmul(r.input("w", [2, 3, 5]))),
    ("matmul", "result", |r| r.input("a", [1 << 40, 1]).matmul(r.input("w", [1, 1 << 40]))),
    ("matmul", "b", |r| r.input("a", [4, 3]).matmul(r.input("w", [4, 3]))),
    ("matmul", "bias", |r| r.input("a", [4, 3]).linear(r.input("w", [3, 5]), r.input("b", [4]), false)),
    ("matmul", "bias", |r| r.input("a", [4, 3]).linear(r.input("w", [3, 5]), r.input_u32("b", [5]), false)),
    ("add", "b", |r| r.input("a", [4, 3]).add(r.input("b", [4]))),
    ("huber", "delta", |r| r.input("a", [4]).unary(Unary::Huber { delta: 0.0 })),
    ("smooth_l1", "beta", |r| r.input("a", [4]).unary(Unary::SmoothL1 { beta: -1.0 })),
    ("clamp", "high", |r| r.input("a", [4]).clamp(1.0, 0.0)),
    ("elu", "attribute", |r| r.input("a", [4]).elu(f32::NAN)),
    ("softplus", "x", |r| r.input_u32("a", [4]).softplus()),
    ("prelu", "b", |r| r.input("a", [4, 3]).prelu(r.input("slope", [4]))),
    ("less", "b", |r| r.input("a", [4, 3]).compare(Comparison::Less, r.input("b", [4]))),
    ("select", "a", |r| r.input("c", [4]).select(r.input("a", [3]), r.input("b", [4]))),
    ("select", "b", |r| r.input("c", [4]).select(r.input("a", [4]), r.input_u32("b", [4]))),
    ("norm", "axes", |r| r.input("a", [4, 3]).norm(&[2])),
    ("max_over", "axes", |r| r.input("a", [4, 3]).max_over(&[0, 2])),
    ("min_over", "x", |r| r.input("a", [4, 0]).min_over(&[1])),
    ("arg_max", "axes", |r| r.input("a", [4, 3]).arg_max(usize::MAX)),
    ("arg_min", "x", |r| r.input_u32("a", [4, 3]).arg_min(0)),
    ("softmax", "axes", |r| r.input("a", [4, 3]).softmax(2)),
    ("log_softmax", "x", |r| r.input_u32("a", [4, 3]).log_softmax(0)),
    ("permute", "order", |r| r.input("a", [4, 3]).permute(&[0, 0])),
    ("permute", "order", |r| r.input("a", [4, 3]).permute(&[0])),
    ("reshape", "x", |r| r.input("a", [4, 3]).reshape([5])),
    ("broadcast", "x", |r| r.input("a", [4, 3]).broadcast([4, 5])),
    ("sum", "axes", |r| r.input("a", [4, 3]).sum(&[2])),
];

#[track_caller]
fn conv<'r>(r: &'r Recorder, x: &[usize], w: &[usize], conv: Conv2d) -> Result<Var<'r>> {
    r.input("a", x).conv2d(r.input("w", w), conv)
}

#[track_caller]
fn transpose<'r>(r: &'r Recorder, x: &[usize], w: &[usize], conv: ConvTranspose2d) -> Result<Var<'r>> {
    r.input("a", x).conv_transpose2d(r.input("w", w), conv)
}

#[track_caller]
fn correlation<'r>(r: &'r Recorder, a: &[usize], b: &[usize], most: usize, stride: usize) -> Result<Var<'r>> {
    r.input("a", a).correlation(r.input("b", b), Correlation { max_displacement: most, stride })
}

#[track_caller]
fn pad(r: &Recorder, pad: Pad2d) -> Result<Var<'_>> {
    r.input("a", [1, 4, 5, 3]).pad2d(pad)
}

fn matrix() -> std::sync::Arc<SpmmMatrix> {
    SpmmMatrix::new(Csr::from_triplets(2, 3, &[(0, 1, 2.0), (1, 2, 1.0)]).expect("inside")).expect("consistent")
}

#[test]
fn mistakes_are_typed_and_name_operator_operand_and_line() {
    for (i, (operator, what, build)) in MISTAKES.iter().enumerate() {
        let r = Recorder::new();
        match build(&r) {
            Ok(var) => panic!("mistake {i}: {operator} accepted a wrong {what}: {var:?}"),
            Err(Error::Operand { op, operand, site, .. }) => {
                assert_eq!((op.as_str(), operand.as_str()), (*operator, *what), "mistake {i}");
                assert!(site.0.file().ends_with("mistakes.rs"), "mistake {i} is attributed to {site}");
            }
            Err(other) => panic!("mistake {i}: {operator}, {what}: {other}"),
        }
    }
}

#[test]
fn operands_of_another_recorder_are_refused() {
    let (r, s) = (Recorder::new(), Recorder::new());
    let error = r.input("a", [2]).add(s.input("b", [2])).unwrap_err();
    assert!(error.to_string().contains("another recorder"), "{error}");
}

#[test]
fn sparse_matrices_are_checked_before_a_kernel_trusts_them() {
    let good = Csr::from_triplets(2, 3, &[(0, 1, 2.0), (1, 2, 1.0)]).expect("inside");
    assert!(SpmmMatrix::new(good.clone()).is_ok());
    let bad: [Csr; 4] = [
        Csr { col: vec![1, 3], ..good.clone() },
        Csr { row_ptr: vec![0, 1], ..good.clone() },
        Csr { row_ptr: vec![0, 3, 2], ..good.clone() },
        Csr { val: vec![1.0], ..good.clone() },
    ];
    for csr in bad {
        assert!(matches!(SpmmMatrix::new(csr.clone()), Err(Error::Invalid { .. })), "{csr:?}");
    }
    let error = SpmmMatrix::new(Csr { val: vec![1.0, f32::NAN], ..good }).unwrap_err();
    assert!(matches!(error, Error::NotFinite { .. }), "{error}");
}
