//! Elements chosen, added up and put in order by indices that the device holds; copies and running sums along axes.

use knuckle::graph::TensorData;
use knuckle::ops::{CumulativeSum, SortOrder};
use knuckle::rng::Rng;
use knuckle::{Recorder, Result, Var};

use crate::case::{Case, Fill, Operand};
use crate::reference::indexing as reference;
use crate::reference::indexing::Index;
use crate::reference::{Tensor, graph, layout};

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (dims, axis, own) in INDEXED {
        // Some indices out of range; then few places, so that many meet in one.
        for (kind, below) in [("some out of range", dims[axis] + 2), ("few", dims[axis].div_ceil(3))] {
            cases.push(gather(dims, axis, index(own, below), kind));
        }
        let mut rows = dims.to_vec();
        rows[axis] = own[axis];
        for (kind, extent, below) in
            [("some out of range", 5, 7), ("one place", 1, 1), ("sparse", 2 * own[axis] + 3, own[axis] + 1)]
        {
            cases.push(scatter_add(&rows, axis, index(own, below), extent, kind));
        }
    }
    // Longer lines are sorted first: one merge, two, of a length off every block.
    for (rows, own, extent) in [
        (&[65, 4][..], &[65, 1][..], 9),
        (&[2, 130, 3], &[2, 130, 1], 70),
        (&[2, 97, 4], &[1, 97, 1], 30),
        (&[1, 600, 2], &[1, 600, 2], 11),
        (&[3, 128], &[3, 128], 300),
    ] {
        let axis = usize::from(rows.len() == 3 || own.len() == 2 && own[1] == 128);
        cases.push(scatter_add(rows, axis, index(own, extent + 3), extent, "sorted"));
        cases.push(scatter_add(rows, axis, index(own, 1), extent, "all in one place"));
    }
    for (dims, repeats) in TILES {
        cases.push(Case::new(
            "tile",
            format!("{repeats:?}"),
            [Operand::normal(dims)],
            move |_, x| x[0].tile(repeats),
            move |x| reference::tile(&x[0], repeats),
        ));
    }
    for (dims, axis, times) in
        [(&[1][..], 0, 1), (&[5], 0, 3), (&[2, 3, 4], 1, 2), (&[2, 3, 5], 2, 7), (&[3, 2, 2, 4], 0, 2)]
    {
        cases.push(Case::new(
            "repeat",
            format!("axis {axis}, {times} times"),
            [Operand::normal(dims)],
            move |_, x| x[0].repeat(axis, times),
            move |x| reference::repeat(&x[0], axis, times),
        ));
    }
    for (dims, axis, sizes) in SPLITS {
        cases.push(Case::new(
            "split",
            format!("axis {axis}, {sizes:?}, last first"),
            [Operand::normal(dims)],
            move |r, x| {
                let mut parts = x[0].split(axis, sizes)?;
                parts.reverse();
                r.concat(&parts, axis)
            },
            move |x| {
                let ends = sizes.iter().scan(0, |end, size| {
                    *end += size;
                    Some((*end, *size))
                });
                let mut parts: Vec<_> = ends.map(|(end, size)| layout::slice(&x[0], axis, end - size, size)).collect();
                parts.reverse();
                layout::concat(&parts, axis)
            },
        ));
    }
    cases.extend(sums());
    cases.extend(sorts());
    cases.extend(second_gradients());
    cases
}

/// Shape, axis, and the shape of the index tensor.
const INDEXED: [(&[usize], usize, &[usize]); 20] = [
    (&[1], 0, &[1]),
    (&[7], 0, &[12]),
    (&[5, 3], 0, &[4, 3]),
    (&[5, 3], 0, &[4, 1]),
    (&[5, 8], 0, &[9, 1]),
    (&[5, 8], 0, &[9, 8]),
    (&[5, 3], 1, &[5, 2]),
    (&[5, 3], 1, &[1, 7]),
    (&[2, 6, 4], 1, &[2, 3, 1]),
    (&[2, 6, 4], 1, &[1, 3, 1]),
    (&[3, 6, 5], 1, &[3, 6, 5]),
    (&[3, 6, 5], 1, &[1, 6, 5]),
    (&[3, 4, 6], 2, &[3, 1, 2]),
    (&[3, 4, 6], 2, &[1, 4, 2]),
    (&[2, 3, 4, 8], 1, &[2, 5, 4, 1]),
    (&[2, 3, 2, 3, 4], 2, &[2, 1, 5, 1, 4]),
    (&[2, 3, 2, 5], 3, &[2, 1, 2, 4]),
    (&[3, 2, 3, 2], 0, &[4, 2, 1, 2]),
    (&[4, 3, 8], 0, &[6, 3, 1]),
    (&[1, 1, 1], 1, &[1, 1, 1]),
];

const TILES: [(&[usize], &[usize]); 10] = [
    (&[1], &[1]),
    (&[1], &[6]),
    (&[5], &[3]),
    (&[2, 3], &[2, 2]),
    (&[2, 4], &[1, 3]),
    (&[3, 4], &[4, 1]),
    (&[1, 21, 5], &[3, 1, 1]),
    (&[2, 3, 4], &[2, 3, 2]),
    (&[2, 1, 1, 8], &[1, 4, 4, 1]),
    (&[1, 2, 3, 5], &[2, 1, 2, 3]),
];

const SPLITS: [(&[usize], usize, &[usize]); 6] = [
    (&[1], 0, &[1]),
    (&[6], 0, &[1, 3, 2]),
    (&[4, 6], 1, &[2, 2, 2]),
    (&[2, 3, 12], 2, &[4, 8]),
    (&[2, 5, 3], 1, &[1, 1, 1, 1, 1]),
    (&[3, 2, 2, 7], 0, &[2, 1]),
];

/// Elements whose sums are rounded; those of normal ones, all multiples of 2⁻¹⁶, are exact.
const UNEVEN: Fill = Fill::Uniform(-2.0, 2.0);

/// Indices from 0 to below `below`.
fn index(dims: &[usize], below: usize) -> Index {
    let mut rng = Rng::new(23, (dims.iter().fold(7, |h, n| h * 31 + n) * 64 + below) as u64);
    let count = dims.iter().product();
    Index { dims: dims.to_vec(), data: (0..count).map(|_| rng.below(below) as u32).collect() }
}

/// The indices as a tensor on the device: kernels know no more of them than of computed ones.
fn on_device<'r>(r: &'r Recorder, index: &Index) -> Var<'r> {
    r.constant_data(TensorData::u32(index.dims.as_slice(), &index.data).expect("as many as its shape says"))
}

fn gather(dims: &[usize], axis: usize, index: Index, kind: &str) -> Case {
    let again = index.clone();
    Case::new(
        "gather",
        format!("axis {axis}, index {:?}, {kind}", index.dims),
        [Operand::filled(dims, UNEVEN)],
        move |r, x| x[0].gather(axis, on_device(r, &index)),
        move |x| reference::gather(&x[0], axis, &again),
    )
}

fn scatter_add(dims: &[usize], axis: usize, index: Index, extent: usize, kind: &str) -> Case {
    let again = index.clone();
    Case::new(
        "scatter_add",
        format!("axis {axis} to {extent}, index {:?}, {kind}", index.dims),
        [Operand::filled(dims, UNEVEN)],
        move |r, x| x[0].scatter_add(axis, on_device(r, &index), extent),
        move |x| reference::scatter_add(&x[0], axis, &again, extent),
    )
}

/// Running sums: one chunk, several, chunks of chunks.
fn sums() -> Vec<Case> {
    let table: [(&[usize], usize); 9] = [
        (&[1], 0),
        (&[7], 0),
        (&[64], 0),
        (&[65], 0),
        (&[3, 5], 1),
        (&[3, 5], 0),
        (&[2, 130, 3], 1),
        (&[2, 3, 4, 8], 2),
        (&[4200], 0),
    ];
    let mut cases = Vec::new();
    for (dims, axis) in table {
        for (exclusive, reverse) in [(false, false), (true, false), (false, true), (true, true)] {
            let sum = CumulativeSum { exclusive, reverse };
            cases.push(Case::new(
                "cumulative_sum",
                format!("axis {axis}, exclusive {exclusive}, reverse {reverse}"),
                [Operand::filled(dims, UNEVEN)],
                move |_, x| x[0].cumulative_sum(axis, sum),
                move |x| reference::cumulative_sum(&x[0], axis, exclusive, reverse),
            ));
        }
    }
    cases
}

/// What is looked at of a sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Values,
    Places,
}

fn sorts() -> Vec<Case> {
    // Blocks of 32: less than one, one, one merge of a few, of all, two merges.
    let table: [(&[usize], usize); 12] = [
        (&[1], 0),
        (&[2], 0),
        (&[31], 0),
        (&[33], 0),
        (&[128], 0),
        (&[129], 0),
        (&[5, 3], 0),
        (&[5, 3], 1),
        (&[2, 70, 3], 1),
        (&[3, 40, 4], 1),
        (&[2, 3, 9, 2], 2),
        (&[600], 0),
    ];
    let mut cases = Vec::new();
    for (dims, axis) in table {
        for order in [SortOrder::Ascending, SortOrder::Descending] {
            let descending = order == SortOrder::Descending;
            for (fill, part) in
                [(Fill::Distinct, Part::Values), (Fill::Whole(9), Part::Values), (Fill::Whole(9), Part::Places)]
            {
                let case = Case::new(
                    if part == Part::Places { "arg_sort" } else { "sort" },
                    format!("axis {axis}, {order:?}, {fill:?}"),
                    [Operand::filled(dims, fill)],
                    move |_, x| match part {
                        Part::Values => Ok(x[0].sort(axis, order)?.values),
                        Part::Places => x[0].arg_sort(axis, order),
                    },
                    move |x| {
                        let places = reference::arg_sort(&x[0], axis, descending);
                        match part {
                            Part::Values => reference::gather(&x[0], axis, &places),
                            Part::Places => reference::numbers(&places),
                        }
                    },
                );
                // Moving one of equals changes the order.
                let smooth = matches!(fill, Fill::Distinct) && part == Part::Values;
                cases.push(if smooth { case } else { case.forward_only() });
            }
        }
        for k in [1, dims[axis].div_ceil(2), dims[axis]] {
            for (fill, part) in [(Fill::Distinct, Part::Values), (Fill::Whole(9), Part::Places)] {
                let case = Case::new(
                    "top_k",
                    format!("{k} along axis {axis}, {part:?}"),
                    [Operand::filled(dims, fill)],
                    move |_, x| {
                        let top = x[0].top_k(axis, k)?;
                        Ok(if part == Part::Values { top.values } else { top.places })
                    },
                    move |x| {
                        let places = reference::first(&reference::arg_sort(&x[0], axis, true), axis, k);
                        match part {
                            Part::Values => reference::gather(&x[0], axis, &places),
                            Part::Places => reference::numbers(&places),
                        }
                    },
                );
                let known = cases.iter().any(|other: &Case| other.name() == case.name());
                if !known {
                    cases.push(if part == Part::Values { case } else { case.forward_only() });
                }
            }
        }
    }
    // Rows by a key each, of which many are equal.
    let keyed: [(&[usize], usize, &[usize]); 6] = [
        (&[5], 0, &[5]),
        (&[6, 4], 0, &[6, 1]),
        (&[2, 9, 3], 1, &[2, 9, 1]),
        (&[2, 9, 3], 1, &[1, 9, 1]),
        (&[2, 70, 8], 1, &[2, 70, 1]),
        (&[3, 4, 6], 2, &[3, 1, 6]),
    ];
    for (dims, axis, own) in keyed {
        let keys = index(own, 5);
        let places = reference::arg_sort(&reference::numbers(&keys), axis, true);
        cases.push(Case::new(
            "sort_by_key",
            format!("axis {axis}, keys {own:?}"),
            [Operand::normal(dims)],
            move |r, x| Ok(x[0].sort_by_key(on_device(r, &keys), axis, SortOrder::Descending)?.values),
            move |x| reference::gather(&x[0], axis, &places),
        ));
    }
    cases
}

/// The gradient of `Σ y²` with respect to x as a function of x, so that its own gradient is checked too: for operators
/// that are linear in x it is twice the adjoint of the operator's result.
fn second_gradients() -> Vec<Case> {
    type Linear = for<'r> fn(Var<'r>, Var<'r>) -> Result<Var<'r>>;
    fn case(
        op: &'static str,
        dims: &'static [usize],
        own: &'static [usize],
        apply: Linear,
        twice: impl Fn(&Tensor, &Index) -> Tensor + Send + Sync + 'static,
    ) -> Case {
        let chosen = index(own, 7);
        let again = chosen.clone();
        Case::new(
            op,
            format!("gradient of the sum of squares, index {own:?}"),
            [Operand::normal(dims)],
            move |r, x| {
                let y = apply(x[0], on_device(r, &chosen))?;
                let gradients = y.mul(y)?.sum_all()?.backward_to(&[x[0]])?;
                gradients.of(x[0]).ok_or_else(|| knuckle::Error::invalid("gradient", "one", "none"))
            },
            move |x| twice(&x[0], &again).map(|v| 2.0 * v),
        )
    }
    vec![
        case(
            "gather",
            &[2, 5, 4],
            &[2, 9, 1],
            |x, index| x.gather(1, index),
            |x, index| reference::scatter_add(&reference::gather(x, 1, index), 1, index, 5),
        ),
        case(
            "scatter_add",
            &[2, 9, 4],
            &[2, 9, 1],
            |x, index| x.scatter_add(1, index, 6),
            |x, index| reference::gather(&reference::scatter_add(x, 1, index, 6), 1, index),
        ),
        case("tile", &[2, 3], &[1], |x, _| x.tile(&[2, 3]), |x, _| x.map(|v| 6.0 * v)),
        case(
            "cumulative_sum",
            &[70],
            &[1],
            |x, _| x.cumulative_sum(0, CumulativeSum::default()),
            |x, _| reference::cumulative_sum(&reference::cumulative_sum(x, 0, false, false), 0, false, true),
        ),
        case("repeat", &[4, 3], &[1], |x, _| x.repeat(0, 5), |x, _| x.map(|v| 5.0 * v)),
        case("sort", &[2, 40], &[1], |x, _| Ok(x.sort(1, SortOrder::Ascending)?.values), |x, _| x.clone()),
        case(
            "scatter_rows",
            &[2, 4, 3],
            &[1],
            |x, _| x.scatter_rows(&[1, 0, 1, 1], 3),
            |x, _| graph::gather_rows(&graph::scatter_rows(x, &[1, 0, 1, 1], 3), &[1, 0, 1, 1]),
        ),
        case(
            "split",
            &[5, 2],
            &[1],
            |x, _| Ok(x.split(0, &[2, 3])?[1]),
            |x, _| Tensor::from_fn(&x.dims, |i| if i[0] < 2 { 0.0 } else { x.at(i) }),
        ),
    ]
}
