//! Operands and attributes that do not fit: a typed error names the operator, the operand and the line, and nothing
//! panics. No device is needed.

use knuckle::nn::losses::{self, Reduction};
use knuckle::ops::{Adam, AdamW, Comparison, Conv2d, RmsProp, Sgd, SpmmMatrix, Unary};
use knuckle::sparse::Csr;
use knuckle::{Error, Recorder, Result, Var, nn};

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
    ("conv2d", "attributes", |r| {
        r.input("a", [1, 4, 4, 3]).conv2d(r.input("w", [3, 3, 3, 8]), Conv2d { stride: 0, ..Conv2d::default() })
    }),
    ("matmul", "b", |r| r.input("a", [4, 3]).matmul(r.input("w", [4, 3]))),
    ("matmul", "bias", |r| r.input("a", [4, 3]).linear(r.input("w", [3, 5]), r.input("b", [4]), false)),
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
    ("batch_stats", "x", |r| Ok(r.input("a", [4]).batch_norm_train(None, 1e-5, false)?.y)),
    ("batch_norm", "affine", |r| Ok(r.input("a", [4, 3]).batch_norm_train(r.input("b", [3]), 1e-5, false)?.y)),
    ("batch_norm", "eps", |r| Ok(r.input("a", [4, 3]).batch_norm_train(None, f32::NAN, false)?.y)),
    ("batch_norm", "statistics", |r| r.input("a", [4, 3]).batch_norm_infer(None, r.input("s", [2, 4]), 1e-5, false)),
    ("instance_norm", "x", |r| r.input("a", [3]).instance_norm(None, 1e-5)),
    ("instance_norm", "x", |r| r.input("a", [2, 0, 3]).instance_norm(None, 1e-5)),
    ("instance_norm", "x", |r| r.input_u32("a", [2, 4, 3]).instance_norm(None, 1e-5)),
    ("instance_norm", "affine", |r| r.input("a", [2, 4, 3]).instance_norm(r.input("b", [2, 4]), 1e-5)),
    ("instance_norm", "affine", |r| r.input("a", [2, 4, 3]).instance_norm(r.input_u32("b", [2, 3]), 1e-5)),
    ("instance_norm", "eps", |r| r.input("a", [2, 4, 3]).instance_norm(None, 0.0)),
    ("layer_norm", "x", |r| r.input("a", [3, 0]).layer_norm(None, 1e-5)),
    ("layer_norm", "affine", |r| r.input("a", [4, 3]).layer_norm(r.input("b", [3]), 1e-5)),
    ("layer_norm", "eps", |r| r.input("a", [4, 3]).layer_norm(None, f32::INFINITY)),
    ("group_norm", "groups", |r| r.input("a", [4, 6]).group_norm(0, None, 1e-5)),
    ("group_norm", "groups", |r| r.input("a", [4, 6]).group_norm(4, None, 1e-5)),
    ("group_norm", "groups", |r| r.input("a", [4, 6]).group_norm(usize::MAX, None, 1e-5)),
    ("group_norm", "x", |r| r.input("a", [6]).group_norm(2, None, 1e-5)),
    ("group_norm", "groups", |r| nn::group_norm(r.input("a", [4, 6]), "layer", 5)),
    ("spectral_norm", "weight", |r| nn::spectral_norm(r.input("w", [3]), "layer", 1)),
    ("spectral_norm", "weight", |r| nn::spectral_norm(r.input("w", [3, 0]), "layer", 1)),
    ("spectral_norm", "iterations", |r| nn::spectral_norm(r.input("w", [3, 2]), "layer", 0)),
    ("spectral_norm", "iterations", |r| nn::spectral_norm(r.input("w", [3, 2]), "layer", usize::MAX)),
    ("one_hot", "classes", |r| r.input("a", [4]).one_hot(0)),
    ("one_hot", "classes", |r| r.input("a", [4]).one_hot(usize::MAX)),
    ("one_hot", "index", |r| r.input("a", [4, 0]).one_hot(3)),
    ("l1_loss", "target", |r| losses::l1_loss(r.input("a", [4, 3]), r.input("b", [3]), Reduction::Mean)),
    ("mse_loss", "target", |r| losses::mse_loss(r.input("a", [4, 3]), r.input("b", [4, 1]), Reduction::Sum)),
    ("sub", "a", |r| losses::mse_loss(r.input_u32("a", [4]), r.input_u32("b", [4]), Reduction::Sum)),
    ("reduction", "elements", |r| losses::l1_loss(r.input("a", [0, 3]), r.input("b", [0, 3]), Reduction::PerSample)),
    ("smooth_l1_loss", "target", |r| {
        losses::smooth_l1_loss(r.input("a", [4]), r.input("b", [1]), 1.0, Reduction::Mean)
    }),
    ("smooth_l1", "beta", |r| losses::smooth_l1_loss(r.input("a", [4]), r.input("b", [4]), 0.0, Reduction::Mean)),
    ("huber_loss", "target", |r| losses::huber_loss(r.input("a", [4]), r.input("b", [1]), 1.0, Reduction::Mean)),
    ("huber", "attribute", |r| losses::huber_loss(r.input("a", [4]), r.input("b", [4]), f32::NAN, Reduction::Mean)),
    ("binary_cross_entropy", "target", |r| {
        losses::binary_cross_entropy_with_logits(r.input("a", [4, 3]), r.input("b", [3]), None, Reduction::Mean)
    }),
    ("binary_cross_entropy", "positive_weight", |r| {
        let (a, b, weight) = (r.input("a", [4, 3]), r.input("b", [4, 3]), r.input("w", [2, 1, 3]));
        losses::binary_cross_entropy_with_logits(a, b, Some(weight), Reduction::Mean)
    }),
    ("cross_entropy", "logits", |r| losses::cross_entropy(r.input("a", [4]), r.input("b", [1]), 0.0, Reduction::Mean)),
    ("cross_entropy", "classes", |r| {
        losses::cross_entropy(r.input("a", [4, 3]), r.input_u32("b", [4, 3]), 0.0, Reduction::Mean)
    }),
    ("cross_entropy", "smoothing", |r| {
        losses::cross_entropy(r.input("a", [4, 3]), r.input_u32("b", [4]), 1.5, Reduction::Mean)
    }),
    ("soft_cross_entropy", "target", |r| {
        losses::soft_cross_entropy(r.input("a", [4, 3]), r.input("b", [4]), Reduction::Mean)
    }),
    ("soft_cross_entropy", "logits", |r| {
        losses::soft_cross_entropy(r.input("a", [4]), r.input("b", [4]), Reduction::Mean)
    }),
    ("kl_divergence", "log_p", |r| losses::kl_divergence(r.input("a", [4, 3]), r.input("b", [3]), Reduction::Mean)),
    ("kl_divergence", "log_q", |r| losses::kl_divergence(r.input("a", [3]), r.input("b", [3]), Reduction::Mean)),
    ("cosine_similarity", "a", |r| losses::cosine_similarity(r.input("a", [3]), r.input("b", [3]), 1e-8)),
    ("cosine_similarity", "b", |r| losses::cosine_similarity(r.input("a", [2, 3]), r.input("b", [3]), 1e-8)),
    ("cosine_similarity", "eps", |r| losses::cosine_similarity(r.input("a", [2, 3]), r.input("b", [2, 3]), 0.0)),
    ("cosine_embedding_loss", "label", |r| {
        let (a, b) = (r.input("a", [2, 3]), r.input("b", [2, 3]));
        losses::cosine_embedding_loss(a, b, r.input("label", [3]), 0.0, Reduction::Mean)
    }),
    ("cosine_embedding_loss", "margin", |r| {
        let (a, b) = (r.input("a", [2, 3]), r.input("b", [2, 3]));
        losses::cosine_embedding_loss(a, b, r.input("label", [2]), f32::NAN, Reduction::Mean)
    }),
    ("bone_length_loss", "target", |r| {
        losses::bone_length_loss(r.input("a", [2, 5, 3]), r.input("b", [2, 4, 3]), &[(0, 1)], Reduction::Mean)
    }),
    ("gather_rows", "indices", |r| {
        losses::bone_length_loss(r.input("a", [2, 5, 3]), r.input("b", [2, 5, 3]), &[(0, 5)], Reduction::Mean)
    }),
    ("gather_rows", "indices", |r| {
        losses::bone_direction_loss(
            r.input("a", [2, 5, 3]),
            r.input("b", [2, 5, 3]),
            &[(usize::MAX, 1)],
            Reduction::Mean,
        )
    }),
    ("gather_rows", "indices", |r| losses::bone_vectors(r.input("a", [2, 5, 3]), &[])),
    ("bone_direction_loss", "target", |r| {
        losses::bone_direction_loss(r.input("a", [2, 5, 3]), r.input("b", [2, 5, 2]), &[(0, 1)], Reduction::Mean)
    }),
    ("hinge_critic_loss", "fake", |r| {
        losses::hinge_critic_loss(r.input("a", [4, 1]), r.input("b", [3, 1]), Reduction::PerSample)
    }),
    ("wasserstein_critic_loss", "fake", |r| {
        losses::wasserstein_critic_loss(r.input("a", [4, 1]), r.input("b", [3, 1]), Reduction::PerSample)
    }),
    ("gradient_penalty", "fake", |r| {
        losses::gradient_penalty(r.input("a", [4, 2]), r.input("b", [3, 2]), r.input("m", [4]), Reduction::Mean, Ok)
    }),
    ("gradient_penalty", "mix", |r| {
        losses::gradient_penalty(r.input("a", [4, 2]), r.input("b", [4, 2]), r.input("m", [4, 2]), Reduction::Mean, Ok)
    }),
    ("gradient_penalty", "real", |r| {
        losses::gradient_penalty(r.input("a", [0, 2]), r.input("b", [0, 2]), r.input("m", [0]), Reduction::Mean, Ok)
    }),
    ("gradient_penalty", "critic", |r| {
        let scores = |_| Ok(r.scalar(1.0));
        losses::gradient_penalty(r.input("a", [4, 2]), r.input("b", [4, 2]), r.input("m", [4]), Reduction::Mean, scores)
    }),
    ("pullback", "cotangent", |r| {
        let x = r.input("a", [4, 2]);
        Ok(x.square()?.pullback(r.input("gy", [2]), &[x])?.loss())
    }),
    ("clip_by_norm", "max_norm", |r| Ok(r.clip_by_norm(&r.param("w", [2]).sum_all()?.backward()?, f32::NAN)?.norm)),
    ("clip_by_norm", "max_norm", |r| Ok(r.clip_by_norm(&r.param("w", [2]).sum_all()?.backward()?, 0.0)?.norm)),
    ("clip_by_norm", "gradients", |r| Ok(r.clip_by_norm(&r.input("x", [2]).sum_all()?.backward()?, 1.0)?.norm)),
    ("average", "keep", |r| {
        let w = r.param("w", [2]);
        r.average_parameters(1.0)?;
        Ok(w)
    }),
    ("sgd", "momentum", |r| {
        let w = r.param("w", [2]);
        r.step(&Sgd { momentum: 1.0, ..Sgd::default() }, &w.sum_all()?.backward()?, r.scalar(0.1))?;
        Ok(w)
    }),
    ("sgd", "weight_decay", |r| {
        let w = r.param("w", [2]);
        r.step(&Sgd { weight_decay: -0.1, ..Sgd::default() }, &w.sum_all()?.backward()?, r.scalar(0.1))?;
        Ok(w)
    }),
    ("sgd", "learning rate", |r| {
        let w = r.param("w", [2]);
        r.step(&Sgd::default(), &w.sum_all()?.backward()?, r.input("rate", [2]))?;
        Ok(w)
    }),
    ("rmsprop", "rho", |r| {
        let w = r.param("w", [2]);
        r.step(&RmsProp { rho: f32::NAN, ..RmsProp::default() }, &w.sum_all()?.backward()?, r.scalar(0.1))?;
        Ok(w)
    }),
    ("rmsprop", "eps", |r| {
        let w = r.param("w", [2]);
        r.step(&RmsProp { eps: 0.0, ..RmsProp::default() }, &w.sum_all()?.backward()?, r.scalar(0.1))?;
        Ok(w)
    }),
    ("adam", "beta1", |r| {
        let w = r.param("w", [2]);
        r.step(&Adam { beta1: 1.0, ..Adam::default() }, &w.sum_all()?.backward()?, r.scalar(0.1))?;
        Ok(w)
    }),
    ("adam", "beta2", |r| {
        let w = r.param("w", [2]);
        r.step(&AdamW { beta2: -0.5, ..AdamW::default() }, &w.sum_all()?.backward()?, r.scalar(0.1))?;
        Ok(w)
    }),
    ("adam", "weight_decay", |r| {
        let w = r.param("w", [2]);
        r.step(&AdamW { weight_decay: f32::INFINITY, ..AdamW::default() }, &w.sum_all()?.backward()?, r.scalar(0.1))?;
        Ok(w)
    }),
    ("adam", "learning rate", |r| {
        let w = r.param("w", [2]);
        r.step(&AdamW::default(), &w.sum_all()?.backward()?, r.input_u32("rate", [1]))?;
        Ok(w)
    }),
];

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
