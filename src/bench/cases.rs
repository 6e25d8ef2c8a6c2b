//! The cases: layers of the papers at their sizes and at those of the small model, and whole models. Names say channels @ side
//! and batch, as `conv3x3 128@64 b1`.

use std::sync::Arc;

use super::case::{Case, Pass};
use super::model::{inference, training_step};
use crate::Var;
use crate::error::Result;
use crate::hand::{Pose, RiggedHand, Shape};
use crate::models::{GraphCnnConfig, MeshGraph};
use crate::nn::losses::{MeshLoss, MeshTruth, squared_error};
use crate::nn::skinning::SkinnedModel;
use crate::nn::{batch_norm, chebyshev, group_norm, instance_norm, layer_norm};
use crate::ops::{Adam, AvgPool2d, Conv2d, ConvTranspose2d, GridSample, Projection, Raster, Resize, TriangleMesh};

/// The cases that peers are measured by, too, under the same names.
const PEERS: [&str; 8] = [
    "stem7x7s2 b1",
    "conv3x3 128@64 b1",
    "conv1x1 256-128@64 b1",
    "conv1x1 128-256@64 b1",
    "conv3x3 128@16 b8",
    "conv3x3 64@32 b8",
    "matmul 512",
    "matmul 1024",
];

/// Those that are measured stored as f16 besides.
const HALVES: [&str; 4] = ["batch_norm 256@64 b8", "max2x2 256@64 b1", "relu 128@64 b8", "add 128@64 b8"];

/// Every case that the adapter can run, some of them in f16 too where it `has_half`. With `quick` without what takes seconds a
/// run on a software adapter.
pub fn cases(has_half: bool, quick: bool) -> Result<Vec<Case>> {
    let stored = || [convolutions(), products(), norms(), pools(), pointwise()].into_iter().flatten();
    let mut cases: Vec<Case> = stored().collect();
    if has_half {
        let wanted = |case: &Case| PEERS.iter().chain(&HALVES).any(|name| case.name == *name);
        cases.extend(stored().filter(wanted).map(Case::half));
    }
    let hand = RiggedHand::right();
    let mesh = MeshGraph::new(&hand)?;
    cases.extend(other_convolutions());
    cases.extend(resampling());
    cases.extend(reductions());
    cases.extend(graphs(&mesh));
    cases.extend(losses(&mesh));
    cases.extend(updates());
    cases.extend(hands(&hand)?);
    cases.extend(models(quick));
    Ok(cases)
}

/// An N×S×S×C image.
fn image(n: usize, side: usize, channels: usize) -> [usize; 4] {
    [n, side, side, channels]
}

fn convolutions() -> Vec<Case> {
    // Batch, side, channels in and out, kernel, stride.
    let layers = [
        ("stem7x7s2 b1", [1, 256, 3, 64, 7, 2]),
        ("conv3x3 128@64 b1", [1, 64, 128, 128, 3, 1]),
        ("conv1x1 256-128@64 b1", [1, 64, 256, 128, 1, 1]),
        ("conv1x1 128-256@64 b1", [1, 64, 128, 256, 1, 1]),
        ("conv3x3 128@16 b8", [8, 16, 128, 128, 3, 1]),
        ("conv3x3 64@32 b8", [8, 32, 64, 64, 3, 1]),
        // The inner levels of the paper's hourglass.
        ("conv3x3 128@32 b1", [1, 32, 128, 128, 3, 1]),
        ("conv3x3 128@8 b1", [1, 8, 128, 128, 3, 1]),
        // The small model, as it is trained.
        ("stem7x7s2 3-8@128 b16", [16, 128, 3, 8, 7, 2]),
        ("conv3x3 16@32 b16", [16, 32, 16, 16, 3, 1]),
        ("conv3x3 24@16 b16", [16, 16, 24, 24, 3, 1]),
        ("conv3x3 32@32 b16", [16, 32, 32, 32, 3, 1]),
        ("conv1x1 32-16@32 b16", [16, 32, 32, 16, 1, 1]),
        ("conv1x1 16-32@32 b16", [16, 32, 16, 32, 1, 1]),
    ];
    let case = |(name, [n, side, ci, co, kernel, stride]): (&'static str, [usize; 6])| {
        Case::new("conv2d", name, move |o| {
            let conv = Conv2d { stride, padding: kernel / 2, ..Default::default() };
            // Of a network's first layer, too, both gradients: what is in front of it may be learned.
            o.value("x", image(n, side, ci))?.conv2d(o.value("weight", [kernel, kernel, ci, co])?, conv)
        })
    };
    layers.into_iter().map(case).collect()
}

fn other_convolutions() -> Vec<Case> {
    vec![
        Case::new("conv2d", "depthwise3x3 128@64 b1", |o| {
            let conv = Conv2d { padding: 1, groups: 128, ..Default::default() };
            o.value("x", image(1, 64, 128))?.conv2d(o.value("weight", [3, 3, 1, 128])?, conv)
        }),
        Case::new("conv_transpose2d", "deconv4x4s2 256-128@16 b1", |o| {
            let conv = ConvTranspose2d { stride: 2, padding: 1, ..Default::default() };
            o.value("x", image(1, 16, 256))?.conv_transpose2d(o.value("weight", [4, 4, 128, 256])?, conv)
        }),
    ]
}

fn products() -> Vec<Case> {
    // m, n, k.
    let products = [
        ("matmul 512", [512, 512, 512]),
        ("matmul 1024", [1024, 1024, 1024]),
        ("linear 1024-512 b16", [16, 512, 1024]),
        ("linear 4096-1024 b1", [1, 1024, 4096]),
        ("theta 32-96@1280 b16", [16 * 1280, 96, 32]),
        ("theta 16-9@1280 b16", [16 * 1280, 9, 16]),
    ];
    let case = |(name, [m, n, k]): (&'static str, [usize; 3])| {
        Case::new("matmul", name, move |o| o.value("a", [m, k])?.matmul(o.value("b", [k, n])?))
    };
    products.into_iter().map(case).collect()
}

fn norms() -> Vec<Case> {
    vec![
        Case::new("batch_norm", "batch_norm 128@64 b1", |o| batch_norm(o.value("x", image(1, 64, 128))?, "norm")),
        Case::new("batch_norm", "batch_norm 256@64 b8", |o| batch_norm(o.value("x", image(8, 64, 256))?, "norm")),
        Case::new("batch_norm", "batch_norm 16@32 b16", |o| batch_norm(o.value("x", image(16, 32, 16))?, "norm")),
        Case::new("group_norm", "group_norm 256@32 b4", |o| group_norm(o.value("x", image(4, 32, 256))?, "norm", 32)),
        Case::new("instance_norm", "instance_norm 64@64 b4", |o| {
            instance_norm(o.value("x", image(4, 64, 64))?, "norm")
        }),
        Case::new("layer_norm", "layer_norm 8192x512", |o| layer_norm(o.value("x", [8192, 512])?, "norm")),
    ]
}

fn pools() -> Vec<Case> {
    vec![
        Case::new("max_pool2d", "max2x2 256@64 b1", |o| o.value("x", image(1, 64, 256))?.max_pool2d(2, 2, 0)),
        Case::new("max_pool2d", "max2x2 32@32 b16", |o| o.value("x", image(16, 32, 32))?.max_pool2d(2, 2, 0)),
        Case::new("avg_pool2d", "avg2x2 256@64 b1", |o| {
            o.value("x", image(1, 64, 256))?.avg_pool2d(AvgPool2d::default())
        }),
        Case::new("upsample_nearest", "nearest2 256@32 b1", |o| o.value("x", image(1, 32, 256))?.upsample_nearest(2)),
        Case::new("upsample_nearest", "nearest2 32@16 b16", |o| o.value("x", image(16, 16, 32))?.upsample_nearest(2)),
    ]
}

fn pointwise() -> Vec<Case> {
    vec![
        Case::new("pointwise", "relu 128@64 b8", |o| o.value("x", image(8, 64, 128))?.relu()),
        Case::new("pointwise", "relu 128@64 b1", |o| o.value("x", image(1, 64, 128))?.relu()),
        Case::new("pointwise", "sigmoid 128@64 b8", |o| o.value("x", image(8, 64, 128))?.sigmoid()),
        Case::free_backward("pointwise", "add 128@64 b8", |o| {
            o.value("a", image(8, 64, 128))?.add(o.value("b", image(8, 64, 128))?)
        }),
        Case::new("pointwise", "mul 128@64 b8", |o| {
            o.value("a", image(8, 64, 128))?.mul(o.value("b", image(8, 64, 128))?)
        }),
        Case::new("pointwise", "bias 128@64 b8", |o| o.value("x", image(8, 64, 128))?.add(o.value("bias", [128])?)),
        Case::new("concat", "concat 256+24@64 b1", |o| {
            let parts = [o.value("a", image(1, 64, 256))?, o.value("b", image(1, 64, 24))?];
            o.r.concat(&parts, 3)
        }),
    ]
}

fn resampling() -> Vec<Case> {
    vec![
        Case::new("resize", "bilinear2 128@32 b1", |o| {
            o.value("x", image(1, 32, 128))?.resize(64, 64, Resize::Bilinear { align_corners: false })
        }),
        Case::new("grid_sample", "grid_sample 64@64 b2", |o| {
            let grid = o.value("grid", [2, 64, 64, 2])?.tanh()?;
            o.value("x", image(2, 64, 64))?.grid_sample(grid, GridSample::default())
        }),
        Case::new("graph_upsample", "graph_upsample4 64@320 b16", |o| o.value("x", [16, 320, 64])?.graph_upsample(4)),
    ]
}

fn reductions() -> Vec<Case> {
    vec![
        Case::new("reduce", "sum_all 128@64 b8", |o| o.value("x", image(8, 64, 128))?.sum_all()),
        Case::new("reduce", "sum_channels 128@64 b8", |o| o.value("x", image(8, 64, 128))?.sum(&[3])),
        Case::new("reduce", "sum_rows 128@64 b8", |o| o.value("x", image(8, 64, 128))?.sum(&[0, 1, 2])),
        Case::new("softmax", "softmax 65536x64", |o| o.value("x", [65_536, 64])?.softmax(1)),
        Case::new("soft_argmax2d", "soft_argmax 24@64 b8", |o| o.value("x", image(8, 64, 24))?.soft_argmax2d(1.0)),
    ]
}

fn graphs(mesh: &MeshGraph) -> Vec<Case> {
    let [coarse, middle, fine] = mesh.levels.clone();
    let nodes = mesh.nodes;
    let product = |name: String, matrix: &Arc<crate::ops::SpmmMatrix>, shape: [usize; 3]| {
        let matrix = matrix.clone();
        Case::new("spmm", name, move |o| o.value("x", shape)?.spmm(&matrix))
    };
    let cheb = |name: String, matrix: &Arc<crate::ops::SpmmMatrix>, shape: [usize; 3], out: usize| {
        let matrix = matrix.clone();
        Case::new("chebyshev", name, move |o| chebyshev(o.value("x", shape)?, "layer", &matrix, out, 3, true))
    };
    vec![
        product(format!("spmm 32@{} b16", nodes[2]), &fine, [16, nodes[2], 32]),
        product(format!("spmm 64@{} b1", nodes[2]), &fine, [1, nodes[2], 64]),
        product(format!("spmm 64@{} b16", nodes[0]), &coarse, [16, nodes[0], 64]),
        cheb(format!("chebyshev3 64-64@{} b1", nodes[0]), &coarse, [1, nodes[0], 64], 64),
        cheb(format!("chebyshev3 64-32@{} b1", nodes[1]), &middle, [1, nodes[1], 64], 32),
        cheb(format!("chebyshev3 32-16@{} b1", nodes[2]), &fine, [1, nodes[2], 32], 16),
        cheb(format!("chebyshev3 32-16@{} b16", nodes[2]), &fine, [16, nodes[2], 32], 16),
    ]
}

fn losses(mesh: &MeshGraph) -> Vec<Case> {
    let (vertices, edges, operators) = (mesh.vertices, mesh.edges.len(), mesh.operators.clone());
    vec![
        Case::new("loss", "heatmaps 24@64 b8", |o| {
            let truth = o.r.gaussian_heatmaps(o.fixed("uv", [8, 24, 2])?, 64, 64, 4.0)?;
            squared_error(o.value("heatmaps", image(8, 64, 24))?, truth)
        }),
        Case::new("loss", format!("mesh {vertices} b16"), move |o| {
            let n = 16;
            let truth = MeshTruth {
                xyz: o.fixed("true_xyz", [n, vertices, 3])?,
                uv: o.fixed("true_uv", [n, vertices, 2])?,
                normals_left: o.fixed("left", [n, edges, 3])?,
                normals_right: o.fixed("right", [n, edges, 3])?,
            };
            let (xyz, uv) = (o.value("xyz", [n, vertices, 3])?, o.value("uv", [n, vertices, 2])?);
            MeshLoss::new(xyz, uv, &truth, &operators)?.total()
        }),
    ]
}

fn updates() -> Vec<Case> {
    let adam = |name: &'static str, tensors: usize, shape: [usize; 2]| {
        Case::updates("optimizer", name, move |o| {
            let mut loss = o.r.scalar(0.0);
            for i in 0..tensors {
                loss = loss.add(o.fixed(&format!("w{i}"), shape)?.square()?.sum_all()?)?;
            }
            o.r.step(&Adam::default(), &loss.backward()?, o.r.scalar(1e-6))?;
            Ok(loss)
        })
    };
    vec![adam("adam 16x256x1024", 16, [256, 1024]), adam("adam 300x16x64", 300, [16, 64])]
}

fn hands(hand: &RiggedHand) -> Result<Vec<Case>> {
    let model = SkinnedModel::from_rig(hand)?;
    let joints = hand.rest_frames().len();
    let mut cases = vec![Case::new("skin", format!("skin {} b16", hand.rest_vertices().len()), move |o| {
        let rotations = o.value("rotations", [16, joints, 3])?.axis_angle_to_matrix()?;
        Ok(model.pose(rotations.reshape([16, joints, 9])?)?.vertices)
    })];
    let posed =
        hand.pose(&Pose { translation_mm: glam::Vec3::new(0.0, 0.0, 500.0), ..Pose::default() }, &Shape::default());
    let mesh = TriangleMesh::new(posed.vertices.len(), hand.faces())?;
    for (batch, size) in [(1, 128), (8, 32), (8, 128)] {
        let (vertices, mesh) = (posed.vertices.clone(), mesh.clone());
        cases.push(Case::new("raster", format!("hand@{size} b{batch}"), move |o| {
            let values: Vec<f32> = vertices.iter().flat_map(|v| v.to_array()).collect::<Vec<_>>().repeat(batch);
            let x = o.given("vertices", [batch, vertices.len(), 3], &values)?;
            // The hand fills nine tenths of the image.
            let slopes: Vec<glam::Vec2> = vertices.iter().map(|v| v.truncate() / v.z).collect();
            let low = slopes.iter().copied().reduce(glam::Vec2::min).unwrap_or_default();
            let high = slopes.iter().copied().reduce(glam::Vec2::max).unwrap_or_default();
            let f = 0.9 * size as f32 / (high - low).max_element();
            let centre = glam::Vec2::splat(0.5 * size as f32) - f * 0.5 * (low + high);
            let camera = o.r.constant([batch, 4], &[f, f, centre.x, centre.y].repeat(batch))?;
            let drawn = x.rasterize(&mesh, Projection::Perspective(camera), Raster::new(size, size))?;
            let images = [drawn.depth(0.0)?, drawn.soft_silhouette(1.0)?];
            let rows: Vec<Var<'_>> =
                images.iter().map(|y| y.reshape([batch * size * size, 1])).collect::<Result<_>>()?;
            o.r.concat(&rows, 1)
        }));
    }
    Ok(cases)
}

fn models(quick: bool) -> Vec<Case> {
    let infer = |name: &'static str, config: fn() -> GraphCnnConfig| {
        Case::program(name, Pass::Forward, move |gpu| inference(gpu, &config(), 1))
    };
    let train = |name: &'static str, config: fn() -> GraphCnnConfig, batch: usize| {
        Case::program(name, Pass::Both, move |gpu| training_step(gpu, &config(), batch))
    };
    let mut models =
        vec![infer("small infer b1", GraphCnnConfig::small), train("small train b16", GraphCnnConfig::small, 16)];
    if !quick {
        models.push(infer("paper infer b1", GraphCnnConfig::paper));
    }
    models
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use std::collections::HashSet;

    #[test]
    fn cases_have_names_of_their_own_and_peers_have_theirs() {
        let all = cases(true, false).unwrap();
        let names: HashSet<(String, DType)> = all.iter().map(|case| (case.title(), case.dtype)).collect();
        assert_eq!(names.len(), all.len());
        for (named, dtype) in [(&PEERS[..], DType::F32), (&PEERS[..], DType::F16), (&HALVES[..], DType::F16)] {
            for name in named {
                assert!(all.iter().any(|case| case.name == *name && case.dtype == dtype), "{name} {dtype}");
            }
        }
        assert!(cases(false, true).unwrap().iter().all(|case| case.dtype == DType::F32));
    }

    #[test]
    fn every_case_can_be_recorded() {
        for case in cases(true, false).unwrap() {
            case.is_recorded().unwrap_or_else(|error| panic!("{case:?}: {error}"));
        }
    }
}
