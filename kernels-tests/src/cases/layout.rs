//! Operators that only move elements.

use knuckle::DType;
use knuckle::ops::{Pad2d, PadMode};

use crate::case::{Case, Operand};
use crate::reference::layout as reference;

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let concats: [(&[&[usize]], usize); 7] = [
        (&[&[3]], 0),
        (&[&[1], &[2]], 0),
        (&[&[2, 3], &[2, 5]], 1),
        (&[&[2, 3], &[1, 3], &[4, 3]], 0),
        (&[&[1, 4, 4, 8], &[1, 4, 4, 4], &[1, 4, 4, 20]], 3),
        (&[&[2, 3, 5, 21], &[2, 3, 5, 3]], 3),
        (&[&[2, 1, 4], &[2, 3, 4], &[2, 2, 4]], 1),
    ];
    for (parts, axis) in concats {
        let operands: Vec<Operand> = parts.iter().map(|&dims| Operand::normal(dims)).collect();
        cases.push(Case::new(
            "concat",
            format!("axis {axis}"),
            operands,
            move |r, x| r.concat(x, axis),
            move |x| reference::concat(x, axis),
        ));
    }
    // To f16 and back.
    for dims in [&[1][..], &[3], &[5, 7], &[2, 3, 8], &[1, 4, 4, 21]] {
        let operands = [Operand::normal(dims)];
        cases.push(Case::new("cast", "", operands, |_, x| x[0].cast(DType::F32), |x| x[0].clone()).half());
    }
    let slices: [(&[usize], usize, usize, usize); 8] = [
        (&[1], 0, 0, 1),
        (&[7], 0, 2, 3),
        (&[3, 5], 1, 4, 1),
        (&[3, 5], 0, 1, 2),
        (&[2, 3, 16], 2, 4, 8),
        (&[2, 3, 16], 2, 3, 8),
        (&[2, 6, 4], 1, 5, 1),
        (&[2, 5, 7, 21], 3, 0, 20),
    ];
    for (dims, axis, first, len) in slices {
        cases.push(Case::new(
            "slice",
            format!("axis {axis}, {len} from {first}"),
            [Operand::normal(dims)],
            move |_, x| x[0].slice(axis, first, len),
            move |x| reference::slice(&x[0], axis, first, len),
        ));
    }
    let permutations: [(&[usize], &[usize]); 7] = [
        (&[5], &[0]),
        (&[3, 7], &[1, 0]),
        (&[4, 8], &[1, 0]),
        (&[2, 3, 4, 5], &[0, 3, 1, 2]),
        (&[2, 3, 4, 8], &[0, 2, 1, 3]),
        (&[1, 6, 1, 4], &[3, 2, 1, 0]),
        (&[2, 3, 1, 2, 3, 2], &[5, 0, 3, 2, 4, 1]),
    ];
    for (dims, order) in permutations {
        cases.push(Case::new(
            "permute",
            format!("{order:?}"),
            [Operand::normal(dims)],
            move |_, x| x[0].permute(order),
            move |x| reference::permute(&x[0], order),
        ));
    }
    let reshapes: [(&[usize], &[usize]); 3] = [(&[2, 6], &[3, 4]), (&[1], &[1, 1, 1]), (&[2, 3, 5], &[30])];
    for (from, to) in reshapes {
        cases.push(Case::new(
            "reshape",
            format!("to {to:?}"),
            [Operand::normal(from)],
            move |_, x| x[0].reshape(to),
            move |x| reference::reshape(&x[0], to),
        ));
    }
    let broadcasts: [(&[usize], &[usize]); 4] =
        [(&[1], &[5]), (&[3, 1], &[3, 7]), (&[5], &[2, 3, 5]), (&[2, 1, 1, 3], &[2, 4, 6, 3])];
    for (from, to) in broadcasts {
        cases.push(Case::new(
            "broadcast",
            format!("to {to:?}"),
            [Operand::normal(from)],
            move |_, x| x[0].broadcast(to),
            move |x| reference::broadcast(&x[0], to),
        ));
    }
    cases.extend(pads());
    cases
}

/// The place along an axis of an extent that a place is filled from.
type Source = fn(i64, i64) -> Option<i64>;

fn pads() -> Vec<Case> {
    let modes: [(PadMode, Source); 3] = [
        (PadMode::Zero, |i, n| (0..n).contains(&i).then_some(i)),
        (PadMode::Reflect, |i, n| Some(if i < 0 { -i } else { i.min(2 * (n - 1) - i) })),
        (PadMode::Replicate, |i, n| Some(i.clamp(0, n - 1))),
    ];
    let images: [[usize; 4]; 6] = [[1, 1, 1, 1], [1, 4, 5, 4], [2, 3, 2, 3], [1, 5, 1, 8], [2, 1, 6, 1], [1, 7, 7, 20]];
    let amounts: [[usize; 4]; 7] =
        [[0, 0, 0, 0], [1, 1, 1, 1], [2, 0, 0, 1], [0, 1, 3, 2], [2, 2, 1, 4], [3, 1, 0, 0], [6, 6, 6, 6]];
    let mut cases = Vec::new();
    for (mode, source) in modes {
        for image in images {
            for [top, bottom, left, right] in amounts {
                let mirrored = mode != PadMode::Reflect || top.max(bottom) < image[1] && left.max(right) < image[2];
                if !mirrored {
                    continue;
                }
                cases.push(Case::new(
                    "pad2d",
                    format!("{mode:?}, top {top}, bottom {bottom}, left {left}, right {right}"),
                    [Operand::normal(image)],
                    move |_, x| x[0].pad2d(Pad2d { top, bottom, left, right, mode }),
                    move |x| reference::pad2d(&x[0], [top, bottom, left, right], source),
                ));
            }
        }
    }
    cases
}
