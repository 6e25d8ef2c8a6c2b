//! Properties that hold for any call: a wrong one is refused with a typed error that names the caller's line and nothing
//! panics, and a right one of any shape agrees with its reference. Calls are drawn from fixed seeds; one that breaks a
//! property is shrunk to the smallest that does.
//!
//! A new operator takes a line in [`CALLS`] or [`SHAPED`] and, where its shapes vary, one in [`GENERATORS`].

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::thread;

use kernels_tests::cases::raster;
use kernels_tests::harness::TRUSTED;
use kernels_tests::reference::{
    Tensor, conv, graph, indexing, layout, matmul, norm, pointwise, pool, reduce, sample as sampling,
};
use kernels_tests::{Case, Fill, Operand, cases, harness, variants};
use knuckle::exec::{CompileOptions, compile};
use knuckle::graph::TensorData;
use knuckle::hand::Side;
use knuckle::nn::hand::{HandModel, HandRig, HandVars};
use knuckle::nn::losses::{self, MeshLoss, MeshOperators, MeshTruth, Reduction};
use knuckle::nn::{mesh_losses, skinning};
use knuckle::ops::{
    Adam, AdamW, AvgPool2d, Comparison, Conv2d, ConvTranspose2d, Correlation, CumulativeSum, GridPadding, GridSample,
    HistogramKernel, Pad2d, PadMode, PeakRefinement, Projection, Raster, Rasterized, Resize, Rig, RigFrame, RmsProp,
    Sgd, Skeleton, SkinWeights, SoftHistogram, SortOrder, SparsePattern, SpmmMatrix, TriangleMesh, Unary,
};
use knuckle::rng::Rng;
use knuckle::sparse::Csr;
use knuckle::{DType, Error, Recorder, Result, Var, nn};
use proptest::collection::vec;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// How an operator is called on operands, with attributes that are drawn.
type Call = for<'r> fn(&'r Recorder, &[Var<'r>], &mut Attributes<'_>) -> Result<Var<'r>>;

/// Operators, how many axes their operands usually have, and a call.
const CALLS: &[(&str, &[usize], Call)] = &[
    ("unary", &[3], |_, x, a| x[0].unary(a.unary())),
    ("relu", &[3], |_, x, _| x[0].relu()),
    ("add", &[3, 3], |_, x, _| x[0].add(x[1])),
    ("sub", &[3, 2], |_, x, _| x[0].sub(x[1])),
    ("mul", &[2, 3], |_, x, _| x[0].mul(x[1])),
    ("div", &[4, 4], |_, x, _| x[0].div(x[1])),
    ("max", &[3, 3], |_, x, _| x[0].max(x[1])),
    ("min", &[3, 3], |_, x, _| x[0].min(x[1])),
    ("power_of", &[3, 1], |_, x, _| x[0].power_of(x[1])),
    ("prelu", &[3, 1], |_, x, _| x[0].prelu(x[1])),
    ("compare", &[3, 3], |_, x, _| x[0].compare(Comparison::Less, x[1])),
    ("select", &[2, 2, 2], |_, x, _| x[0].select(x[1], x[2])),
    ("cast", &[3], |_, x, a| x[0].cast(a.dtype())),
    ("cast to f16 and back", &[3], |_, x, _| x[0].cast(DType::F16)?.cast(DType::F32)),
    ("detach", &[3], |_, x, _| x[0].detach()),
    ("assign", &[2, 2], |_, x, _| x[0].assign(x[1])),
    ("uniform", &[], |r, _, a| r.uniform(a.list(), a.size() as u64, r.input("step", [1]))),
    ("normal", &[], |r, _, a| r.normal(a.list(), a.size() as u64, r.input_u32("step", [1]))),
    ("dropout", &[3], |r, x, a| x[0].dropout(a.number(), a.size() as u64, r.input("step", [1]))),
    ("one_hot", &[2], |r, x, a| integers(r, x[0]).one_hot(a.size())),
    ("broadcast", &[2], |_, x, a| x[0].broadcast(a.list())),
    ("sum_to", &[3], |_, x, a| x[0].sum_to(a.list().into())),
    ("constant", &[], |r, _, a| r.constant(a.list(), &[0.5; 6])),
    ("reshape", &[2], |_, x, a| x[0].reshape(a.list())),
    ("squeeze", &[3], |_, x, a| x[0].squeeze(a.size())),
    ("permute", &[3], |_, x, a| x[0].permute(&a.list())),
    ("sum", &[3], |_, x, a| x[0].sum(&a.list())),
    ("mean", &[3], |_, x, a| x[0].mean(&a.list())),
    ("sum_all", &[3], |_, x, _| x[0].sum_all()),
    ("mean_all", &[3], |_, x, _| x[0].mean_all()),
    ("norm", &[3], |_, x, a| x[0].norm(&a.list())),
    ("max_over", &[3], |_, x, a| x[0].max_over(&a.list())),
    ("min_over", &[3], |_, x, a| x[0].min_over(&a.list())),
    ("arg_max", &[3], |_, x, a| x[0].arg_max(a.size())),
    ("arg_min", &[3], |_, x, a| x[0].arg_min(a.size())),
    ("softmax", &[3], |_, x, a| x[0].softmax(a.size())),
    ("log_softmax", &[3], |_, x, a| x[0].log_softmax(a.size())),
    ("concat", &[3, 3, 3], |r, x, a| r.concat(x, a.size())),
    ("concat of one", &[2], |r, x, a| r.concat(x, a.size())),
    ("slice", &[3], |_, x, a| x[0].slice(a.size(), a.size(), a.size())),
    ("tile", &[3], |_, x, a| x[0].tile(&a.list())),
    ("repeat", &[3], |_, x, a| x[0].repeat(a.size(), a.size())),
    ("split", &[3], |_, x, a| {
        let parts = x[0].split(a.size(), &a.list())?;
        parts.last().expect("at least one").relu()
    }),
    ("pad2d", &[4], |_, x, a| x[0].pad2d(a.pad())),
    ("cumulative_sum", &[3], |_, x, a| {
        x[0].cumulative_sum(a.size(), CumulativeSum { exclusive: a.flag(), reverse: a.flag() })
    }),
    ("arg_sort", &[3], |_, x, a| x[0].arg_sort(a.size(), a.order())),
    ("sort", &[3], |_, x, a| Ok(x[0].sort(a.size(), a.order())?.values)),
    ("sort_by_key", &[3, 3], |_, x, a| Ok(x[0].sort_by_key(x[1], a.size(), a.order())?.values)),
    ("sort_by_key by integers", &[3, 3], |r, x, a| {
        Ok(x[0].sort_by_key(integers(r, x[1]), a.size(), a.order())?.values)
    }),
    ("top_k", &[3], |_, x, a| Ok(x[0].top_k(a.size(), a.size())?.values)),
    ("gather", &[3, 3], |r, x, a| x[0].gather(a.size(), integers(r, x[1]))),
    ("scatter_add", &[3, 3], |r, x, a| x[0].scatter_add(a.size(), integers(r, x[1]), a.size())),
    ("gather_rows", &[3], |_, x, a| x[0].gather_rows(&a.indices())),
    ("scatter_rows", &[3], |_, x, a| x[0].scatter_rows(&a.indices(), a.size())),
    ("spmm", &[3], |_, x, a| x[0].spmm(&a.matrix())),
    ("spmm_add", &[3, 3], |_, x, a| x[0].spmm_add(&a.matrix(), a.number(), x[1], a.number())),
    ("conv2d", &[4, 4], |_, x, a| x[0].conv2d(x[1], a.conv2d())),
    ("conv2d_bias", &[4, 4, 1], |_, x, a| x[0].conv2d_bias(x[1], x[2], a.conv2d(), true)),
    ("conv_transpose2d", &[4, 4], |_, x, a| x[0].conv_transpose2d(x[1], a.conv_transpose2d())),
    ("correlation", &[4, 4], |_, x, a| {
        x[0].correlation(x[1], Correlation { max_displacement: a.size(), stride: a.size() })
    }),
    ("matmul", &[2, 2], |_, x, _| x[0].matmul(x[1])),
    ("linear", &[3, 2, 1], |_, x, _| x[0].linear(x[1], x[2], false)),
    ("batch_matmul", &[3, 3], |_, x, a| x[0].batch_matmul(x[1], a.flag(), a.flag())),
    ("solve_spd", &[3, 3], |_, x, _| x[0].solve_spd(x[1])),
    ("max_pool2d", &[4], |_, x, a| x[0].max_pool2d(a.size(), a.size(), a.size())),
    ("upsample_nearest", &[4], |_, x, a| x[0].upsample_nearest(a.size())),
    ("avg_pool2d", &[4], |_, x, a| x[0].avg_pool2d(a.avg_pool2d())),
    ("adaptive_avg_pool2d", &[4], |_, x, a| x[0].adaptive_avg_pool2d(a.size(), a.size())),
    ("global_avg_pool2d", &[4], |_, x, _| x[0].global_avg_pool2d()),
    ("global_max_pool2d", &[4], |_, x, _| x[0].global_max_pool2d()),
    ("resize", &[4], |_, x, a| x[0].resize(a.size(), a.size(), a.resize())),
    ("graph_pool_max", &[3], |_, x, a| x[0].graph_pool_max(a.size())),
    ("graph_pool_mean", &[3], |_, x, a| x[0].graph_pool_mean(a.size())),
    ("graph_upsample", &[3], |_, x, a| x[0].graph_upsample(a.size())),
    ("gaussian_heatmaps", &[3], |r, x, a| r.gaussian_heatmaps(x[0], a.size(), a.size(), a.number())),
    ("soft_argmax2d", &[4], |_, x, a| x[0].soft_argmax2d(a.number())),
    ("arg_max2d", &[4], |_, x, a| x[0].arg_max2d(a.refinement())),
    ("soft_histogram", &[4], |_, x, a| x[0].soft_histogram(a.histogram())),
    ("histogram_divergence", &[3, 3], |_, x, a| losses::histogram_divergence(x[0], x[1], a.number())),
    ("batch_norm_train", &[4, 2], |_, x, a| Ok(x[0].batch_norm_train(x[1], a.number(), true)?.y)),
    ("batch_norm_infer", &[4, 2, 2], |_, x, a| x[0].batch_norm_infer(x[1], x[2], a.number(), false)),
    ("batch_norm_train without affine", &[4], |_, x, a| Ok(x[0].batch_norm_train(None, a.number(), false)?.y)),
    ("instance_norm", &[4], |_, x, a| x[0].instance_norm(None, a.number())),
    ("layer_norm", &[3], |_, x, a| x[0].layer_norm(None, a.number())),
    ("group_norm", &[4], |_, x, a| x[0].group_norm(a.size(), None, a.number())),
    ("follow", &[2, 2], |_, x, a| x[0].follow(x[1], a.number())),
    ("sgd", &[2], |r, x, a| step(r, x[0], |g, rate| r.step(&Sgd { momentum: a.number(), ..Sgd::default() }, g, rate))),
    ("rmsprop", &[2], |r, x, _| step(r, x[0], |g, rate| r.step(&RmsProp::default(), g, rate))),
    ("adam", &[2], |r, x, _| step(r, x[0], |g, rate| r.step(&Adam::default(), g, rate))),
    ("adamw", &[2], |r, x, a| {
        let (weight_decay, beta1) = (a.number(), a.number());
        step(r, x[0], |g, rate| r.step(&AdamW { weight_decay, beta1, ..AdamW::default() }, g, rate))
    }),
    ("clip_by_norm", &[3], |r, x, a| {
        let loss = r.param("w", x[0].shape()).sum_all()?;
        Ok(r.clip_by_norm(&loss.backward()?, a.number())?.norm)
    }),
    ("average_parameters", &[3], |r, x, a| {
        r.average_parameters(a.number())?;
        x[0].relu()
    }),
    ("nn::conv", &[4], |_, x, a| nn::conv(x[0], "conv", a.size(), a.size(), a.conv2d())),
    ("nn::linear", &[2], |_, x, a| nn::linear(x[0], "linear", a.size(), true)),
    ("nn::batch_norm_relu", &[4], |_, x, _| nn::batch_norm_relu(x[0], "norm")),
    ("nn::residual", &[4], |_, x, a| nn::residual(x[0], "residual", a.size())),
    ("nn::residual3x3", &[4], |_, x, a| nn::residual3x3(x[0], "residual", a.size())),
    ("nn::hourglass", &[4], |_, x, a| {
        let unit = if a.size() % 2 == 0 { nn::Residual::Bottleneck } else { nn::Residual::Conv3x3 };
        nn::hourglass(x[0], "hourglass", &[a.size(), a.size()], unit)
    }),
    ("nn::instance_norm", &[4], |_, x, _| nn::instance_norm(x[0], "norm")),
    ("nn::layer_norm", &[3], |_, x, _| nn::layer_norm(x[0], "norm")),
    ("nn::group_norm", &[4], |_, x, a| nn::group_norm(x[0], "norm", a.size())),
    ("nn::spectral_norm", &[3], |_, x, a| nn::spectral_norm(x[0], "norm", a.size())),
    ("nn::squared_error", &[3, 3], |_, x, _| losses::squared_error(x[0], x[1])),
    ("l1_loss", &[2, 2], |_, x, a| losses::l1_loss(x[0], x[1], a.reduction())),
    ("mse_loss", &[2, 2], |_, x, a| losses::mse_loss(x[0], x[1], a.reduction())),
    ("smooth_l1_loss", &[2, 2], |_, x, a| losses::smooth_l1_loss(x[0], x[1], a.number(), a.reduction())),
    ("huber_loss", &[2, 2], |_, x, a| losses::huber_loss(x[0], x[1], a.number(), a.reduction())),
    ("soft_cross_entropy", &[2, 2], |_, x, a| losses::soft_cross_entropy(x[0], x[1], a.reduction())),
    ("kl_divergence", &[2, 2], |_, x, a| losses::kl_divergence(x[0], x[1], a.reduction())),
    ("cosine_similarity", &[2, 2], |_, x, a| losses::cosine_similarity(x[0], x[1], a.number())),
    ("hinge_critic_loss", &[2, 2], |_, x, a| losses::hinge_critic_loss(x[0], x[1], a.reduction())),
    ("hinge_generator_loss", &[2], |_, x, a| losses::hinge_generator_loss(x[0], a.reduction())),
    ("wasserstein_critic_loss", &[2, 2], |_, x, a| losses::wasserstein_critic_loss(x[0], x[1], a.reduction())),
    ("wasserstein_generator_loss", &[2], |_, x, a| losses::wasserstein_generator_loss(x[0], a.reduction())),
    ("bone_vectors", &[3], |_, x, a| losses::bone_vectors(x[0], &a.bones())),
    ("bone_length_loss", &[3, 3], |_, x, a| losses::bone_length_loss(x[0], x[1], &a.bones(), a.reduction())),
    ("bone_direction_loss", &[3, 3], |_, x, a| losses::bone_direction_loss(x[0], x[1], &a.bones(), a.reduction())),
];

/// Operators of which some extents are given or follow from others, the operands' usual ones (0 for any), and a call.
const SHAPED: &[(&str, &[&[usize]], Call)] = &[
    ("conv2d, depthwise", &[&[0, 0, 0, 3], &[0, 0, 1, 3]], |_, x, a| {
        x[0].conv2d(x[1], Conv2d { groups: 3, ..a.conv2d() })
    }),
    ("conv2d, two groups", &[&[0, 0, 0, 4], &[0, 0, 2, 6], &[6]], |_, x, a| {
        x[0].conv2d_bias(x[1], x[2], Conv2d { groups: 2, ..a.conv2d() }, a.flag())
    }),
    ("conv_transpose2d_bias", &[&[0, 0, 0, 3], &[0, 0, 4, 3], &[4]], |_, x, a| {
        x[0].conv_transpose2d_bias(x[1], x[2], ConvTranspose2d { groups: 1, ..a.conv_transpose2d() }, a.flag())
    }),
    ("conv_transpose2d, two groups", &[&[0, 0, 0, 6], &[0, 0, 2, 6]], |_, x, a| {
        x[0].conv_transpose2d(x[1], ConvTranspose2d { groups: 2, ..a.conv_transpose2d() })
    }),
    ("grid_sample", &[&[0; 4], &[0, 0, 0, 2]], |_, x, a| x[0].grid_sample(x[1], a.grid_sample())),
    ("instance_norm with affine", &[&[0, 0, 3], &[2, 3]], |_, x, a| x[0].instance_norm(x[1], a.number())),
    ("layer_norm with affine", &[&[0, 0, 5], &[2, 5]], |_, x, a| x[0].layer_norm(x[1], a.number())),
    ("group_norm with affine", &[&[0, 0, 6], &[2, 6]], |_, x, a| x[0].group_norm(a.size(), x[1], a.number())),
    ("nn::chebyshev", &[&[0, 2, 0]], |_, x, a| nn::chebyshev(x[0], "graph", &a.matrix(), a.size(), a.size(), true)),
    ("nn::gcn", &[&[0, 2, 0]], |_, x, a| nn::gcn(x[0], "graph", &a.matrix(), a.size(), a.flag())),
    ("nn::graph_residual", &[&[0, 2, 0]], |_, x, a| nn::graph_residual(x[0], "graph", &a.matrix(), a.size())),
    ("nn::top_k_pool", &[&[2, 3, 0], &[2, 3, 3]], |_, x, a| Ok(nn::top_k_pool(x[0], "pool", x[1], a.size())?.x)),
    ("nn::top_k_pool, adjacency", &[&[2, 3, 0], &[2, 3, 3]], |_, x, a| {
        Ok(nn::top_k_pool(x[0], "pool", x[1], a.size())?.adjacency)
    }),
    ("nn::top_k_unpool", &[&[2, 3, 0], &[2, 3, 1]], |r, x, a| nn::top_k_unpool(x[0], integers(r, x[1]), a.size())),
    ("spmm_values", &[&[0, 2, 0], &[3]], |_, x, a| x[0].spmm_values(x[1], &a.pattern())),
    ("spmm_values of each", &[&[2, 2, 0], &[2, 3]], |_, x, a| x[0].spmm_values(x[1], &a.pattern())),
    ("sampled_product", &[&[0, 2, 0], &[0, 2, 0]], |_, x, a| x[0].sampled_product(x[1], &a.pattern())),
    ("axis_angle_to_matrix", &[&[0, 3]], |_, x, _| x[0].axis_angle_to_matrix()),
    ("quaternion_to_matrix", &[&[0, 0, 4]], |_, x, _| x[0].quaternion_to_matrix()),
    ("six_d_to_matrix", &[&[0, 6]], |_, x, _| x[0].six_d_to_matrix()),
    ("rotate", &[&[0, 0, 9], &[0, 0, 3]], |_, x, _| x[0].rotate(x[1])),
    ("rotate several each", &[&[2, 9], &[2, 0, 3]], |_, x, _| x[0].rotate(x[1])),
    ("transform_points", &[&[0, 0, 12], &[0, 0, 3]], |_, x, _| x[0].transform_points(x[1])),
    ("compose", &[&[0, 0, 12], &[0, 0, 12]], |_, x, _| x[0].compose(x[1])),
    ("compose rotations", &[&[0, 9], &[0, 9]], |_, x, _| x[0].compose(x[1])),
    ("rigid_transforms", &[&[0, 0, 9], &[0, 0, 3]], |_, x, _| skinning::rigid_transforms(x[0], x[1])),
    ("translations", &[&[0, 0, 12]], |_, x, _| skinning::translations(x[0])),
    ("forward_kinematics", &[&[0, 2, 12]], |_, x, a| x[0].forward_kinematics(&a.skeleton())),
    ("turn_about", &[&[0, 0, 9], &[0, 0, 3]], |_, x, _| x[0].turn_about(x[1])),
    ("rig_pose", &[&[0, 2, 3], &[0, 2, 3], &[0, 9], &[0, 3]], |_, x, a| x[0].rig_pose(x[1], x[2], x[3], &a.rig())),
    ("rig_shape", &[&[0, 2, 3]], |_, x, a| x[0].rig_shape(&a.rig())),
    ("nn::hand", &[&[0, 3], &[0, 3], &[0, 23], &[0, 14]], |_, x, _| {
        let hand = HandVars { rotation: x[0], translation_mm: x[1], pose: x[2], shape: x[3] };
        Ok(HandRig::shipped(Side::Left)?.record(&hand)?.joints)
    }),
    ("skin", &[&[3, 3], &[0, 2, 12]], |_, x, a| x[0].skin(x[1], &a.skin())),
    ("skin each", &[&[2, 3, 3], &[2, 2, 12]], |_, x, a| x[0].skin(x[1], &a.skin())),
    ("pose", &[&[0, 2, 9]], |_, x, a| Ok(a.model().pose(x[0])?.vertices)),
    ("blend_shapes", &[&[0, 3], &[2, 0, 3], &[0, 2]], |_, x, _| skinning::blend_shapes(x[0], x[1], x[2])),
    ("project_perspective", &[&[2, 0, 3], &[2, 4]], |_, x, a| x[0].project_perspective(x[1], a.number())),
    ("project_orthographic", &[&[2, 0, 3], &[2, 4]], |_, x, _| x[0].project_orthographic(x[1])),
    ("project_weak_perspective", &[&[2, 0, 3], &[2, 3]], |_, x, _| x[0].project_weak_perspective(x[1])),
    ("unit_vectors", &[&[0, 0, 3]], |_, x, _| x[0].unit_vectors()),
    ("face_normals", &[&[0, 4, 3]], |_, x, a| x[0].face_normals(&a.mesh())),
    ("face_areas", &[&[0, 4, 3]], |_, x, a| x[0].face_areas(&a.mesh())),
    ("vertex_normals", &[&[0, 4, 3]], |_, x, a| x[0].vertex_normals(&a.mesh())),
    ("edge_vectors", &[&[0, 4, 0]], |_, x, a| x[0].edge_vectors(&a.mesh())),
    ("edge_lengths", &[&[0, 4, 0]], |_, x, a| x[0].edge_lengths(&a.mesh())),
    ("cotangent_laplacian", &[&[0, 4, 3]], |_, x, a| x[0].cotangent_laplacian(&a.mesh())),
    ("nearest_points", &[&[2, 0, 3], &[2, 0, 3]], |_, x, _| x[0].nearest_points(x[1])),
    ("nearest_squared_distances", &[&[2, 0, 3], &[2, 0, 3]], |_, x, _| x[0].nearest_squared_distances(x[1])),
    ("chamfer", &[&[2, 0, 3], &[2, 0, 3]], |_, x, _| mesh_losses::chamfer(x[0], x[1])),
    ("edge_length", &[&[0, 4, 3]], |_, x, a| mesh_losses::edge_length(x[0], &a.mesh(), a.number())),
    ("normal_consistency", &[&[0, 4, 3]], |_, x, a| mesh_losses::normal_consistency(x[0], &a.mesh())),
    ("mesh loss", &[&[2, 2, 3], &[2, 2, 2], &[2, 2, 3], &[2, 2, 2], &[2, 2, 3]], |_, x, a| {
        let mesh = MeshOperators { edges: a.matrix(), laplacian: a.matrix() };
        let truth = MeshTruth { xyz: x[2], uv: x[3], normals_left: x[4], normals_right: x[4] };
        MeshLoss::new(x[0], x[1], &truth, &mesh)?.total()
    }),
    ("rasterize", &[&[2, 4, 3], &[2, 4]], |_, x, a| {
        x[0].rasterize(&a.mesh(), Projection::Perspective(x[1]), a.raster())?.depth(a.number())
    }),
    ("rasterize listed faces", &[&[2, 0, 3], &[2, 3], &[0, 3]], |r, x, a| {
        let camera = Projection::WeakPerspective(x[1]);
        x[0].rasterize(integers(r, x[2]), camera, a.raster())?.mask()?.add(x[0].sum_all()?)
    }),
    ("rasterize each image's faces", &[&[2, 0, 3], &[2, 4], &[2, 0, 3]], |r, x, a| {
        let camera = Projection::Orthographic(x[1]);
        x[0].rasterize(integers(r, x[2]), camera, a.raster())?.edge_silhouette()
    }),
    ("rasterize faces that are no integers", &[&[2, 0, 3], &[2, 4], &[0, 3]], |_, x, a| match a.flag() {
        true => Ok(x[0].rasterize(x[2], Projection::Perspective(x[1]), a.raster())?.face_ids()),
        false => x[0].relu(),
    }),
    ("depth", &[&[2, 4, 3], &[2, 4]], |_, x, a| a.drawn(x)?.depth(a.number())),
    ("barycentrics", &[&[2, 4, 3], &[2, 4]], |_, x, a| a.drawn(x)?.barycentrics()),
    ("vertex_attributes", &[&[2, 4, 3], &[2, 4], &[4, 0]], |_, x, a| a.drawn(x)?.vertex_attributes(x[2])),
    ("vertex_attributes of each", &[&[2, 4, 3], &[2, 4], &[2, 4, 0]], |_, x, a| a.drawn(x)?.vertex_attributes(x[2])),
    ("corner_attributes", &[&[2, 4, 3], &[2, 4], &[12, 0]], |_, x, a| a.drawn(x)?.corner_attributes(x[2])),
    ("corner_attributes of each", &[&[2, 4, 3], &[2, 4], &[2, 12, 0]], |_, x, a| a.drawn(x)?.corner_attributes(x[2])),
    ("textured", &[&[2, 4, 3], &[2, 4], &[2, 0, 0, 0], &[2, 5, 6, 2]], |_, x, a| a.drawn(x)?.textured(x[2], x[3])),
    ("soft_silhouette", &[&[2, 4, 3], &[2, 4]], |_, x, a| a.drawn(x)?.soft_silhouette(a.number())),
    ("edge_silhouette", &[&[2, 4, 3], &[2, 4]], |_, x, a| a.drawn(x)?.edge_silhouette()),
    ("cross_entropy", &[&[2, 3, 0], &[2, 3]], |r, x, a| {
        losses::cross_entropy(x[0], integers(r, x[1]), a.number(), a.reduction())
    }),
    ("binary_cross_entropy", &[&[0, 3], &[0, 3], &[3]], |_, x, a| {
        losses::binary_cross_entropy_with_logits(x[0], x[1], a.flag().then_some(x[2]), a.reduction())
    }),
    ("cosine_embedding_loss", &[&[2, 0], &[2, 0], &[2]], |_, x, a| {
        losses::cosine_embedding_loss(x[0], x[1], x[2], a.number(), a.reduction())
    }),
    ("gradient_penalty", &[&[2, 0], &[2, 0], &[2]], |_, x, a| {
        losses::gradient_penalty(x[0], x[1], x[2], a.reduction(), |x| x.square()?.tanh())
    }),
];

/// All calls.
fn calls() -> Vec<(&'static str, Vec<Vec<usize>>, Call)> {
    let free = CALLS.iter().map(|&(name, axes, call)| (name, axes.iter().map(|&n| vec![0; n]).collect(), call));
    let shaped =
        SHAPED.iter().map(|&(name, usual, call)| (name, usual.iter().map(|dims| dims.to_vec()).collect(), call));
    free.chain(shaped).collect()
}

/// Integers of the shape of `x`.
#[track_caller]
fn integers<'r>(r: &'r Recorder, x: Var<'r>) -> Var<'r> {
    r.input_u32("integers", x.shape())
}

/// Calls of each operator: together more than ten thousand that are refused.
const EACH: u32 = 500;

/// Cases that are given a wrong operand.
const MUTATED: u32 = 4_000;

/// Steps the gradient of the sum of a parameter like `x`.
#[track_caller]
fn step<'r>(
    r: &'r Recorder,
    x: Var<'r>,
    step: impl FnOnce(&knuckle::Gradients<'r>, Var<'r>) -> Result<()>,
) -> Result<Var<'r>> {
    let loss = r.param("w", x.shape()).sum_all()?;
    step(&loss.backward()?, r.input("rate", [1]))?;
    Ok(loss)
}

/// A call as it is drawn.
#[derive(Debug, Clone)]
struct Drawn {
    operands: Vec<Vec<usize>>,
    integer: bool,
    sizes: Vec<usize>,
    numbers: Vec<f32>,
    lists: Vec<Vec<usize>>,
}

/// The attributes of a call, taken one after the other; a call takes a few of each.
struct Attributes<'d> {
    drawn: &'d Drawn,
    taken: [usize; 3],
}

impl Attributes<'_> {
    fn next<T: Clone>(&mut self, kind: usize, from: &[T]) -> T {
        self.taken[kind] += 1;
        from[(self.taken[kind] - 1) % from.len()].clone()
    }

    fn size(&mut self) -> usize {
        self.next(0, &self.drawn.sizes)
    }

    fn number(&mut self) -> f32 {
        self.next(1, &self.drawn.numbers)
    }

    /// Axes, extents or an order.
    fn list(&mut self) -> Vec<usize> {
        self.next(2, &self.drawn.lists)
    }

    fn indices(&mut self) -> Vec<u32> {
        self.list().into_iter().map(|i| u32::try_from(i).unwrap_or(u32::MAX)).collect()
    }

    fn conv2d(&mut self) -> Conv2d {
        Conv2d { stride: self.size(), padding: self.size(), dilation: self.size(), groups: self.size() }
    }

    fn conv_transpose2d(&mut self) -> ConvTranspose2d {
        let Conv2d { stride, padding, dilation, groups } = self.conv2d();
        ConvTranspose2d { stride, padding, output_padding: self.size(), dilation, groups }
    }

    fn avg_pool2d(&mut self) -> AvgPool2d {
        AvgPool2d { kernel: self.size(), stride: self.size(), padding: self.size(), count_include_pad: self.flag() }
    }

    fn flag(&mut self) -> bool {
        self.size() % 2 == 1
    }

    fn choice<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.size() % from.len()].clone()
    }

    fn dtype(&mut self) -> DType {
        self.choice(&[DType::F32, DType::F16, DType::U32])
    }

    fn order(&mut self) -> SortOrder {
        self.choice(&[SortOrder::Ascending, SortOrder::Descending])
    }

    fn pad(&mut self) -> Pad2d {
        let [top, bottom, left, right] = [(); 4].map(|()| self.size());
        Pad2d { top, bottom, left, right, mode: self.choice(&[PadMode::Zero, PadMode::Reflect, PadMode::Replicate]) }
    }

    fn resize(&mut self) -> Resize {
        let bilinear = |align_corners| Resize::Bilinear { align_corners };
        self.choice(&[Resize::Nearest, Resize::NearestExact, bilinear(false), bilinear(true)])
    }

    fn grid_sample(&mut self) -> GridSample {
        let padding = self.choice(&[GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection]);
        GridSample { nearest: self.flag(), padding, align_corners: self.flag() }
    }

    fn refinement(&mut self) -> PeakRefinement {
        use PeakRefinement::{LogParabola, None, Parabola, QuarterPixel};
        self.choice(&[None, QuarterPixel, Parabola, LogParabola])
    }

    fn histogram(&mut self) -> SoftHistogram {
        let (bins, high, sigma) = (self.size(), self.number(), self.number());
        let kernel = self.choice(&[HistogramKernel::Triangular, HistogramKernel::Gaussian { sigma }]);
        SoftHistogram { bins, low: 0.0, high, kernel }
    }

    fn reduction(&mut self) -> Reduction {
        self.choice(&[Reduction::Mean, Reduction::Sum, Reduction::BatchMean, Reduction::PerSample])
    }

    fn bones(&mut self) -> Vec<(usize, usize)> {
        self.list().windows(2).map(|pair| (pair[0], pair[1])).collect()
    }

    fn matrix(&mut self) -> Arc<SpmmMatrix> {
        SpmmMatrix::new(Self::csr()).expect("consistent")
    }

    fn pattern(&mut self) -> Arc<SparsePattern> {
        SparsePattern::new(Self::csr()).expect("consistent")
    }

    /// Three entries in two rows and columns.
    fn csr() -> Csr {
        Csr::from_triplets(2, 2, &[(0, 1, 2.0), (0, 0, 1.0), (1, 0, -3.0)]).expect("inside")
    }

    /// Two joints.
    fn skeleton(&mut self) -> Arc<Skeleton> {
        Skeleton::new(&[0, 0]).expect("a tree")
    }

    fn rig(&mut self) -> Arc<Rig> {
        let axes = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        Rig::new(self.skeleton(), &[RigFrame { origin: [0.0; 3], axes, stretch: axes }; 2]).expect("a rig")
    }

    /// Three vertices that follow them.
    fn skin(&mut self) -> Arc<SkinWeights> {
        SkinWeights::new(2, &[[(0, 1.0)], [(1, 1.0)], [(1, 0.5)]]).expect("weights")
    }

    fn model(&mut self) -> skinning::SkinnedModel {
        let frame = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let model = skinning::SkinnedModel::new(&[[0.0; 3]; 3], &[frame; 2], self.skeleton(), self.skin());
        model.expect("a model")
    }

    /// A tetrahedron.
    fn mesh(&mut self) -> Arc<TriangleMesh> {
        TriangleMesh::new(4, &[[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]]).expect("a mesh")
    }

    fn raster(&mut self) -> Raster {
        let (width, height, near) = (self.size(), self.size(), self.number());
        Raster { width, height, near, cull_back: self.flag(), supersample: self.flag() }
    }

    /// The tetrahedron in five rows of six pixels.
    #[track_caller]
    fn drawn<'r>(&mut self, x: &[Var<'r>]) -> Result<Rasterized<'r>> {
        let raster = Raster { near: 0.1, supersample: self.flag(), ..Raster::new(6, 5) };
        x[0].rasterize(&self.mesh(), Projection::Perspective(x[1]), raster)
    }

    fn unary(&mut self) -> Unary {
        let (a, b) = (self.number(), self.number());
        let kinds = [
            Unary::Affine { scale: a, offset: b },
            Unary::LeakyRelu { slope: a },
            Unary::SmoothL1 { beta: a },
            Unary::Huber { delta: a },
            Unary::Elu { alpha: a },
            Unary::Power { exponent: a },
            Unary::Clamp { low: a, high: b },
            Unary::Tanh,
        ];
        kinds[self.size() % kinds.len()]
    }
}

/// Where arithmetic on extents goes wrong.
const HOSTILE: [usize; 14] = [
    65_535,
    65_536,
    1 << 24,
    (1 << 30) - 1,
    1 << 30,
    (1 << 30) + 1,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    (1 << 32) + 1,
    usize::MAX / 2 + 1,
    usize::MAX - 1,
    usize::MAX,
];

/// One of a table, the first ones being the simplest.
fn one_of<T: Debug + Clone + 'static>(table: Vec<T>) -> impl Strategy<Value = T> + Clone {
    (0..table.len()).prop_map(move |i| table[i].clone())
}

/// Mostly small and often the same, so that many calls are nearly or quite right.
fn extent() -> impl Strategy<Value = usize> + Clone {
    let usual = [1, 2, 3, 4].map(|n| vec![n; 30]).concat();
    one_of([usual, (5..25).collect(), vec![0, 0], HOSTILE.to_vec()].concat())
}

fn size() -> impl Strategy<Value = usize> + Clone {
    let usual = [0, 1, 2, 3].map(|n| vec![n; 30]).concat();
    one_of([usual, (4..60).collect(), HOSTILE.to_vec()].concat())
}

fn number() -> impl Strategy<Value = f32> + Clone {
    let usual = [0.5, 1.0, 2.0].map(|n| vec![n; 10]).concat();
    let odd = [0.0, -0.0, -1.0, 1e-40, f32::MAX, f32::MIN, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    one_of([usual, odd.to_vec()].concat())
}

/// A call on operands of these usual extents, 0 for any.
fn call(usual: Vec<Vec<usize>>) -> impl Strategy<Value = Drawn> {
    let operand = |usual: &Vec<usize>| {
        let rank = one_of([vec![usual.len(); 80], (0..8).collect()].concat());
        rank.prop_flat_map(|rank| vec(extent(), rank))
    };
    let operands: Vec<_> = usual.iter().map(operand).collect();
    // Operands often fit: they have the shape of the first or the one before, or rows or columns for the first's channels.
    let fits = vec(0..5usize, usual.len());
    // Mostly they have their usual extents.
    let odd = vec((0..12usize).prop_map(|n| n == 11), usual.len());
    let fit = move |(mut operands, fits, odd): (Vec<Vec<usize>>, Vec<usize>, Vec<bool>)| {
        for i in 1..operands.len() {
            let (rank, channels) = (operands[i].len(), operands[0].last().copied());
            match (fits[i], channels) {
                (0, _) => operands[i] = operands[0].clone(),
                (1, _) => operands[i] = operands[i - 1].clone(),
                (2, Some(channels)) if rank >= 2 => operands[i][rank - 2] = channels,
                (3, Some(channels)) if rank >= 1 => operands[i][rank - 1] = channels,
                _ => {}
            }
        }
        for ((operand, usual), _) in operands.iter_mut().zip(&usual).zip(odd).filter(|(_, odd)| !odd) {
            if operand.len() == usual.len() {
                operand.iter_mut().zip(usual).filter(|(_, usual)| **usual > 0).for_each(|(n, usual)| *n = *usual);
            }
        }
        operands
    };
    let operands = (operands, fits, odd).prop_map(fit);
    let place = one_of([[0, 1, 2, 3].map(|n| vec![n; 40]).concat(), HOSTILE.to_vec()].concat());
    let list = vec(place, 0..5);
    let integer = (0..16).prop_map(|n| n == 15);
    (operands, integer, vec(size(), 5), vec(number(), 2), vec(list, 1))
        .prop_map(|(operands, integer, sizes, numbers, lists)| Drawn { operands, integer, sizes, numbers, lists })
}

/// A runner that always draws the same, keeps no files, and shrinks.
fn runner(cases: u32, stream: usize, shrink: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: shrink, ..Config::default() };
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&(stream as u64).to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

/// What came of a call that did nothing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Refused,
    Recorded,
    Compiled,
}

thread_local! {
    /// Set while panics of this thread are caught: where the last one was, and what it said.
    static PANIC: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Catches a panic without a message on the terminal: its place and text.
fn caught<T>(body: impl FnOnce() -> T) -> Result<T, (String, String)> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| match CAUGHT.get() {
            true => {
                let place = info.location().map_or(String::new(), |l| format!("{}:{}", l.file(), l.line()));
                PANIC.replace(Some((place, info.to_string())));
            }
            false => usual(info),
        }));
    });
    CAUGHT.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    CAUGHT.set(false);
    result.map_err(|_| PANIC.take().unwrap_or_default())
}

/// Calls an operator, differentiates and lowers it; what is not as it should be is told. Operand `integer` is of u32, and
/// refusals must name a line of `file`.
fn attempt(
    record: impl for<'r> Fn(&'r Recorder, &[Var<'r>]) -> Result<Var<'r>>,
    operands: &[Vec<usize>],
    integer: Option<usize>,
    file: &str,
) -> Result<Outcome, String> {
    let r = Recorder::training();
    let operand = |(i, dims): (usize, &Vec<usize>)| match integer == Some(i) {
        true => r.input_u32(&format!("x{i}"), dims.as_slice()),
        false => r.param(&format!("x{i}"), dims.as_slice()),
    };
    let x: Vec<Var<'_>> = operands.iter().enumerate().map(operand).collect();
    let y = match record(&r, &x) {
        Ok(y) => y,
        Err(Error::Operand { op, operand, expected, site, .. })
            if ![&op, &operand, &expected].iter().any(|s| s.is_empty()) && site.0.file().contains(file) =>
        {
            return Ok(Outcome::Refused);
        }
        Err(error) => return Err(format!("is refused without what is wrong and the caller's line: {error}")),
    };
    let mut outputs = vec![y];
    match y.sum_all().and_then(|sum| sum.backward_to(&x)) {
        Ok(gradients) => {
            for &x in &x {
                let gradient = gradients.of(x);
                if let Some(gradient) = gradient.filter(|g| g.shape() != x.shape()) {
                    return Err(format!("the gradient of {x:?} is {gradient:?}"));
                }
                outputs.extend(gradient);
            }
        }
        // Neither have indices, nor what says so, nor what was too large and is its own result.
        Err(Error::NotDifferentiable { .. }) => {}
        Err(Error::Operand { expected, .. }) if expected.starts_with("at most 1073741824") => {}
        Err(Error::Operand { .. }) if y.ty().dtype != DType::F32 => {}
        Err(other) => return Err(format!("has no gradient: {other}")),
    }
    let outputs: Vec<_> = outputs.iter().map(|v| (String::new(), v.id())).collect();
    let options = CompileOptions::default();
    // The kinds of adapter in turn.
    let turn = operands.iter().flatten().fold(0usize, |sum, &n| sum.wrapping_add(n));
    let targets = variants::targets();
    match r.with_graph(|graph| compile(graph, &outputs, &targets[turn % targets.len()], options)) {
        Ok(program) => {
            let _ = (program.dump(), program.cost());
            Ok(Outcome::Compiled)
        }
        Err(Error::BindingTooLarge { .. } | Error::KernelLimit { .. } | Error::Feature { .. }) => Ok(Outcome::Recorded),
        // A layer's state whose shape the call itself made another.
        Err(Error::Named { .. }) => Ok(Outcome::Refused),
        Err(other) => Err(format!("does not lower: {other}")),
    }
}

/// The shrunk call and what is wrong with it, or how often each outcome was met.
fn try_calls(name: &str, usual: &[Vec<usize>], record: Call, stream: usize) -> Result<[usize; 3], String> {
    let met = [0; 3].map(AtomicUsize::new);
    let result = runner(EACH, stream, 4096).run(&call(usual.to_vec()), |drawn| {
        let integer = drawn.integer.then_some(0);
        let attributes = || Attributes { drawn: &drawn, taken: [0; 3] };
        let outcome =
            caught(|| attempt(|r, x| record(r, x, &mut attributes()), &drawn.operands, integer, "properties.rs"));
        let outcome = outcome.unwrap_or_else(|(place, text)| Err(format!("panics in {place}: {text}")));
        let outcome = outcome.map_err(TestCaseError::fail)?;
        met[outcome as usize].fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    result.map_err(|e| shrunk(name, e)).map(|()| met.map(|n| n.into_inner()))
}

fn shrunk<T: Debug>(name: &str, error: TestError<T>) -> String {
    match error {
        TestError::Fail(why, smallest) => format!("{name} {why}\n  smallest: {smallest:?}"),
        TestError::Abort(why) => format!("{name} gave up: {why}"),
    }
}

/// `check` of every number below `n`, on two threads; gives the results in order.
fn side_by_side<T: Send>(n: usize, check: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (next, check) = (AtomicUsize::new(0), &check);
    let worker = || std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&i| i < n));
    let mut results: Vec<(usize, T)> = thread::scope(|scope| {
        let workers = [(); 2].map(|()| scope.spawn(|| worker().map(|i| (i, check(i))).collect::<Vec<_>>()));
        workers.into_iter().flat_map(|w| w.join().expect("no panic")).collect()
    });
    results.sort_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

#[test]
fn no_call_panics_and_a_wrong_one_is_refused_with_its_line() {
    let calls = calls();
    let results = side_by_side(calls.len(), |i| {
        let (name, usual, call) = &calls[i];
        try_calls(name, usual, *call, i)
    });
    let failures: Vec<&str> = results.iter().filter_map(|r| r.as_ref().err().map(String::as_str)).collect();
    assert!(failures.is_empty(), "{} of {} operators:\n{}", failures.len(), calls.len(), failures.join("\n"));
    let (mut total, mut alike) = ([0; 3], Vec::new());
    for (outcomes, (name, ..)) in results.into_iter().flatten().zip(&calls) {
        println!("{name}: {outcomes:?} refused, recorded, compiled");
        if outcomes[0] == 0 || outcomes[1] + outcomes[2] == 0 {
            alike.push(format!("{name}: {outcomes:?}"));
        }
        (0..3).for_each(|i| total[i] += outcomes[i]);
    }
    assert!(alike.is_empty(), "calls that are all alike: {alike:?}");
    println!("refused, recorded, compiled: {total:?}");
    assert!(total[0] >= 10_000, "{total:?}");
}

/// The calls of the case table, but for an operand of another shape or type.
#[test]
fn no_case_with_a_wrong_operand_panics() {
    let cases = cases::all();
    let met = [0; 3].map(AtomicUsize::new);
    // Of the operand (counted round) one extent becomes another, or one is taken out or put in, or it is of integers.
    let mutation = (0..cases.len(), 0..4usize, 0..6usize, 0..4usize, one_of(vec![0, 1, 2, 3, 5, 8, 16, 65_536]));
    let mutate = |case: &Case, operand: usize, axis: usize, what: usize, extent: usize| {
        let mut operands: Vec<Vec<usize>> = case.operands.iter().map(|o| o.dims.clone()).collect();
        let operand = operand % operands.len();
        let dims = &mut operands[operand];
        let axis = axis % dims.len().max(1);
        match what {
            0 if !dims.is_empty() => dims[axis] = extent,
            1 if !dims.is_empty() => _ = dims.remove(axis),
            2 => dims.insert(axis, extent),
            _ => {}
        }
        (operands, (what == 3).then_some(operand))
    };
    let result = runner(MUTATED, 5000, 4096).run(&mutation, |(case, operand, axis, what, extent)| {
        let case = &cases[case];
        let (operands, integer) = mutate(case, operand, axis, what, extent);
        let outcome = caught(|| attempt(|r, x| (case.build)(r, x), &operands, integer, "kernels-tests"));
        let told = |text: String| TestCaseError::fail(format!("{}, with {operands:?} {text}", case.name()));
        match outcome {
            Ok(outcome) => _ = met[outcome.map_err(told)? as usize].fetch_add(1, Ordering::Relaxed),
            // The case itself counts on its shapes.
            Err((place, _)) if place.contains("kernels-tests/src") => {}
            Err((place, text)) => return Err(told(format!("panics at {place}: {text}"))),
        }
        Ok(())
    });
    result.unwrap_or_else(|e| panic!("{}", shrunk("a case", e)));
    let met = met.map(|n| n.into_inner());
    println!("refused, recorded, compiled: {met:?}");
    assert!(met[0] * 4 >= MUTATED as usize && met[2] * 8 >= MUTATED as usize, "{met:?}");
}

/// The properties fail where they should, and the call that is told is the smallest.
#[test]
fn calls_that_break_a_property_are_found_and_shrunk() {
    let panics: Call = |_, x, a| {
        assert!(a.size() < 50, "planted");
        x[0].relu()
    };
    let found = try_calls("planted", &[vec![0; 2]], panics, 0).unwrap_err();
    assert!(found.contains("panics in") && found.contains("sizes: [50, 0, 0, 0, 0]"), "{found}");
    let untyped: Call = |_, x, a| match a.number() < 0.0 {
        true => Err(Error::Gpu("planted".into())),
        false => x[0].relu(),
    };
    let found = try_calls("planted", &[vec![0; 2]], untyped, 0).unwrap_err();
    assert!(found.contains("GPU: planted"), "{found}");
    // Another line than the caller's.
    let hides: Call = |_, x, _| x.first().copied().map(Var::relu).expect("an operand");
    let found = try_calls("planted", &[vec![0; 2]], hides, 0).unwrap_err();
    assert!(found.contains("without what is wrong and the caller's line"), "{found}");
}

/// An operator, what its cases are drawn from (each from the first to the last), and the case.
type Generator = (&'static str, &'static [(usize, usize)], fn(&[usize]) -> Case);

/// The main operators, with every extent and attribute free.
const GENERATORS: &[Generator] = &[
    ("conv2d", &[(1, 2), (1, 11), (1, 11), (1, 9), (1, 4), (1, 4), (1, 9), (1, 3), (0, 3), (1, 2)], |k| {
        let &[n, h, w, ci, kh, kw, co, stride, padding, dilation] = k else { unreachable!("ten") };
        let within = |kernel: usize, extent: usize| kernel.min((extent + 2 * padding - 1) / dilation + 1);
        let weight = [within(kh, h), within(kw, w), ci, co];
        let attributes = Conv2d { stride, padding, dilation, ..Conv2d::default() };
        Case::new(
            "conv2d",
            format!("{attributes:?}"),
            [Operand::normal([n, h, w, ci]), Operand::normal(weight)],
            move |_, x| x[0].conv2d(x[1], attributes),
            move |x| conv::conv2d(&x[0], &x[1], None, [stride, padding, dilation], false),
        )
    }),
    (
        "conv2d in groups",
        &[(1, 2), (1, 9), (1, 9), (1, 4), (1, 4), (1, 4), (1, 3), (1, 3), (1, 4), (0, 2), (1, 2)],
        |k| {
            let &[n, h, w, ci, co, groups, kh, kw, stride, padding, dilation] = k else { unreachable!("eleven") };
            let within = |kernel: usize, extent: usize| kernel.min((extent + 2 * padding - 1) / dilation + 1);
            let weight = [within(kh, h), within(kw, w), ci, co * groups];
            let attributes = Conv2d { stride, padding, dilation, groups };
            Case::new(
                "conv2d",
                format!("{attributes:?}"),
                [Operand::normal([n, h, w, ci * groups]), Operand::normal(weight)],
                move |_, x| x[0].conv2d(x[1], attributes),
                move |x| conv::conv2d(&x[0], &x[1], None, [stride, padding, dilation], false),
            )
        },
    ),
    (
        "conv_transpose2d",
        &[(1, 2), (1, 6), (1, 6), (1, 5), (1, 5), (1, 3), (1, 4), (1, 4), (1, 3), (0, 3), (0, 2), (1, 2)],
        |k| {
            let &[n, h, w, ci, co, groups, kh, kw, stride, padding, output_padding, dilation] = k else {
                unreachable!("twelve")
            };
            let output_padding = output_padding.min(stride - 1);
            // Something is left.
            let most = |n: usize, kernel: usize| ((n - 1) * stride + dilation * (kernel - 1) + output_padding) / 2;
            let padding = padding.min(most(h, kh)).min(most(w, kw));
            let attributes = ConvTranspose2d { stride, padding, output_padding, dilation, groups };
            Case::new(
                "conv_transpose2d",
                format!("{attributes:?}"),
                [Operand::normal([n, h, w, ci * groups]), Operand::normal([kh, kw, co, ci * groups])],
                move |_, x| x[0].conv_transpose2d(x[1], attributes),
                move |x| {
                    let numbers = [stride, padding, output_padding, dilation, groups];
                    conv::conv_transpose2d(&x[0], &x[1], None, numbers, false)
                },
            )
        },
    ),
    ("matmul", &[(1, 40), (1, 40), (1, 40)], |k| {
        let operands = [Operand::normal([k[0], k[1]]), Operand::normal([k[1], k[2]])];
        let product = |x: &[Tensor]| matmul::linear(&x[0], &x[1], None, false);
        Case::new("matmul", "", operands, |_, x| x[0].matmul(x[1]), product)
    }),
    ("batch_matmul", &[(1, 4), (1, 20), (1, 20), (1, 20), (0, 1), (0, 1)], |k| {
        let (n, transpose_a, transpose_b) = (k[0], k[4] == 1, k[5] == 1);
        let matrix = |rows, columns, transposed| {
            Operand::normal(if transposed { [n, columns, rows] } else { [n, rows, columns] })
        };
        Case::new(
            "batch_matmul",
            format!("transposed {transpose_a}, {transpose_b}"),
            [matrix(k[1], k[2], transpose_a), matrix(k[2], k[3], transpose_b)],
            move |_, x| x[0].batch_matmul(x[1], transpose_a, transpose_b),
            move |x| matmul::batch_matmul(&x[0], &x[1], transpose_a, transpose_b),
        )
    }),
    ("linear", &[(1, 3), (1, 12), (1, 30), (1, 30), (0, 1)], |k| {
        let relu = k[4] == 1;
        let operands = [Operand::normal([k[0], k[1], k[2]]), Operand::normal([k[2], k[3]]), Operand::normal([k[3]])];
        Case::new(
            "linear",
            format!("relu {relu}"),
            operands,
            move |_, x| x[0].linear(x[1], x[2], relu),
            move |x| matmul::linear(&x[0], &x[1], Some(&x[2]), relu),
        )
    }),
    ("max_pool2d", &[(1, 2), (1, 11), (1, 11), (1, 9), (1, 5), (1, 4), (0, 4)], |k| {
        let &[n, h, w, c, kernel, stride, padding] = k else { unreachable!("seven") };
        // Padding is less than the kernel, and the kernel not more than the padded image.
        let padding = padding.min(kernel - 1);
        let kernel = kernel.min(h.min(w) + 2 * padding);
        let padding = padding.min(kernel - 1);
        let kernel = kernel.min(h.min(w) + 2 * padding);
        Case::new(
            "max_pool2d",
            format!("{kernel}, {stride}, {padding}"),
            [Operand::normal([n, h, w, c])],
            move |_, x| x[0].max_pool2d(kernel, stride, padding),
            move |x| pool::max_pool2d(&x[0], kernel, stride, padding),
        )
    }),
    ("avg_pool2d", &[(1, 2), (1, 11), (1, 11), (1, 9), (1, 6), (1, 4), (0, 3), (0, 1)], |k| {
        let &[n, h, w, c, kernel, stride, padding, counted] = k else { unreachable!("eight") };
        // Padding is at most half the kernel, and the kernel not more than the padded image.
        let padding = padding.min(kernel / 2);
        let kernel = kernel.min(h.min(w) + 2 * padding);
        let padding = padding.min(kernel / 2);
        let kernel = kernel.min(h.min(w) + 2 * padding);
        let attributes = AvgPool2d { kernel, stride, padding, count_include_pad: counted == 1 };
        Case::new(
            "avg_pool2d",
            format!("{attributes:?}"),
            [Operand::normal([n, h, w, c])],
            move |_, x| x[0].avg_pool2d(attributes),
            move |x| pool::avg_pool2d(&x[0], kernel, stride, padding, counted == 1),
        )
    }),
    ("adaptive_avg_pool2d", &[(1, 2), (1, 13), (1, 13), (1, 9), (1, 9), (1, 9)], |k| {
        let (h, w) = (k[4], k[5]);
        Case::new(
            "adaptive_avg_pool2d",
            format!("to {h}×{w}"),
            [Operand::normal(&k[..4])],
            move |_, x| x[0].adaptive_avg_pool2d(h, w),
            move |x| pool::adaptive_avg_pool2d(&x[0], h, w),
        )
    }),
    ("resize_nearest", &[(1, 2), (1, 13), (1, 13), (1, 9), (1, 19), (1, 19), (0, 1)], |k| {
        let (h, w, centre) = (k[4], k[5], k[6]);
        let resize = [Resize::Nearest, Resize::NearestExact][centre];
        Case::new(
            "resize_nearest",
            format!("to {h}×{w}, {resize:?}"),
            [Operand::normal(&k[..4])],
            move |_, x| x[0].resize(h, w, resize),
            move |x| sampling::resize_nearest(&x[0], h, w, centre),
        )
    }),
    ("resize_bilinear", &[(1, 2), (1, 13), (1, 13), (1, 9), (1, 19), (1, 19), (0, 1)], |k| {
        let (h, w, align_corners) = (k[4], k[5], k[6] == 1);
        Case::new(
            "resize_bilinear",
            format!("to {h}×{w}, align_corners {align_corners}"),
            [Operand::normal(&k[..4])],
            move |_, x| x[0].resize(h, w, Resize::Bilinear { align_corners }),
            move |x| sampling::resize_bilinear(&x[0], h, w, align_corners),
        )
    }),
    ("grid_sample", &[(1, 2), (1, 9), (1, 9), (1, 9), (1, 9), (1, 9), (0, 1), (0, 2), (0, 1)], |k| {
        let &[n, h, w, c, rows, columns, nearest, padding, corners] = k else { unreachable!("nine") };
        let (padding, around) = [
            (GridPadding::Zeros, sampling::Around::Zeros),
            (GridPadding::Border, sampling::Around::Border),
            (GridPadding::Reflection, sampling::Around::Mirror),
        ][padding];
        let sample = GridSample { nearest: nearest == 1, padding, align_corners: corners == 1 };
        // From two pixels before the first to two behind the last, off centres and edges, where derivatives jump.
        let coordinates = |extent: usize| {
            let n = extent as f32;
            let (first, step) = match sample.align_corners {
                true if extent == 1 => (-1.5, 0.5),
                true => (-4.0 / (n - 1.0) - 1.0, 2.0 / (n - 1.0)),
                false => (-3.0 / n - 1.0, 2.0 / n),
            };
            Fill::OffGrid { first, step, cells: extent as u32 + 3 }
        };
        let axis = |extent: usize| Operand::filled([n, rows, columns, 1], coordinates(extent));
        Case::new(
            "grid_sample",
            format!("{sample:?}"),
            [Operand::normal([n, h, w, c]), axis(w), axis(h)],
            move |r, x| x[0].grid_sample(r.concat(&[x[1], x[2]], 3)?, sample),
            move |x| sampling::grid_sample(&x[0], &x[1], &x[2], sample.nearest, around, sample.align_corners),
        )
    }),
    ("upsample_nearest", &[(1, 2), (1, 7), (1, 7), (1, 9), (1, 4)], |k| {
        let factor = k[4];
        Case::new(
            "upsample_nearest",
            factor,
            [Operand::normal(&k[..4])],
            move |_, x| x[0].upsample_nearest(factor),
            move |x| pool::upsample_nearest(&x[0], factor),
        )
    }),
    ("graph_pool_max", &[(1, 3), (1, 9), (1, 9), (1, 4)], |k| {
        let children = k[3];
        Case::new(
            "graph_pool_max",
            children,
            [Operand::normal([k[0], k[1] * children, k[2]])],
            move |_, x| x[0].graph_pool_max(children),
            move |x| graph::pool_max(&x[0], children),
        )
    }),
    ("sum", &[(1, 9), (1, 200), (1, 9), (1, 7)], |k| {
        let axes = axes(k[3]);
        let again = axes.clone();
        Case::new(
            "sum",
            format!("{axes:?}"),
            [Operand::normal(&k[..3])],
            move |_, x| x[0].sum(&axes),
            move |x| reduce::sum(&x[0], &again, 1.0),
        )
    }),
    ("max_over", &[(1, 9), (1, 200), (1, 9), (1, 7)], |k| {
        let axes = axes(k[3]);
        let again = axes.clone();
        Case::new(
            "max_over",
            format!("{axes:?}"),
            [Operand::normal(&k[..3])],
            move |_, x| x[0].max_over(&axes),
            move |x| reduce::extreme(&x[0], &again, |a, b| a > b),
        )
    }),
    ("norm", &[(1, 9), (1, 200), (1, 9), (1, 7)], |k| {
        let axes = axes(k[3]);
        let again = axes.clone();
        Case::new(
            "norm",
            format!("{axes:?}"),
            [Operand::filled(&k[..3], Fill::NonZero)],
            move |_, x| x[0].norm(&axes),
            move |x| reduce::norm(&x[0], &again),
        )
    }),
    ("arg_max", &[(1, 5), (1, 300), (1, 5), (0, 2)], |k| {
        let axis = k[3];
        Case::new(
            "arg_max",
            axis,
            [Operand::filled(&k[..3], Fill::Whole(9))],
            move |_, x| x[0].arg_max(axis),
            move |x| reduce::arg_extreme(&x[0], axis, |a, b| a > b),
        )
        .forward_only()
    }),
    ("softmax", &[(1, 5), (1, 40), (1, 5), (0, 2)], |k| {
        let axis = k[3];
        Case::new(
            "softmax",
            axis,
            [Operand::filled(&k[..3], Fill::Uniform(-6.0, 6.0))],
            move |_, x| x[0].softmax(axis),
            move |x| reduce::softmax(&x[0], axis),
        )
    }),
    ("mul", &[(1, 5), (1, 5), (1, 5), (1, 9), (0, 15), (0, 15)], |k| {
        let operands = [Operand::normal(ones(&k[..4], k[4])), Operand::normal(ones(&k[..4], k[5]))];
        let product = |x: &[Tensor]| pointwise::binary(&x[0], &x[1], |a, b| a * b);
        Case::new("mul", "", operands, |_, x| x[0].mul(x[1]), product)
    }),
    ("broadcast", &[(1, 5), (1, 5), (1, 5), (1, 9), (0, 15)], |k| {
        let (dims, again) = (k[..4].to_vec(), k[..4].to_vec());
        Case::new(
            "broadcast",
            format!("{dims:?}"),
            [Operand::normal(ones(&dims, k[4]))],
            move |_, x| x[0].broadcast(dims.as_slice()),
            move |x| layout::broadcast(&x[0], &again),
        )
    }),
    ("concat", &[(1, 5), (1, 9), (1, 9), (0, 2), (1, 9), (1, 9)], |k| {
        let axis = k[3];
        let part = |extent: usize| {
            let mut dims = k[..3].to_vec();
            dims[axis] = extent;
            Operand::normal(dims)
        };
        let operands = [part(k[axis]), part(k[4]), part(k[5])];
        Case::new("concat", axis, operands, move |r, x| r.concat(x, axis), move |x| layout::concat(x, axis))
    }),
    ("slice", &[(1, 9), (1, 9), (1, 9), (0, 2), (0, 8), (1, 9)], |k| {
        let axis = k[3];
        let first = k[4].min(k[axis] - 1);
        let len = k[5].min(k[axis] - first);
        Case::new(
            "slice",
            format!("axis {axis}, {len} from {first}"),
            [Operand::normal(&k[..3])],
            move |_, x| x[0].slice(axis, first, len),
            move |x| layout::slice(&x[0], axis, first, len),
        )
    }),
    ("pad2d", &[(1, 2), (1, 7), (1, 7), (1, 9), (0, 9), (0, 9), (0, 9), (0, 9), (0, 2)], |k| {
        // The place along an axis of an extent that a place is filled from.
        type Source = fn(i64, i64) -> Option<i64>;
        let (mode, source): (PadMode, Source) = match k[8] {
            0 => (PadMode::Zero, |i, n| (0..n).contains(&i).then_some(i)),
            1 => (PadMode::Reflect, |i, n| Some(if i < 0 { -i } else { i.min(2 * (n - 1) - i) })),
            _ => (PadMode::Replicate, |i, n| Some(i.clamp(0, n - 1))),
        };
        let amount = |i: usize, extent: usize| if mode == PadMode::Reflect { k[i].min(extent - 1) } else { k[i] };
        let [top, bottom] = [4, 5].map(|i| amount(i, k[1]));
        let [left, right] = [6, 7].map(|i| amount(i, k[2]));
        let pad = Pad2d { top, bottom, left, right, mode };
        Case::new(
            "pad2d",
            format!("{pad:?}"),
            [Operand::normal(&k[..4])],
            move |_, x| x[0].pad2d(pad),
            move |x| layout::pad2d(&x[0], [top, bottom, left, right], source),
        )
    }),
    ("tile", &[(1, 5), (1, 5), (1, 9), (1, 3), (1, 3), (1, 3)], |k| {
        let repeats = k[3..].to_vec();
        let again = repeats.clone();
        Case::new(
            "tile",
            format!("{repeats:?}"),
            [Operand::normal(&k[..3])],
            move |_, x| x[0].tile(&repeats),
            move |x| indexing::tile(&x[0], &again),
        )
    }),
    ("cumulative_sum", &[(1, 5), (1, 200), (1, 5), (0, 2), (0, 1), (0, 1)], |k| {
        let (axis, exclusive, reverse) = (k[3], k[4] == 1, k[5] == 1);
        Case::new(
            "cumulative_sum",
            format!("axis {axis}, exclusive {exclusive}, reverse {reverse}"),
            [Operand::filled(&k[..3], Fill::Uniform(-2.0, 2.0))],
            move |_, x| x[0].cumulative_sum(axis, CumulativeSum { exclusive, reverse }),
            move |x| indexing::cumulative_sum(&x[0], axis, exclusive, reverse),
        )
    }),
    ("sort", &[(1, 4), (1, 150), (1, 4), (0, 2), (0, 1)], |k| {
        let (axis, descending) = (k[3], k[4] == 1);
        let order = if descending { SortOrder::Descending } else { SortOrder::Ascending };
        Case::new(
            "sort",
            format!("axis {axis}, {order:?}"),
            [Operand::filled(&k[..3], Fill::Distinct)],
            move |_, x| Ok(x[0].sort(axis, order)?.values),
            move |x| indexing::gather(&x[0], axis, &indexing::arg_sort(&x[0], axis, descending)),
        )
    }),
    ("gather", &[(1, 5), (1, 9), (1, 9), (0, 2), (1, 12), (0, 7), (0, 99)], |k| {
        let axis = k[3];
        let index = drawn_index(k, axis, k[4], k[axis] + 1);
        let again = index.clone();
        Case::new(
            "gather",
            format!("axis {axis}, {index:?}"),
            [Operand::normal(&k[..3])],
            move |r, x| x[0].gather(axis, on_device(r, &index)),
            move |x| indexing::gather(&x[0], axis, &again),
        )
    }),
    ("scatter_add", &[(1, 5), (1, 70), (1, 9), (0, 2), (1, 12), (0, 7), (0, 99)], |k| {
        let (axis, extent) = (k[3], k[4]);
        let index = drawn_index(k, axis, k[axis], extent + 1);
        let again = index.clone();
        Case::new(
            "scatter_add",
            format!("axis {axis} to {extent}, {index:?}"),
            [Operand::filled(&k[..3], Fill::Uniform(-2.0, 2.0))],
            move |r, x| x[0].scatter_add(axis, on_device(r, &index), extent),
            move |x| indexing::scatter_add(&x[0], axis, &again, extent),
        )
    }),
    ("permute", &[(1, 5), (1, 6), (1, 7), (1, 9), (0, 23)], |k| {
        let mut rest = vec![0, 1, 2, 3];
        let order: Vec<usize> = [6, 2, 1, 1].iter().map(|&by| rest.remove(k[4] / by % rest.len())).collect();
        let again = order.clone();
        Case::new(
            "permute",
            format!("{order:?}"),
            [Operand::normal(&k[..4])],
            move |_, x| x[0].permute(&order),
            move |x| layout::permute(&x[0], &again),
        )
    }),
    ("gather_rows", &[(1, 3), (1, 9), (1, 9), (1, 12), (0, 99)], |k| {
        let mut rng = Rng::new(3, k[4] as u64);
        let indices: Vec<u32> = (0..k[3]).map(|_| rng.below(k[1]) as u32).collect();
        let again = indices.clone();
        Case::new(
            "gather_rows",
            format!("{indices:?}"),
            [Operand::normal(&k[..3])],
            move |_, x| x[0].gather_rows(&indices),
            move |x| graph::gather_rows(&x[0], &again),
        )
    }),
    ("spmm", &[(1, 3), (1, 12), (1, 12), (1, 17), (1, 40), (0, 99)], |k| {
        let &[n, rows, nodes, c, entries, seed] = k else { unreachable!("six") };
        let mut rng = Rng::new(4, seed as u64);
        let triplets: Vec<(usize, usize, f32)> =
            (0..entries).map(|_| (rng.below(rows), rng.below(nodes), rng.range(-1.0, 1.0))).collect();
        let csr = Csr::from_triplets(rows, nodes, &triplets).expect("inside");
        let entry = |row: usize| csr.row(row).map(move |(column, v)| (row, column, f64::from(v)));
        let entries: Vec<_> = (0..rows).flat_map(entry).collect();
        let matrix = SpmmMatrix::new(csr).expect("consistent");
        Case::new(
            "spmm",
            format!("{rows} × {nodes}, {} entries, seed {seed}", entries.len()),
            [Operand::normal([n, nodes, c])],
            move |_, x| x[0].spmm(&matrix),
            move |x| graph::spmm(&entries, rows, &x[0], 1.0, None, 0.0),
        )
    }),
    ("batch_norm_infer", &[(1, 3), (1, 40), (1, 9)], |k| {
        let pair = Operand::filled([2, k[2]], Fill::Uniform(0.5, 2.0));
        Case::new(
            "batch_norm_infer",
            "",
            [Operand::normal(k), pair],
            |r, x| {
                let channels = x[0].shape().channels();
                let statistics = [vec![0.25; channels], vec![1.5; channels]].concat();
                x[0].batch_norm_infer(x[1], r.constant([2, channels], &statistics)?, 1e-5, false)
            },
            |x| {
                let channels = x[1].dims[1];
                let data = [vec![0.25; channels], vec![1.5; channels]].concat();
                let statistics = Tensor { dims: vec![2, channels], data };
                norm::batch_norm(&x[0], &x[1], &statistics, f64::from(1e-5f32), false)
            },
        )
    }),
    // At least eight elements a group: the gradients of few are nothing but rounding.
    ("group_norm", &[(1, 3), (8, 24), (1, 4), (1, 6)], |k| {
        let &[n, rows, groups, width] = k else { unreachable!("four") };
        let channels = groups * width;
        Case::new(
            "group_norm",
            format!("{groups} groups"),
            [Operand::normal([n, rows, channels]), Operand::normal([2, channels])],
            move |_, x| x[0].group_norm(groups, x[1], 1e-5),
            move |x| norm::group_norm(&x[0], Some(&x[1]), norm::Over::Groups(groups), f64::from(1e-5f32)),
        )
    }),
    ("layer_norm", &[(1, 40), (8, 40)], |k| {
        Case::new(
            "layer_norm",
            "",
            [Operand::normal(k), Operand::normal([2, k[1]])],
            |_, x| x[0].layer_norm(x[1], 1e-5),
            |x| norm::group_norm(&x[0], Some(&x[1]), norm::Over::Row, f64::from(1e-5f32)),
        )
    }),
    // Gradients jump where the centre of a pixel is on an edge, but for a rounding; it is in none of these.
    ("depth", DRAWN, |k| drawn(k).case(raster::Image::Depth)),
    ("interpolate", DRAWN, |k| drawn(k).case(raster::Image::Attributes(1 + k[4] % 5, k[5] % 2 == 0))),
    ("soft_silhouette", DRAWN, |k| {
        let widest = k[3].max(k[4]) as f32 / 4.0;
        drawn(k).case(raster::Image::Soft([0.4f32, 1.0, 2.5][k[2] % 3].min(widest)))
    }),
    ("edge_gradient", DRAWN, |k| drawn(k).case(raster::Image::EdgeGradient(k[3] % 2 == 0))),
];

/// Images, vertices, faces, rows, columns, camera, how faces are listed, whether back faces are left out and pixels
/// supersampled, and a seed.
const DRAWN: &[(usize, usize)] =
    &[(1, 3), (3, 12), (1, 12), (1, 20), (1, 20), (0, 2), (0, 2), (0, 1), (0, 1), (0, 1), (0, 99)];

fn drawn(k: &[usize]) -> raster::Setting {
    use raster::{Listed, PLAIN, Seen, Setting};
    let &[images, vertices, faces, h, w, camera, listed, culled, crossing, supersampled, seed] = k else {
        unreachable!("eleven")
    };
    Setting {
        images,
        vertices,
        faces,
        size: [h, w],
        seen: [Seen::Perspective, Seen::Orthographic, Seen::Weak][camera],
        listed: [Listed::Known, Listed::Once, Listed::Each][listed],
        cull_back: culled == 1,
        near: [0.5, 2.5][crossing],
        supersample: supersampled == 1,
        seed: seed as u64,
        ..PLAIN
    }
}

/// Cases of each generator.
const CASES: u32 = 16;

/// The axes whose bits are set.
fn axes(bits: usize) -> Vec<usize> {
    (0..3).filter(|axis| bits >> axis & 1 == 1).collect()
}

/// `dims` with ones where bits are set.
fn ones(dims: &[usize], bits: usize) -> Vec<usize> {
    dims.iter().enumerate().map(|(axis, &n)| if bits >> axis & 1 == 1 { 1 } else { n }).collect()
}

/// Indices below `below` for a tensor of the first three of `k`, `count` of them along `axis`, with extents of 1 where bits
/// of the sixth are set.
fn drawn_index(k: &[usize], axis: usize, count: usize, below: usize) -> indexing::Index {
    let mut dims = ones(&k[..3], k[5]);
    dims[axis] = count;
    let mut rng = Rng::new(5, k[6] as u64);
    let data = (0..dims.iter().product()).map(|_| rng.below(below) as u32).collect();
    indexing::Index { dims, data }
}

fn on_device<'r>(r: &'r Recorder, index: &indexing::Index) -> Var<'r> {
    r.constant_data(TensorData::u32(index.dims.as_slice(), &index.data).expect("as many as its shape says"))
}

/// Checks cases from a generator; of one that fails, the smallest that does is told.
fn try_cases((name, knobs, case): Generator, stream: usize) -> Result<(), String> {
    let knobs: Vec<_> = knobs.iter().map(|&(low, high)| low..=high).collect();
    let checked = |k: Vec<usize>| {
        let checked = harness::check_on(&case(&k), &TRUSTED, TRUSTED.target());
        checked.map_err(|e| TestCaseError::fail(e.to_string()))
    };
    runner(CASES, 1000 + stream, 200).run(&knobs, checked).map_err(|e| shrunk(name, e))
}

#[test]
fn any_shape_agrees_with_the_reference() {
    let results = side_by_side(GENERATORS.len(), |i| try_cases(GENERATORS[i], i));
    let failures: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{} of {} operators:\n{}", failures.len(), GENERATORS.len(), failures.join("\n"));
}

#[test]
fn a_shape_that_fails_is_shrunk_to_the_smallest() {
    let planted: Generator = ("planted", &[(1, 40), (1, 9)], |k| {
        let factor = if k[0] >= 5 { 2.5 } else { 2.0 };
        let twice = |x: &[Tensor]| x[0].map(|v| 2.0 * v);
        Case::new("affine", "planted", [Operand::normal(k)], move |_, x| x[0].scale(factor), twice)
    });
    let told = try_cases(planted, 0).unwrap_err();
    assert!(told.contains("fails Forward") && told.contains("smallest: [5, 1]"), "{told}");
}
