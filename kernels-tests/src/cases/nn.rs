//! Layers and losses. A layer's parameters are operands that bear the names it asks for.

use knuckle::nn::losses::{MeshLoss, MeshOperators, MeshTruth, squared_error};
use knuckle::nn::{self, Residual};
use knuckle::ops::SpmmMatrix;
use knuckle::sparse::Csr;

use crate::case::{Case, Fill, Operand};
use crate::reference::{Tensor, layout, nn as reference};

/// Operands for the parameters of a layer by name, from so many channels to so many.
type Parameters = fn(&str, usize, usize) -> Vec<Operand>;

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (n, c, out, order, bias) in [
        (1, 1, 1, 1, false),
        (2, 4, 8, 2, true),
        (2, 3, 5, 3, true),
        (1, 8, 4, 4, false),
        (3, 4, 4, 1, true),
        (1, 1, 1, 2, false),
        (2, 8, 3, 3, false),
        (2, 4, 4, 5, true),
        (1, 3, 2, 5, false),
        (1, 4, 8, 7, true),
    ] {
        cases.push(chebyshev(n, c, out, order, bias));
    }
    for (n, c, out, bias) in [
        (1, 1, 1, false),
        (2, 4, 8, true),
        (2, 8, 4, true),
        (1, 8, 3, false),
        (3, 3, 5, true),
        (1, 5, 5, false),
        (2, 16, 2, true),
    ] {
        for (nodes, edges) in GRAPHS {
            cases.push(gcn(n, c, out, bias, nodes, edges));
        }
    }
    for (n, c, out) in [(2, 3, 4), (3, 4, 4), (2, 8, 5), (1, 5, 8)] {
        cases.push(graph_residual(n, c, out));
    }
    for (n, v, c, k) in [
        (1, 1, 1, 1),
        (1, 5, 3, 2),
        (2, 6, 4, 3),
        (2, 6, 4, 6),
        (3, 9, 5, 1),
        (2, 21, 8, 10),
        (1, 40, 4, 17),
        (2, 37, 3, 36),
    ] {
        cases.extend(top_k(n, v, c, k));
    }
    for (dims, out) in [([2, 3, 4, 4], 4), ([2, 4, 3, 4], 6)] {
        let mut operands = vec![Operand::normal(dims)];
        operands.extend(residual("layer", dims[3], out));
        let case = Case::new(
            "residual",
            format!("to {out}"),
            operands,
            move |_, x| nn::residual(x[0], "layer", out),
            move |x| reference::residual(&x[0], out, &mut x[1..].iter()),
        );
        cases.push(case.training());
        let mut operands = vec![Operand::normal(dims)];
        operands.extend(residual3x3("layer", dims[3], out));
        let case = Case::new(
            "residual3x3",
            format!("to {out}"),
            operands,
            move |_, x| nn::residual3x3(x[0], "layer", out),
            move |x| reference::residual3x3(&x[0], out, &mut x[1..].iter()),
        );
        cases.push(case.training());
    }
    for (unit, low) in [Residual::Bottleneck, Residual::Conv3x3].into_iter().flat_map(|unit| [(unit, 4), (unit, 6)]) {
        let (parameters, unit_reference): (Parameters, reference::Unit) = match unit {
            Residual::Bottleneck => (residual, reference::residual),
            Residual::Conv3x3 => (residual3x3, reference::residual3x3),
        };
        let mut operands = vec![Operand::normal([3, 4, 4, 4])];
        for (part, channels, out) in [("skip", 4, 4), ("down", 4, low), ("inner", low, low), ("up", low, 4)] {
            operands.extend(parameters(&format!("hg/{part}"), channels, out));
        }
        let case = Case::new(
            "hourglass",
            format!("{unit:?}, depth 1, {low} channels below"),
            operands,
            move |_, x| nn::hourglass(x[0], "hg", &[low], unit),
            move |x| reference::hourglass(&x[0], low, unit_reference, &mut x[1..].iter()),
        );
        cases.push(case.training());
    }
    for dims in [&[1, 1][..], &[3, 5], &[2, 4, 4, 21]] {
        cases.push(Case::new(
            "squared_error",
            "",
            [Operand::normal(dims), Operand::normal(dims)],
            |_, x| squared_error(x[0], x[1]),
            |x| scalar(reference::squared_error(&x[0], &x[1])),
        ));
    }
    cases.push(mesh_loss());
    cases
}

fn scalar(value: f64) -> Tensor {
    Tensor { dims: vec![1], data: vec![value] }
}

/// On a path of six nodes with its own weights.
fn chebyshev(n: usize, c: usize, out: usize, order: usize, bias: bool) -> Case {
    const NODES: usize = 6;
    let triplets: Vec<_> =
        (0..NODES - 1).flat_map(|i| [(i, i + 1, 0.3 + 0.1 * i as f32), (i + 1, i, 0.3 + 0.1 * i as f32)]).collect();
    let entries: Vec<_> = triplets.iter().map(|&(i, j, v)| (i, j, f64::from(v))).collect();
    let matrix = SpmmMatrix::new(Csr::from_triplets(NODES, NODES, &triplets).expect("inside")).expect("consistent");
    let mut operands = vec![Operand::normal([n, NODES, c])];
    operands.extend((0..order).map(|k| Operand::normal([c, out]).named(format!("layer/theta{k}"))));
    if bias {
        operands.push(Operand::normal([out]).named("layer/bias"));
    }
    Case::new(
        "chebyshev",
        format!("order {order}, to {out}"),
        operands,
        move |_, x| nn::chebyshev(x[0], "layer", &matrix, out, order, bias),
        move |x| reference::chebyshev(&entries, &x[0], &x[1..=order], x.get(order + 1)),
    )
}

type Edges = &'static [(usize, usize)];

/// One node; a path with an edge given twice and one from a node to itself; a star; a hand's finger bones, without
/// palm.
const GRAPHS: [(usize, Edges); 4] = [
    (1, &[]),
    (5, &[(0, 1), (2, 1), (1, 2), (2, 3), (3, 3), (3, 4)]),
    (6, &[(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]),
    (21, HAND),
];

const HAND: Edges = &[
    (0, 1),
    (1, 2),
    (2, 3),
    (3, 4),
    (0, 5),
    (5, 6),
    (6, 7),
    (7, 8),
    (0, 9),
    (9, 10),
    (10, 11),
    (11, 12),
    (0, 13),
    (13, 14),
    (14, 15),
    (15, 16),
    (0, 17),
    (17, 18),
    (18, 19),
    (19, 20),
];

fn gcn(n: usize, c: usize, out: usize, bias: bool, nodes: usize, edges: Edges) -> Case {
    let matrix = nn::normalized_adjacency(nodes, edges).expect("edges between nodes");
    let entries = reference::normalized_adjacency(nodes, edges);
    let mut operands = vec![Operand::normal([n, nodes, c]), Operand::normal([c, out]).named("layer/weight")];
    if bias {
        operands.push(Operand::normal([out]).named("layer/bias"));
    }
    Case::new(
        "gcn",
        format!("{} edges, to {out}", edges.len()),
        operands,
        move |_, x| nn::gcn(x[0], "layer", &matrix, out, bias),
        move |x| reference::gcn(&entries, &x[0], &x[1], x.get(2)),
    )
}

fn graph_residual(n: usize, c: usize, out: usize) -> Case {
    let matrix = nn::normalized_adjacency(21, HAND).expect("edges between nodes");
    let entries = reference::normalized_adjacency(21, HAND);
    let affine = || Operand::filled([2, out], Fill::Uniform(0.3, 1.2));
    let operands = [
        Operand::normal([n, 21, c]),
        Operand::normal([c, out]).named("layer/gcn1/weight"),
        Operand::normal([out]).named("layer/gcn1/bias"),
        affine().named("layer/norm1/affine"),
        Operand::normal([out, out]).named("layer/gcn2/weight"),
        affine().named("layer/norm2/affine"),
        Operand::normal([c, out]).named("layer/skip/weight"),
        Operand::normal([out]).named("layer/skip/bias"),
    ];
    let case = Case::new(
        "graph_residual",
        format!("to {out}"),
        operands,
        move |_, x| nn::graph_residual(x[0], "layer", &matrix, out),
        move |x| reference::graph_residual(&entries, &x[0], &mut x[1..].iter()),
    );
    case.training()
}

/// Pooling to `k` nodes, features and adjacency side by side; pooling and unpooling again.
fn top_k(n: usize, v: usize, c: usize, k: usize) -> [Case; 2] {
    let x = || Operand::normal([n, v, c]);
    let projection = || Operand::filled([c, 1], Fill::NonZero).named("pool/projection");
    let pool = Case::new(
        "top_k_pool",
        format!("{k} nodes"),
        [x(), Operand::normal([n, v, v]), projection()],
        move |r, x| {
            let pooled = nn::top_k_pool(x[0], "pool", x[1], k)?;
            r.concat(&[pooled.x, pooled.adjacency], 2)
        },
        move |x| {
            let (features, adjacency, _) = reference::top_k_pool(&x[0], &x[1], &x[2], k);
            layout::concat(&[features, adjacency], 2)
        },
    );
    let unpool = Case::new(
        "top_k_unpool",
        format!("{k} nodes"),
        [x(), projection()],
        move |r, x| {
            let adjacency = r.constant([n, v, v], &vec![1.0; n * v * v])?;
            let pooled = nn::top_k_pool(x[0], "pool", adjacency, k)?;
            nn::top_k_unpool(pooled.x, pooled.nodes, v)
        },
        move |x| {
            let adjacency = Tensor::from_fn(&[n, v, v], |_| 1.0);
            let (features, _, chosen) = reference::top_k_pool(&x[0], &adjacency, &x[1], k);
            reference::top_k_unpool(&features, &chosen, v)
        },
    );
    [pool, unpool]
}

/// The parameters of a residual layer, in the order it asks for them.
fn residual(layer: &str, channels: usize, out: usize) -> Vec<Operand> {
    let mid = out / 2;
    let mut parameters = vec![
        affine(channels).named(format!("{layer}/norm1/affine")),
        Operand::normal([1, 1, channels, mid]).named(format!("{layer}/conv1/weight")),
        affine(mid).named(format!("{layer}/norm2/affine")),
        Operand::normal([3, 3, mid, mid]).named(format!("{layer}/conv2/weight")),
        affine(mid).named(format!("{layer}/norm3/affine")),
        Operand::normal([1, 1, mid, out]).named(format!("{layer}/conv3/weight")),
        Operand::normal([out]).named(format!("{layer}/conv3/bias")),
    ];
    if channels != out {
        parameters.push(Operand::normal([1, 1, channels, out]).named(format!("{layer}/skip/weight")));
    }
    parameters
}

/// The parameters of [`nn::residual3x3`].
fn residual3x3(layer: &str, channels: usize, out: usize) -> Vec<Operand> {
    let mut parameters = vec![
        affine(channels).named(format!("{layer}/norm/affine")),
        Operand::normal([3, 3, channels, out]).named(format!("{layer}/conv/weight")),
    ];
    if channels != out {
        parameters.push(Operand::normal([1, 1, channels, out]).named(format!("{layer}/skip/weight")));
    }
    parameters
}

/// Scales away from zero, so that every path carries weight.
fn affine(channels: usize) -> Operand {
    Operand::filled([2, channels], Fill::Uniform(0.3, 1.2))
}

/// On a square pyramid: five vertices, of which the tip has four neighbours and the others three.
fn mesh_loss() -> Case {
    const EDGES: [(usize, usize); 8] = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 4), (2, 4), (3, 4)];
    const VERTICES: usize = 5;
    let incidence = EDGES.iter().enumerate().flat_map(|(e, &(i, j))| [(e, i, -1.0), (e, j, 1.0)]).collect::<Vec<_>>();
    let degree = |v: usize| EDGES.iter().filter(|&&(i, j)| i == v || j == v).count() as f32;
    let mut laplacian: Vec<_> = (0..VERTICES).map(|v| (v, v, 1.0)).collect();
    laplacian.extend(EDGES.iter().flat_map(|&(i, j)| [(i, j, -1.0 / degree(i)), (j, i, -1.0 / degree(j))]));
    let matrix = |rows: usize, triplets: &[_]| {
        SpmmMatrix::new(Csr::from_triplets(rows, VERTICES, triplets).expect("inside")).expect("consistent")
    };
    let operators = MeshOperators { edges: matrix(EDGES.len(), &incidence), laplacian: matrix(VERTICES, &laplacian) };
    let n = 2;
    let vertices = |axes: usize| Operand::normal([n, VERTICES, axes]);
    let normals = || Operand::normal([n, EDGES.len(), 3]);
    Case::new(
        "mesh_loss",
        "square pyramid",
        [vertices(3), vertices(2), vertices(3), vertices(2), normals(), normals()],
        move |_, x| {
            let truth = MeshTruth { xyz: x[2], uv: x[3], normals_left: x[4], normals_right: x[5] };
            MeshLoss::new(x[0], x[1], &truth, &operators)?.total()
        },
        |x| scalar(reference::mesh_loss(&EDGES, [&x[0], &x[2]], [&x[1], &x[3]], [&x[4], &x[5]])),
    )
}
