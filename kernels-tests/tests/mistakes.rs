//! Operands and attributes that do not fit: a typed error names the operator, the operand and the line, and nothing
//! panics. No device is needed.

use std::sync::Arc;

use knuckle::hand::Side;
use knuckle::nn::hand::{HandModel, HandRig, HandVars};
use knuckle::nn::losses::{self, Reduction, histogram_divergence};
use knuckle::nn::mesh_losses::normal_consistency;
use knuckle::nn::shading::Lights;
use knuckle::nn::skinning::{SkinnedModel, blend_shapes, rigid_transforms, translations};
use knuckle::ops::{
    Adam, AdamW, AvgPool2d, Comparison, Conv2d, ConvTranspose2d, Correlation, CumulativeSum, GridSample,
    HistogramKernel, Pad2d, PadMode, PeakRefinement, Projection, Raster, Rasterized, Resize, Rig, RigFrame, RmsProp,
    Sgd, Skeleton, SkinWeights, SoftHistogram, SortOrder, SparsePattern, SpmmMatrix, TriangleMesh, Unary,
};
use knuckle::sparse::Csr;
use knuckle::{Error, Recorder, Result, Var, nn};

type Build = for<'r> fn(&'r Recorder) -> Result<Var<'r>>;

fn lights(r: &Recorder, ambient: [usize; 2], directions: [usize; 3], colours: [usize; 3]) -> Lights<'_> {
    Lights {
        ambient: r.input("ambient", ambient),
        directions: r.input("directions", directions),
        colours: r.input("colours", colours),
        harmonics: None,
    }
}

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
    ("avg_pool2d", "x", |r| r.input("a", [2, 3, 4]).avg_pool2d(AvgPool2d::default())),
    ("avg_pool2d", "x", |r| r.input("a", [2, 4, 4, 0]).avg_pool2d(AvgPool2d::default())),
    ("avg_pool2d", "x", |r| r.input_u32("a", [2, 4, 4, 4]).avg_pool2d(AvgPool2d::default())),
    ("avg_pool2d", "operand", |r| r.input("a", [1, usize::MAX, 4, 4]).avg_pool2d(AvgPool2d::default())),
    ("avg_pool2d", "operand", |r| r.input("a", [usize::MAX, 4, 4, 4]).avg_pool2d(AvgPool2d::default())),
    ("avg_pool2d", "kernel", |r| {
        r.input("a", [2, 4, 4, 4]).avg_pool2d(AvgPool2d { kernel: 0, ..AvgPool2d::default() })
    }),
    ("avg_pool2d", "kernel", |r| {
        r.input("a", [2, 4, 4, 4]).avg_pool2d(AvgPool2d { kernel: 5, ..AvgPool2d::default() })
    }),
    ("avg_pool2d", "kernel", |r| {
        r.input("a", [2, 4, 4, 4]).avg_pool2d(AvgPool2d { kernel: usize::MAX, ..AvgPool2d::default() })
    }),
    ("avg_pool2d", "operand", |r| {
        let pool = AvgPool2d { kernel: 30_000, stride: 1, ..AvgPool2d::default() };
        r.input("a", [1, 60_000, 30_000, 1]).avg_pool2d(pool)
    }),
    ("avg_pool2d", "stride", |r| {
        r.input("a", [2, 4, 4, 4]).avg_pool2d(AvgPool2d { stride: 0, ..AvgPool2d::default() })
    }),
    ("avg_pool2d", "padding", |r| {
        r.input("a", [2, 4, 4, 4]).avg_pool2d(AvgPool2d { padding: 2, ..AvgPool2d::default() })
    }),
    ("avg_pool2d", "padding", |r| {
        r.input("a", [2, 4, 4, 4]).avg_pool2d(AvgPool2d { padding: usize::MAX, ..AvgPool2d::default() })
    }),
    ("adaptive_avg_pool2d", "x", |r| r.input("a", [4, 4, 4]).adaptive_avg_pool2d(2, 2)),
    ("adaptive_avg_pool2d", "h", |r| r.input("a", [1, 4, 4, 4]).adaptive_avg_pool2d(0, 2)),
    ("adaptive_avg_pool2d", "w", |r| r.input("a", [1, 4, 4, 4]).adaptive_avg_pool2d(2, usize::MAX)),
    ("adaptive_avg_pool2d", "result", |r| r.input("a", [1, 4, 4, 4]).adaptive_avg_pool2d(65_535, 65_535)),
    ("global_avg_pool2d", "x", |r| r.input("a", [4, 4, 4]).global_avg_pool2d()),
    ("global_avg_pool2d", "x", |r| r.input("a", [1, 0, 4, 4]).global_avg_pool2d()),
    ("global_max_pool2d", "x", |r| r.input_u32("a", [1, 4, 4, 4]).global_max_pool2d()),
    ("resize_nearest", "x", |r| r.input("a", [4, 4, 4]).resize(2, 2, Resize::Nearest)),
    ("resize_nearest", "h", |r| r.input("a", [1, 4, 4, 4]).resize(usize::MAX, 2, Resize::NearestExact)),
    ("resize_bilinear", "w", |r| r.input("a", [1, 4, 4, 4]).resize(2, 0, Resize::Bilinear { align_corners: true })),
    ("resize_bilinear", "x", |r| {
        r.input_u32("a", [1, 4, 4, 4]).resize(2, 2, Resize::Bilinear { align_corners: false })
    }),
    ("grid_sample", "x", |r| r.input("a", [4, 4, 4]).grid_sample(r.input("g", [1, 2, 2, 2]), GridSample::default())),
    ("grid_sample", "x", |r| {
        r.input("a", [1, 4, 65_536, 4]).grid_sample(r.input("g", [1, 2, 2, 2]), GridSample::default())
    }),
    ("grid_sample", "grid", |r| {
        r.input("a", [1, 4, 4, 4]).grid_sample(r.input("g", [2, 2, 2, 2]), GridSample::default())
    }),
    ("grid_sample", "grid", |r| {
        r.input("a", [1, 4, 4, 4]).grid_sample(r.input("g", [1, 2, 2, 3]), GridSample::default())
    }),
    ("grid_sample", "grid", |r| {
        r.input("a", [1, 4, 4, 4]).grid_sample(r.input("g", [1, 0, 2, 2]), GridSample::default())
    }),
    ("grid_sample", "grid", |r| {
        r.input("a", [1, 4, 4, 4]).grid_sample(r.input_u32("g", [1, 2, 2, 2]), GridSample::default())
    }),
    ("grid_sample", "operand", |r| {
        r.input("a", [1, 4, 4, 4]).grid_sample(r.input("g", [1, usize::MAX, 2, 2]), GridSample::default())
    }),
    ("grid_sample", "result", |r| {
        r.input("a", [1, 4, 4, 65_535]).grid_sample(r.input("g", [1, 1 << 14, 1 << 14, 2]), GridSample::default())
    }),
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
    ("scatter_rows", "x", |r| r.input("a", [7, 4]).scatter_rows(&[0; 7], 3)),
    ("scatter_rows", "x", |r| r.input_u32("a", [1, 2, 4]).scatter_rows(&[0; 2], 3)),
    ("scatter_rows", "indices", |r| r.input("a", [1, 2, 4]).scatter_rows(&[0; 3], 3)),
    ("scatter_rows", "indices", |r| r.input("a", [1, 0, 4]).scatter_rows(&[], 3)),
    ("scatter_rows", "indices", |r| r.input("a", [1, 2, 4]).scatter_rows(&[0, 3], 3)),
    ("scatter_rows", "nodes", |r| r.input("a", [1, 2, 4]).scatter_rows(&[0, 0], 0)),
    ("scatter_rows", "nodes", |r| r.input("a", [1, 2, 4]).scatter_rows(&[0, 0], usize::MAX)),
    ("spmm_values", "x", |r| r.input("a", [3, 4]).spmm_values(r.input("v", [2]), &pattern())),
    ("spmm_values", "x", |r| r.input("a", [1, 2, 4]).spmm_values(r.input("v", [2]), &pattern())),
    ("spmm_values", "x", |r| r.input("a", [0, 3, 4]).spmm_values(r.input("v", [2]), &pattern())),
    ("spmm_values", "x", |r| r.input_u32("a", [1, 3, 4]).spmm_values(r.input("v", [2]), &pattern())),
    ("spmm_values", "values", |r| r.input("a", [2, 3, 4]).spmm_values(r.input("v", [3]), &pattern())),
    ("spmm_values", "values", |r| r.input("a", [2, 3, 4]).spmm_values(r.input("v", [3, 2]), &pattern())),
    ("spmm_values", "values", |r| r.input("a", [2, 3, 4]).spmm_values(r.input_u32("v", [2]), &pattern())),
    ("sampled_product", "a", |r| r.input("a", [1, 3, 4]).sampled_product(r.input("b", [1, 3, 4]), &pattern())),
    ("sampled_product", "b", |r| r.input("a", [1, 2, 4]).sampled_product(r.input("b", [1, 3, 5]), &pattern())),
    ("sampled_product", "b", |r| r.input("a", [1, 2, 4]).sampled_product(r.input("b", [2, 3, 4]), &pattern())),
    ("chebyshev", "order", |r| nn::chebyshev(r.input("a", [1, 3, 4]), "c", &square(), 2, 0, false)),
    ("chebyshev", "x", |r| nn::chebyshev(r.input("a", [1, 4, 4]), "c", &square(), 2, 2, false)),
    ("chebyshev", "matrix", |r| nn::chebyshev(r.input("a", [1, 3, 4]), "c", &matrix(), 2, 2, false)),
    ("gcn", "x", |r| nn::gcn(r.input("a", [3, 4]), "g", &square(), 2, true)),
    ("gcn", "x", |r| nn::gcn(r.input_u32("a", [1, 3, 4]), "g", &square(), 2, true)),
    ("gcn", "out", |r| nn::gcn(r.input("a", [1, 3, 4]), "g", &square(), 0, true)),
    ("gcn", "out", |r| nn::gcn(r.input("a", [1, 3, 4]), "g", &square(), usize::MAX, true)),
    ("graph_residual", "x", |r| nn::graph_residual(r.input("a", [1, 3, 0]), "g", &square(), 2)),
    ("graph_residual", "out", |r| nn::graph_residual(r.input("a", [1, 3, 4]), "g", &square(), 0)),
    ("top_k_pool", "x", |r| Ok(nn::top_k_pool(r.input("a", [3, 4]), "p", r.input("e", [3, 3]), 1)?.x)),
    ("top_k_pool", "adjacency", |r| Ok(nn::top_k_pool(r.input("a", [1, 3, 4]), "p", r.input("e", [3, 3]), 1)?.x)),
    (
        "top_k_pool",
        "adjacency",
        |r| Ok(nn::top_k_pool(r.input("a", [1, 3, 4]), "p", r.input_u32("e", [1, 3, 3]), 1)?.x),
    ),
    ("top_k_pool", "k", |r| Ok(nn::top_k_pool(r.input("a", [1, 3, 4]), "p", r.input("e", [1, 3, 3]), 0)?.x)),
    ("top_k_pool", "k", |r| Ok(nn::top_k_pool(r.input("a", [1, 3, 4]), "p", r.input("e", [1, 3, 3]), 4)?.x)),
    ("top_k_unpool", "x", |r| nn::top_k_unpool(r.input("a", [3, 4]), r.input_u32("n", [3, 1]), 4)),
    ("top_k_unpool", "pooled", |r| nn::top_k_unpool(r.input("a", [1, 3, 4]), r.input("n", [1, 3, 1]), 4)),
    ("top_k_unpool", "pooled", |r| nn::top_k_unpool(r.input("a", [1, 3, 4]), r.input_u32("n", [1, 3]), 4)),
    ("top_k_unpool", "nodes", |r| nn::top_k_unpool(r.input("a", [1, 3, 4]), r.input_u32("n", [1, 3, 1]), 2)),
    ("top_k_unpool", "nodes", |r| nn::top_k_unpool(r.input("a", [1, 3, 4]), r.input_u32("n", [1, 3, 1]), usize::MAX)),
    ("gather", "axis", |r| r.input("a", [4, 3]).gather(2, r.input_u32("i", [4, 3]))),
    ("gather", "axis", |r| r.input("a", [4, 3]).gather(usize::MAX, r.input_u32("i", [4, 3]))),
    ("gather", "x", |r| r.input("a", [4, 0]).gather(0, r.input_u32("i", [4, 1]))),
    ("gather", "operand", |r| r.input("a", [1 << 40, 1 << 40]).gather(0, r.input_u32("i", [4, 1]))),
    ("gather", "index", |r| r.input("a", [4, 3]).gather(0, r.input("i", [4, 3]))),
    ("gather", "index", |r| r.input("a", [4, 3]).gather(0, r.input_u32("i", [4]))),
    ("gather", "index", |r| r.input("a", [4, 3]).gather(0, r.input_u32("i", [4, 2]))),
    ("gather", "index", |r| r.input("a", [4, 3]).gather(0, r.input_u32("i", [0, 3]))),
    ("gather", "operand", |r| r.input("a", [4, 3]).gather(0, r.input_u32("i", [1 << 40, 3]))),
    ("gather", "index", |r| r.input("a", [4, 1 << 20]).gather(0, r.input_u32("i", [1 << 20, 1]))),
    ("gather", "index", |r| r.input("a", [2; 6]).gather(5, r.input_u32("i", [2, 1, 2, 1, 2, 2]))),
    ("scatter_add", "x", |r| r.input_u32("a", [4, 3]).scatter_add(0, r.input_u32("i", [4, 3]), 5)),
    ("scatter_add", "axis", |r| r.input("a", [4, 3]).scatter_add(2, r.input_u32("i", [4, 3]), 5)),
    ("scatter_add", "index", |r| r.input("a", [4, 3]).scatter_add(0, r.input("i", [4, 3]), 5)),
    ("scatter_add", "index", |r| r.input("a", [4, 3]).scatter_add(0, r.input_u32("i", [5, 3]), 5)),
    ("scatter_add", "index", |r| r.input("a", [4, 3]).scatter_add(0, r.input_u32("i", [1, 3]), 5)),
    ("scatter_add", "extent", |r| r.input("a", [4, 3]).scatter_add(0, r.input_u32("i", [4, 3]), 0)),
    ("scatter_add", "extent", |r| r.input("a", [4, 3]).scatter_add(0, r.input_u32("i", [4, 3]), usize::MAX)),
    ("tile", "repeats", |r| r.input("a", [4, 3]).tile(&[2])),
    ("tile", "repeats", |r| r.input("a", [4, 3]).tile(&[2, 0])),
    ("tile", "repeats", |r| r.input("a", [4, 3]).tile(&[2, usize::MAX])),
    ("tile", "repeats", |r| r.input("a", [4, 3]).tile(&[1 << 20, 1 << 20])),
    ("tile", "x", |r| r.input_u32("a", [4, 3]).tile(&[2, 2])),
    ("tile", "x", |r| r.input("a", [4, 0]).tile(&[2, 2])),
    ("repeat", "axis", |r| r.input("a", [4, 3]).repeat(2, 2)),
    ("repeat", "repeats", |r| r.input("a", [4, 3]).repeat(1, 0)),
    ("repeat", "repeats", |r| r.input("a", [4, 3]).repeat(0, usize::MAX)),
    ("split", "axis", |r| Ok(r.input("a", [4, 3]).split(2, &[1, 2])?[0])),
    ("split", "sizes", |r| Ok(r.input("a", [4, 3]).split(1, &[1, 1])?[0])),
    ("split", "sizes", |r| Ok(r.input("a", [4, 3]).split(1, &[])?[0])),
    ("split", "sizes", |r| Ok(r.input("a", [4, 3]).split(1, &[0, 3])?[0])),
    ("split", "sizes", |r| Ok(r.input("a", [4, 3]).split(1, &[usize::MAX, 4])?[0])),
    ("cumulative_sum", "axis", |r| r.input("a", [4, 3]).cumulative_sum(2, CumulativeSum::default())),
    ("cumulative_sum", "x", |r| r.input_u32("a", [4, 3]).cumulative_sum(1, CumulativeSum::default())),
    ("cumulative_sum", "x", |r| r.input("a", [4, 0]).cumulative_sum(0, CumulativeSum::default())),
    ("arg_sort", "axis", |r| r.input("a", [4, 3]).arg_sort(2, SortOrder::Ascending)),
    ("arg_sort", "x", |r| r.input("a", [0, 3]).arg_sort(1, SortOrder::Ascending)),
    ("sort_by_key", "axis", |r| {
        Ok(r.input("a", [4, 3]).sort_by_key(r.input("k", [4, 1]), 2, SortOrder::Ascending)?.values)
    }),
    ("sort_by_key", "keys", |r| {
        Ok(r.input("a", [4, 3]).sort_by_key(r.input("k", [4]), 0, SortOrder::Ascending)?.values)
    }),
    ("sort_by_key", "keys", |r| {
        Ok(r.input("a", [4, 3]).sort_by_key(r.input("k", [1, 3]), 0, SortOrder::Ascending)?.values)
    }),
    ("sort_by_key", "keys", |r| {
        Ok(r.input("a", [4, 3]).sort_by_key(r.input("k", [4, 2]), 0, SortOrder::Ascending)?.values)
    }),
    ("top_k", "axis", |r| Ok(r.input("a", [4, 3]).top_k(2, 1)?.values)),
    ("top_k", "k", |r| Ok(r.input("a", [4, 3]).top_k(1, 0)?.values)),
    ("top_k", "k", |r| Ok(r.input("a", [4, 3]).top_k(1, 4)?.values)),
    ("top_k", "x", |r| Ok(r.input("a", [4, 0]).top_k(0, 1)?.values)),
    ("spmm", "z", |r| r.input("a", [1, 3, 4]).spmm_add(&matrix(), 1.0, r.input("z", [1, 3, 4]), 1.0)),
    ("spmm", "factors", |r| r.input("a", [1, 3, 4]).spmm_add(&matrix(), f32::NAN, r.input("z", [1, 2, 4]), 1.0)),
    ("gaussian_heatmaps", "uv", |r| r.gaussian_heatmaps(r.input("uv", [1, 21, 3]), 4, 4, 1.0)),
    ("gaussian_heatmaps", "h", |r| r.gaussian_heatmaps(r.input("uv", [1, 21, 2]), 0, 4, 1.0)),
    ("gaussian_heatmaps", "sigma_px", |r| r.gaussian_heatmaps(r.input("uv", [1, 21, 2]), 4, 4, 0.0)),
    ("gaussian_heatmaps", "sigma_px", |r| r.gaussian_heatmaps(r.input("uv", [1, 21, 2]), 4, 4, f32::NAN)),
    ("gaussian_heatmaps", "uv", |r| r.gaussian_heatmaps(r.input("uv", [0, 21, 2]), 4, 4, 1.0)),
    ("gaussian_heatmaps", "operand", |r| r.gaussian_heatmaps(r.input("uv", [usize::MAX, 1, 2]), 65_535, 65_535, 1.0)),
    ("soft_argmax2d", "x", |r| r.input("a", [1, 4, 4]).soft_argmax2d(1.0)),
    ("soft_argmax2d", "x", |r| r.input("a", [1, 0, 4, 4]).soft_argmax2d(1.0)),
    ("soft_argmax2d", "x", |r| r.input_u32("a", [1, 4, 4, 4]).soft_argmax2d(1.0)),
    ("soft_argmax2d", "temperature", |r| r.input("a", [1, 4, 4, 4]).soft_argmax2d(0.0)),
    ("soft_argmax2d", "temperature", |r| r.input("a", [1, 4, 4, 4]).soft_argmax2d(f32::NAN)),
    ("soft_argmax2d", "temperature", |r| r.input("a", [1, 4, 4, 4]).soft_argmax2d(f32::INFINITY)),
    ("soft_argmax2d", "temperature", |r| r.input("a", [1, 4, 4, 4]).soft_argmax2d(1e-45)),
    ("arg_max2d", "x", |r| r.input("a", [1, 4, 4]).arg_max2d(PeakRefinement::None)),
    ("arg_max2d", "x", |r| r.input("a", [1, 4, 0, 4]).arg_max2d(PeakRefinement::Parabola)),
    ("arg_max2d", "x", |r| r.input_u32("a", [1, 4, 4, 4]).arg_max2d(PeakRefinement::QuarterPixel)),
    ("soft_histogram", "x", |r| r.input("a", [1, 4, 4]).soft_histogram(HISTOGRAM)),
    ("soft_histogram", "x", |r| r.input("a", [1, 4, 4, 0]).soft_histogram(HISTOGRAM)),
    ("soft_histogram", "bins", |r| r.input("a", [1, 4, 4, 4]).soft_histogram(SoftHistogram { bins: 1, ..HISTOGRAM })),
    ("soft_histogram", "bins", |r| {
        r.input("a", [1, 4, 4, 4]).soft_histogram(SoftHistogram { bins: usize::MAX, ..HISTOGRAM })
    }),
    ("soft_histogram", "range", |r| r.input("a", [1, 4, 4, 4]).soft_histogram(SoftHistogram { low: 1.0, ..HISTOGRAM })),
    ("soft_histogram", "range", |r| {
        r.input("a", [1, 4, 4, 4]).soft_histogram(SoftHistogram { high: f32::NAN, ..HISTOGRAM })
    }),
    ("soft_histogram", "sigma", |r| {
        let kernel = HistogramKernel::Gaussian { sigma: 0.0 };
        r.input("a", [1, 4, 4, 4]).soft_histogram(SoftHistogram { kernel, ..HISTOGRAM })
    }),
    ("histogram_divergence", "q", |r| histogram_divergence(r.input("p", [1, 4, 3]), r.input("q", [1, 4, 1]), 1e-6)),
    ("histogram_divergence", "p", |r| histogram_divergence(r.input("p", [0, 4]), r.input("q", [0, 4]), 1e-6)),
    ("histogram_divergence", "eps", |r| histogram_divergence(r.input("p", [1, 4]), r.input("q", [1, 4]), 0.0)),
    ("histogram_divergence", "eps", |r| histogram_divergence(r.input("p", [1, 4]), r.input("q", [1, 4]), f32::NAN)),
    ("uniform", "step", |r| r.uniform([4], 0, r.input("step", [2]))),
    ("uniform", "shape", |r| r.uniform([4, 0], 0, r.input("step", [1]))),
    ("uniform", "shape", |r| r.uniform([usize::MAX, 2], 0, r.input("step", [1]))),
    ("normal", "step", |r| r.normal([4], 0, r.input_u32("step", [0]))),
    ("normal", "shape", |r| r.normal([1 << 31, 2], 0, r.input_u32("step", [1]))),
    ("dropout", "x", |r| r.input_u32("a", [4]).dropout(0.5, 0, r.scalar(0.0))),
    ("dropout", "step", |r| r.input("a", [4]).dropout(0.5, 0, r.input("step", [2]))),
    ("dropout", "probability", |r| r.input("a", [4]).dropout(1.0, 0, r.scalar(0.0))),
    ("dropout", "probability", |r| r.input("a", [4]).dropout(-0.1, 0, r.scalar(0.0))),
    ("dropout", "probability", |r| r.input("a", [4]).dropout(f32::NAN, 0, r.scalar(0.0))),
    ("conv2d", "weight", |r| r.input("a", [1, 4, 4, 3]).conv2d(r.input("w", [3, 3, 4, 8]), Conv2d::default())),
    ("conv2d", "weight", |r| r.input("a", [1, 4, 4, 3]).conv2d(r.input("w", [5, 5, 3, 8]), Conv2d::default())),
    ("conv2d", "input", |r| conv(r, &[4, 4, 3], &[3, 3, 3, 8], Conv2d::default())),
    ("conv2d", "input", |r| conv(r, &[0, 4, 4, 3], &[3, 3, 3, 8], Conv2d::default())),
    ("conv2d", "weight", |r| conv(r, &[1, 4, 4, 3], &[3, 3, 3], Conv2d::default())),
    ("conv2d", "weight", |r| conv(r, &[1, 4, 4, 3], &[3, 3, 3, 0], Conv2d::default())),
    ("conv2d", "weight", |r| conv(r, &[1, 4, 4, 3], &[0, 3, 3, 8], Conv2d::default())),
    ("conv2d", "operand", |r| conv(r, &[1, 4, 4, 3], &[usize::MAX, 1, 3, 8], Conv2d::default())),
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
        let conv = Conv2d { padding: usize::MAX, ..Conv2d::default() };
        r.input("a", [1, 4, 4, 3]).conv2d(r.input("w", [3, 3, 3, 8]), conv)
    }),
    ("relu", "operand", |r| r.input("a", [usize::MAX, 2]).relu()),
    ("relu", "operand", |r| r.input("a", [usize::MAX, 0]).relu()),
    ("upsample_nearest", "result", |r| r.input("a", [1, 1 << 10, 1 << 10, 1 << 10]).upsample_nearest(2)),
    ("conv2d", "padding", |r| {
        conv(r, &[1, 4, 4, 3], &[3, 3, 3, 8], Conv2d { padding: usize::MAX, ..Conv2d::default() })
    }),
    ("conv2d", "groups", |r| conv(r, &[1, 4, 4, 4], &[3, 3, 4, 8], Conv2d { groups: 0, ..Conv2d::default() })),
    ("conv2d", "groups", |r| conv(r, &[1, 4, 4, 4], &[3, 3, 1, 8], Conv2d { groups: 8, ..Conv2d::default() })),
    ("conv2d", "groups", |r| conv(r, &[1, 4, 4, 4], &[3, 3, 2, 7], Conv2d { groups: 2, ..Conv2d::default() })),
    ("conv2d", "groups", |r| conv(r, &[1, 4, 4, 4], &[3, 3, 1, 8], Conv2d { groups: usize::MAX, ..Conv2d::default() })),
    ("conv2d", "operand", |r| {
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
    ("conv_transpose2d", "operand", |r| {
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
    ("conv_transpose2d", "operand", |r| {
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
    ("pad2d", "operand", |r| {
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
    ("batch_matmul", "operand", |r| {
        r.input("a", [1, 1 << 40, 1]).batch_matmul(r.input("b", [1, 1, 1 << 40]), false, false)
    }),
    ("solve_spd", "a", |r| r.input("a", [3, 3]).solve_spd(r.input("b", [3, 3, 1]))),
    ("solve_spd", "a", |r| r.input("a", [2, 3, 4]).solve_spd(r.input("b", [2, 3, 1]))),
    ("solve_spd", "a", |r| r.input("a", [2, 129, 129]).solve_spd(r.input("b", [2, 129, 1]))),
    ("solve_spd", "a", |r| r.input("a", [2, 0, 0]).solve_spd(r.input("b", [2, 0, 1]))),
    ("solve_spd", "a", |r| r.input_u32("a", [2, 3, 3]).solve_spd(r.input("b", [2, 3, 1]))),
    ("solve_spd", "b", |r| r.input("a", [2, 3, 3]).solve_spd(r.input("b", [2, 3]))),
    ("solve_spd", "b", |r| r.input("a", [2, 3, 3]).solve_spd(r.input("b", [1, 3, 1]))),
    ("solve_spd", "b", |r| r.input("a", [2, 3, 3]).solve_spd(r.input("b", [2, 3, 0]))),
    ("matmul", "a", |r| r.input("a", [0, 3]).matmul(r.input("w", [3, 5]))),
    ("matmul", "b", |r| r.input("a", [4, 3]).matmul(r.input("w", [2, 3, 5]))),
    ("matmul", "operand", |r| r.input("a", [1 << 40, 1]).matmul(r.input("w", [1, 1 << 40]))),
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
    ("axis_angle_to_matrix", "x", |r| r.input("a", [4, 4]).axis_angle_to_matrix()),
    ("axis_angle_to_matrix", "x", |r| r.input("a", [0, 3]).axis_angle_to_matrix()),
    ("axis_angle_to_matrix", "x", |r| r.input_u32("a", [4, 3]).axis_angle_to_matrix()),
    ("quaternion_to_matrix", "x", |r| r.input("a", [4, 3]).quaternion_to_matrix()),
    ("quaternion_to_matrix", "x", |r| r.input("a", [2, 0, 4]).quaternion_to_matrix()),
    ("six_d_to_matrix", "x", |r| r.input("a", [4, 9]).six_d_to_matrix()),
    ("six_d_to_matrix", "x", |r| r.input("a", [] as [usize; 0]).six_d_to_matrix()),
    ("unit_vectors", "x", |r| r.input("a", [4, 2]).unit_vectors()),
    ("unit_vectors", "x", |r| r.input("a", [0, 3]).unit_vectors()),
    ("unit_vectors", "x", |r| r.input_u32("a", [4, 3]).unit_vectors()),
    ("rotate", "rotations", |r| r.input("a", [4, 12]).rotate(r.input("x", [4, 3]))),
    ("rotate", "rotations", |r| r.input_u32("a", [4, 9]).rotate(r.input("x", [4, 3]))),
    ("rotate", "vectors", |r| r.input("a", [4, 9]).rotate(r.input("x", [4, 2]))),
    ("rotate", "vectors", |r| r.input("a", [4, 9]).rotate(r.input("x", [5, 3]))),
    ("rotate", "vectors", |r| r.input("a", [4, 9]).rotate(r.input("x", [4, 0, 3]))),
    ("rotate", "vectors", |r| r.input("a", [4, 5, 9]).rotate(r.input("x", [4, 3]))),
    ("transform_points", "transforms", |r| r.input("a", [4, 9]).transform_points(r.input("x", [4, 3]))),
    ("transform_points", "points", |r| r.input("a", [4, 12]).transform_points(r.input("x", [3, 4, 3]))),
    ("transform_points", "points", |r| r.input("a", [4, 12]).transform_points(r.input("x", [] as [usize; 0]))),
    ("compose", "a", |r| r.input("a", [4, 3]).compose(r.input("b", [4, 3]))),
    ("compose", "a", |r| r.input("a", [0, 9]).compose(r.input("b", [0, 9]))),
    ("compose", "b", |r| r.input("a", [4, 9]).compose(r.input("b", [4, 12]))),
    ("compose", "b", |r| r.input("a", [4, 12]).compose(r.input("b", [5, 12]))),
    ("compose", "b", |r| r.input("a", [4, 9]).compose(r.input_u32("b", [4, 9]))),
    ("rigid_transforms", "rotations", |r| rigid_transforms(r.input("a", [4, 12]), r.input("t", [4, 3]))),
    ("rigid_transforms", "translations", |r| rigid_transforms(r.input("a", [4, 9]), r.input("t", [5, 3]))),
    ("rigid_transforms", "translations", |r| rigid_transforms(r.input("a", [4, 9]), r.input("t", [4, 4]))),
    ("translations", "transforms", |r| translations(r.input("a", [4, 9]))),
    ("forward_kinematics", "x", |r| r.input("a", [1, 3, 12]).forward_kinematics(&skeleton())),
    ("forward_kinematics", "x", |r| r.input("a", [1, 2, 9]).forward_kinematics(&skeleton())),
    ("forward_kinematics", "x", |r| r.input("a", [2, 12]).forward_kinematics(&skeleton())),
    ("forward_kinematics", "x", |r| r.input("a", [0, 2, 12]).forward_kinematics(&skeleton())),
    ("turn_about", "rotations", |r| r.input("a", [4, 12]).turn_about(r.input("p", [4, 3]))),
    ("turn_about", "rotations", |r| r.input_u32("a", [4, 9]).turn_about(r.input("p", [4, 3]))),
    ("turn_about", "points", |r| r.input("a", [4, 9]).turn_about(r.input("p", [5, 3]))),
    ("turn_about", "points", |r| r.input("a", [4, 9]).turn_about(r.input("p", [4, 4]))),
    ("turn_about", "points", |r| r.input("a", [4, 9]).turn_about(r.input("p", [2, 2, 3]))),
    ("rig_pose", "angles", |r| rig_pose(r, &[1, 3, 3], &[1, 2, 3], &[1, 9], &[1, 3])),
    ("rig_pose", "angles", |r| rig_pose(r, &[0, 2, 3], &[0, 2, 3], &[0, 9], &[0, 3])),
    ("rig_pose", "stretches", |r| rig_pose(r, &[1, 2, 3], &[1, 2, 4], &[1, 9], &[1, 3])),
    ("rig_pose", "stretches", |r| rig_pose(r, &[1, 2, 3], &[2, 2, 3], &[1, 9], &[1, 3])),
    ("rig_pose", "rotation", |r| rig_pose(r, &[1, 2, 3], &[1, 2, 3], &[1, 3], &[1, 3])),
    ("rig_pose", "rotation", |r| rig_pose(r, &[2, 2, 3], &[2, 2, 3], &[1, 9], &[2, 3])),
    ("rig_pose", "translation", |r| rig_pose(r, &[2, 2, 3], &[2, 2, 3], &[2, 9], &[3])),
    ("rig_shape", "stretches", |r| r.input("a", [1, 3, 3]).rig_shape(&rig())),
    ("rig_shape", "stretches", |r| r.input("a", [2, 3]).rig_shape(&rig())),
    ("rig_shape", "stretches", |r| r.input_u32("a", [1, 2, 3]).rig_shape(&rig())),
    ("hand_model", "rotation", |r| hands(r, [3, 4, 3, 23, 14])),
    ("hand_model", "rotation", |r| hands(r, [0, 3, 3, 23, 14])),
    ("hand_model", "translation_mm", |r| hands(r, [3, 3, 1, 23, 14])),
    ("hand_model", "pose", |r| hands(r, [3, 3, 3, 45, 14])),
    ("hand_model", "shape", |r| hands(r, [3, 3, 3, 23, 10])),
    ("skin", "vertices", |r| r.input("a", [2, 3]).skin(r.input("t", [1, 2, 12]), &skin())),
    ("skin", "vertices", |r| r.input("a", [3, 2]).skin(r.input("t", [1, 2, 12]), &skin())),
    ("skin", "vertices", |r| r.input("a", [3]).skin(r.input("t", [1, 2, 12]), &skin())),
    ("skin", "vertices", |r| r.input("a", [0, 3, 3]).skin(r.input("t", [1, 2, 12]), &skin())),
    ("skin", "vertices", |r| r.input_u32("a", [3, 3]).skin(r.input("t", [1, 2, 12]), &skin())),
    ("skin", "transforms", |r| r.input("a", [3, 3]).skin(r.input("t", [1, 3, 12]), &skin())),
    ("skin", "transforms", |r| r.input("a", [3, 3]).skin(r.input("t", [1, 2, 9]), &skin())),
    ("skin", "transforms", |r| r.input("a", [2, 3, 3]).skin(r.input("t", [1, 2, 12]), &skin())),
    ("blend_shapes", "template", |r| shapes(r, &[3, 2], &[5, 3, 3], &[1, 5])),
    ("blend_shapes", "shapes", |r| shapes(r, &[3, 3], &[5, 4, 3], &[1, 5])),
    ("blend_shapes", "shapes", |r| shapes(r, &[3, 3], &[5, 9], &[1, 5])),
    ("blend_shapes", "weights", |r| shapes(r, &[3, 3], &[5, 3, 3], &[1, 4])),
    ("blend_shapes", "weights", |r| shapes(r, &[3, 3], &[5, 3, 3], &[5])),
    ("pose", "rotations", |r| Ok(model().pose(r.input("a", [1, 3, 9]))?.vertices)),
    ("pose", "rotations", |r| Ok(model().pose(r.input("a", [1, 2, 3]))?.vertices)),
    ("pose", "rotations", |r| Ok(model().pose(r.input("a", [0, 2, 9]))?.vertices)),
    ("project_perspective", "points", |r| r.input("a", [4, 3]).project_perspective(r.input("c", [1, 4]), 0.1)),
    ("project_perspective", "points", |r| r.input("a", [1, 0, 3]).project_perspective(r.input("c", [1, 4]), 0.1)),
    ("project_perspective", "camera", |r| r.input("a", [2, 4, 3]).project_perspective(r.input("c", [1, 4]), 0.1)),
    ("project_perspective", "camera", |r| r.input("a", [1, 4, 3]).project_perspective(r.input("c", [1, 3]), 0.1)),
    ("project_perspective", "near", |r| r.input("a", [1, 4, 3]).project_perspective(r.input("c", [1, 4]), 0.0)),
    ("project_perspective", "near", |r| r.input("a", [1, 4, 3]).project_perspective(r.input("c", [1, 4]), -1.0)),
    ("project_perspective", "near", |r| r.input("a", [1, 4, 3]).project_perspective(r.input("c", [1, 4]), f32::NAN)),
    ("project_orthographic", "points", |r| r.input("a", [1, 4, 2]).project_orthographic(r.input("c", [1, 4]))),
    ("project_orthographic", "camera", |r| r.input("a", [1, 4, 3]).project_orthographic(r.input_u32("c", [1, 4]))),
    ("project_weak_perspective", "camera", |r| r.input("a", [1, 4, 3]).project_weak_perspective(r.input("c", [1, 4]))),
    ("project_weak_perspective", "camera", |r| r.input("a", [1, 4, 3]).project_weak_perspective(r.input("c", [2, 3]))),
    ("face_normals", "x", |r| r.input("a", [1, 4, 3]).face_normals(&mesh())),
    ("face_normals", "x", |r| r.input("a", [1, 3, 2]).face_normals(&mesh())),
    ("face_normals", "x", |r| r.input("a", [3, 3]).face_normals(&mesh())),
    ("face_normals", "x", |r| r.input("a", [0, 3, 3]).vertex_normals(&mesh())),
    ("face_normals", "x", |r| r.input_u32("a", [1, 3, 3]).cotangent_laplacian(&mesh())),
    ("face_normals", "x", |r| r.input("a", [1, 2, 3]).face_areas(&mesh())),
    ("spmm", "x", |r| r.input("a", [1, 4, 3]).edge_lengths(&mesh())),
    ("nearest_points", "p", |r| r.input("a", [4, 3]).nearest_points(r.input("b", [1, 4, 3]))),
    ("nearest_points", "p", |r| r.input("a", [1, 0, 3]).nearest_points(r.input("b", [1, 4, 3]))),
    ("nearest_points", "q", |r| r.input("a", [1, 4, 3]).nearest_squared_distances(r.input("b", [2, 4, 3]))),
    ("nearest_points", "q", |r| r.input("a", [1, 4, 3]).nearest_squared_distances(r.input("b", [1, 4, 2]))),
    ("nearest_points", "q", |r| r.input("a", [1, 4, 3]).nearest_squared_distances(r.input("b", [1, 0, 3]))),
    ("nearest_points", "q", |r| r.input("a", [1, 4, 3]).nearest_points(r.input_u32("b", [1, 4, 3]))),
    ("gather_rows", "indices", |r| normal_consistency(r.input("a", [1, 3, 3]), &mesh())),
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
    ("rasterize", "vertices", |r| drawn(r, &[2, 3, 2], &[2, 4], FINE)?.mask()),
    ("rasterize", "vertices", |r| drawn(r, &[2, 4, 3], &[2, 4], FINE)?.mask()),
    ("rasterize", "vertices", |r| drawn(r, &[3, 3], &[2, 4], FINE)?.mask()),
    ("rasterize", "vertices", |r| drawn(r, &[0, 3, 3], &[0, 4], FINE)?.mask()),
    ("rasterize", "vertices", |r| {
        let camera = Projection::Perspective(r.input("camera", [2, 4]));
        r.input_u32("x", [2, 3, 3]).rasterize(&mesh(), camera, FINE)?.mask()
    }),
    ("rasterize", "camera", |r| drawn(r, &[2, 3, 3], &[1, 4], FINE)?.mask()),
    ("rasterize", "camera", |r| drawn(r, &[2, 3, 3], &[2, 3], FINE)?.mask()),
    ("rasterize", "camera", |r| {
        let camera = Projection::WeakPerspective(r.input("camera", [2, 4]));
        r.input("x", [2, 3, 3]).rasterize(&mesh(), camera, FINE)?.mask()
    }),
    ("rasterize", "camera", |r| {
        let camera = Projection::Orthographic(r.input_u32("camera", [2, 4]));
        r.input("x", [2, 3, 3]).rasterize(&mesh(), camera, FINE)?.mask()
    }),
    ("rasterize", "faces", |r| listed(r, r.input("faces", [5, 3]))?.mask()),
    ("rasterize", "faces", |r| listed(r, r.input_u32("faces", [5, 4]))?.mask()),
    ("rasterize", "faces", |r| listed(r, r.input_u32("faces", [0, 3]))?.mask()),
    ("rasterize", "faces", |r| listed(r, r.input_u32("faces", [1, 5, 3]))?.mask()),
    ("rasterize", "faces", |r| listed(r, r.input_u32("faces", [(1 << 24) + 1, 3]))?.mask()),
    ("rasterize", "width", |r| drawn(r, &[2, 3, 3], &[2, 4], Raster { width: 0, ..FINE })?.mask()),
    ("rasterize", "width", |r| drawn(r, &[2, 3, 3], &[2, 4], Raster { width: 4097, ..FINE })?.mask()),
    ("rasterize", "width", |r| {
        drawn(r, &[2, 3, 3], &[2, 4], Raster { width: 2049, supersample: true, ..FINE })?.mask()
    }),
    ("rasterize", "height", |r| drawn(r, &[2, 3, 3], &[2, 4], Raster { height: 0, ..FINE })?.mask()),
    ("rasterize", "height", |r| {
        drawn(r, &[2, 3, 3], &[2, 4], Raster { height: usize::MAX, supersample: true, ..FINE })?.mask()
    }),
    ("rasterize", "near", |r| drawn(r, &[2, 3, 3], &[2, 4], Raster { near: 0.0, ..FINE })?.mask()),
    ("rasterize", "near", |r| drawn(r, &[2, 3, 3], &[2, 4], Raster { near: 1e-40, ..FINE })?.mask()),
    ("rasterize", "near", |r| drawn(r, &[2, 3, 3], &[2, 4], Raster { near: f32::INFINITY, ..FINE })?.mask()),
    ("rasterize", "near", |r| {
        let camera = Projection::Orthographic(r.input("camera", [2, 4]));
        r.input("x", [2, 3, 3]).rasterize(&mesh(), camera, Raster { near: f32::NAN, ..FINE })?.mask()
    }),
    ("visible_faces", "image", |r| {
        let large = Raster::new(4096, 4096);
        drawn(r, &[64, 3, 3], &[64, 4], large)?.mask()?;
        drawn(r, &[65, 3, 3], &[65, 4], large)?.mask()
    }),
    ("depth", "background", |r| drawn(r, &[2, 3, 3], &[2, 4], FINE)?.depth(f32::NAN)),
    ("depth", "background", |r| {
        drawn(r, &[2, 3, 3], &[2, 4], Raster { supersample: true, ..FINE })?.depth(f32::INFINITY)
    }),
    ("vertex_attributes", "attributes", |r| attributes(r, &[4, 2])),
    ("vertex_attributes", "attributes", |r| attributes(r, &[3])),
    ("vertex_attributes", "attributes", |r| attributes(r, &[3, 0])),
    ("vertex_attributes", "attributes", |r| attributes(r, &[3, 3, 2])),
    ("vertex_attributes", "attributes", |r| {
        drawn(r, &[2, 3, 3], &[2, 4], FINE)?.vertex_attributes(r.input_u32("a", [3, 2]))
    }),
    ("interpolate", "attributes", |r| drawn(r, &[2, 3, 3], &[2, 4], FINE)?.corner_attributes(r.input("a", [4, 2]))),
    ("interpolate", "attributes", |r| drawn(r, &[2, 3, 3], &[2, 4], FINE)?.corner_attributes(r.input("a", [3, 3, 2]))),
    ("interpolate", "attributes", |r| drawn(r, &[2, 3, 3], &[2, 4], FINE)?.corner_attributes(r.input_u32("a", [3, 2]))),
    ("interpolate", "attributes", |r| drawn(r, &[2, 3, 3], &[2, 4], FINE)?.corner_attributes(r.input("a", [3]))),
    ("grid_sample", "x", |r| textured(r, &[4, 4, 3], &[2, 5, 6, 2])),
    ("grid_sample", "grid", |r| textured(r, &[2, 4, 4, 3], &[2, 5, 6, 3])),
    ("grid_sample", "grid", |r| textured(r, &[1, 4, 4, 3], &[2, 5, 6, 2])),
    ("soft_silhouette", "sigma_px", |r| drawn(r, &[2, 3, 3], &[2, 4], FINE)?.soft_silhouette(0.0)),
    ("soft_silhouette", "sigma_px", |r| drawn(r, &[2, 3, 3], &[2, 4], FINE)?.soft_silhouette(f32::NAN)),
    ("soft_silhouette", "sigma_px", |r| {
        // A quarter of the image, whether supersampled or not.
        drawn(r, &[2, 3, 3], &[2, 4], Raster { supersample: true, ..FINE })?.soft_silhouette(1.5)?;
        drawn(r, &[2, 3, 3], &[2, 4], Raster { supersample: true, ..FINE })?.soft_silhouette(1.6)
    }),
    ("soft_silhouette", "faces", |r| listed(r, r.input_u32("faces", [50_001, 3]))?.soft_silhouette(1.0)),
    ("squeeze", "axis", |r| r.input("a", [4, 1]).squeeze(0)),
    ("squeeze", "axis", |r| r.input("a", [4, 1]).squeeze(2)),
    ("constant", "values", |r| r.constant([2, 3], &[0.0; 5])),
    ("reshape", "x", |r| r.input("a", [4, 3]).reshape([5])),
    ("broadcast", "x", |r| r.input("a", [4, 3]).broadcast([4, 5])),
    ("sum", "axes", |r| r.input("a", [4, 3]).sum(&[2])),
    ("sum", "axes", |r| r.input("a", [4, 3]).sum(&[usize::MAX - 1, usize::MAX])),
    ("spherical_harmonics", "x", |r| r.input("n", [4, 4]).spherical_harmonics()),
    ("spherical_harmonics", "x", |r| r.input_u32("n", [4, 3]).spherical_harmonics()),
    ("irradiance", "normals", |r| lights(r, [1, 3], [1, 2, 3], [1, 2, 3]).irradiance(r.input("n", [3]))),
    ("irradiance", "normals", |r| lights(r, [1, 3], [1, 2, 3], [1, 2, 3]).irradiance(r.input("n", [2, 0, 3]))),
    ("irradiance", "directions", |r| lights(r, [2, 3], [2, 2, 3], [2, 2, 3]).irradiance(r.input("n", [3, 5, 3]))),
    ("unit_vectors", "x", |r| lights(r, [1, 3], [1, 0, 3], [1, 0, 3]).irradiance(r.input("n", [3, 5, 3]))),
    ("irradiance", "ambient", |r| lights(r, [1, 4], [1, 2, 3], [1, 2, 3]).irradiance(r.input("n", [3, 5, 3]))),
    ("irradiance", "colours", |r| lights(r, [1, 3], [1, 2, 3], [1, 1, 3]).irradiance(r.input("n", [3, 5, 3]))),
    ("irradiance", "harmonics", |r| {
        let harmonics = Some(r.input("h", [1, 8, 3]));
        Lights { harmonics, ..lights(r, [1, 3], [1, 2, 3], [1, 2, 3]) }.irradiance(r.input("n", [3, 5, 3]))
    }),
];

const HISTOGRAM: SoftHistogram = SoftHistogram { bins: 4, low: 0.0, high: 1.0, kernel: HistogramKernel::Triangular };
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

fn pattern() -> std::sync::Arc<SparsePattern> {
    SparsePattern::new(matrix().csr().clone()).expect("consistent")
}

fn square() -> std::sync::Arc<SpmmMatrix> {
    nn::normalized_adjacency(3, &[(0, 1), (1, 2)]).expect("edges between nodes")
}

/// Two joints.
fn skeleton() -> Arc<Skeleton> {
    Skeleton::new(&[0, 0]).expect("a tree")
}

fn rig() -> Arc<Rig> {
    let axes = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    Rig::new(skeleton(), &[RigFrame { origin: [0.0; 3], axes, stretch: axes }; 2]).expect("a rig")
}

#[track_caller]
fn rig_pose<'r>(
    r: &'r Recorder,
    angles: &[usize],
    stretches: &[usize],
    rotation: &[usize],
    translation: &[usize],
) -> Result<Var<'r>> {
    let (rotation, translation) = (r.input("rotation", rotation), r.input("translation", translation));
    r.input("angles", angles).rig_pose(r.input("stretches", stretches), rotation, translation, &rig())
}

/// As many hands as the first, of parameters as wide as the others.
#[track_caller]
fn hands(r: &Recorder, [n, rotation, translation, pose, shape]: [usize; 5]) -> Result<Var<'_>> {
    let model = HandRig::shipped(Side::Right)?;
    let hand = HandVars {
        rotation: r.input("rotation", [n, rotation]),
        translation_mm: r.input("translation", [n, translation]),
        pose: r.input("pose", [n, pose]),
        shape: r.input("shape", [n, shape]),
    };
    Ok(model.record(&hand)?.vertices)
}

/// Three vertices that follow them.
fn skin() -> Arc<SkinWeights> {
    SkinWeights::new(2, &[[(0, 1.0)], [(1, 1.0)], [(1, 0.5)]]).expect("weights")
}

fn model() -> SkinnedModel {
    let frame = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    SkinnedModel::new(&[[0.0; 3]; 3], &[frame; 2], skeleton(), skin()).expect("a model")
}

fn shapes<'r>(r: &'r Recorder, template: &[usize], shapes: &[usize], weights: &[usize]) -> Result<Var<'r>> {
    blend_shapes(r.input("t", template), r.input("s", shapes), r.input("w", weights))
}

/// One triangle.
fn mesh() -> Arc<TriangleMesh> {
    TriangleMesh::new(3, &[[0, 1, 2]]).expect("a mesh")
}

/// Five rows of six pixels.
const FINE: Raster = Raster { width: 6, height: 5, near: 0.1, cull_back: false, supersample: false };

/// The triangle, its vertices and cameras of these shapes.
#[track_caller]
fn drawn<'r>(r: &'r Recorder, vertices: &[usize], camera: &[usize], raster: Raster) -> Result<Rasterized<'r>> {
    r.input("x", vertices).rasterize(&mesh(), Projection::Perspective(r.input("camera", camera)), raster)
}

#[track_caller]
fn listed<'r>(r: &'r Recorder, faces: Var<'r>) -> Result<Rasterized<'r>> {
    r.input("x", [2, 3, 3]).rasterize(faces, Projection::Perspective(r.input("camera", [2, 4])), FINE)
}

#[track_caller]
fn attributes<'r>(r: &'r Recorder, dims: &[usize]) -> Result<Var<'r>> {
    drawn(r, &[2, 3, 3], &[2, 4], FINE)?.vertex_attributes(r.input("a", dims))
}

#[track_caller]
fn textured<'r>(r: &'r Recorder, texture: &[usize], uv: &[usize]) -> Result<Var<'r>> {
    drawn(r, &[2, 3, 3], &[2, 4], FINE)?.textured(r.input("texture", texture), r.input("uv", uv))
}

#[test]
fn mistakes_are_typed_and_name_operator_operand_and_line() {
    let mut wrong = Vec::new();
    for (i, (operator, what, build)) in MISTAKES.iter().enumerate() {
        let r = Recorder::new();
        match build(&r) {
            Ok(var) => wrong.push(format!("{i}: {operator} accepted a wrong {what}: {var:?}")),
            Err(Error::Operand { op, operand, site, .. }) => {
                if (op.as_str(), operand.as_str()) != (*operator, *what) {
                    wrong.push(format!("{i}: {operator}, {what}, is told as {op}, {operand}, at {site}"));
                }
                if !site.0.file().ends_with("mistakes.rs") {
                    wrong.push(format!("{i}: {operator}, {what}, is attributed to {site}"));
                }
            }
            Err(other) => wrong.push(format!("{i}: {operator}, {what}: {other}")),
        }
    }
    assert!(wrong.is_empty(), "mistakes\n{}", wrong.join("\n"));
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
    let bad: [Csr; 6] = [
        Csr { rows: usize::MAX, ..good.clone() },
        Csr { cols: 1 << 25, ..good.clone() },
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

#[test]
fn sparse_patterns_and_edges_are_checked() {
    let good = matrix().csr().clone();
    let nothing = Csr { row_ptr: vec![0, 0, 0], col: vec![], val: vec![], ..good.clone() };
    let bad = [
        nothing,
        Csr { col: vec![1, 3], ..good.clone() },
        Csr { row_ptr: vec![0, 1], ..good.clone() },
        Csr { rows: usize::MAX, ..good.clone() },
        Csr { cols: usize::MAX, ..good },
    ];
    for csr in bad {
        assert!(matches!(SparsePattern::new(csr.clone()), Err(Error::Invalid { .. })), "{csr:?}");
    }
    for (nodes, edges) in [(2, &[(0, 2)][..]), (0, &[(0, 0)]), (2, &[(usize::MAX, 0)]), (usize::MAX, &[(0, 1)])] {
        let error = nn::normalized_adjacency(nodes, edges).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
    }
}
