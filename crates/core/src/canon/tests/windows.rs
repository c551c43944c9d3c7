//! Max poolings over windows larger than a DLA takes.

use std::collections::HashSet;

use super::{Net, canonicalise, on_dla, operators, pool};
use crate::graph::{Op, Padding2d, Pool2d, PoolKind};

/// Windows larger than the rule's, in every respect that a pooling has.
#[test]
fn large_windows_of_maxima_are_several_in_a_row() {
    let cases: [(Pool2d, [usize; 2], usize, &str); 8] = [
        (pool(PoolKind::Max, 13, 1, 6), [13, 13], 2, "as SPP has it"),
        (pool(PoolKind::Max, 9, 1, 4), [5, 6], 2, "larger than the map"),
        (
            pool(PoolKind::Max, 13, 1, 6),
            [1, 2],
            2,
            "nearly nothing but padding",
        ),
        (pool(PoolKind::Max, 16, 3, 5), [20, 23], 3, "strides"),
        (
            pool(PoolKind::Max, 30, 2, 29),
            [9, 9],
            5,
            "as much padding as there can be",
        ),
        (
            Pool2d {
                window: [3, 11],
                padding: Padding2d {
                    top: 0,
                    left: 9,
                    bottom: 2,
                    right: 1,
                },
                ..pool(PoolKind::Max, 1, 2, 0)
            },
            [9, 14],
            2,
            "one side, and padding that differs",
        ),
        (
            Pool2d {
                ceil_mode: true,
                ..pool(PoolKind::Max, 10, 4, 2)
            },
            [15, 16],
            2,
            "a last window that fits partly",
        ),
        (
            pool(PoolKind::Max, 8, 1, 7),
            [9, 9],
            1,
            "the largest that a DLA takes",
        ),
    ];
    for (pool, [height, width], layers, why) in cases {
        let mut net = Net::new();
        let x = net.x(&[1, 2, height, width]);
        let y = net.op(Op::Pool2d(pool), &[x]);
        let after = super::canonical(&net.finish(&[y]), why);
        assert_eq!(operators(&after), vec!["max_pool2d"; layers], "{why}");
        on_dla(&after, why);
    }
}

#[test]
fn padding_as_wide_as_a_window_stays() {
    let mut net = Net::new();
    let x = net.x(&[1, 2, 12, 12]);
    let y = net.op(Op::Pool2d(pool(PoolKind::Max, 9, 1, 9)), &[x]);
    let graph = canonicalise(net.finish(&[y]), &HashSet::new()).unwrap().graph;
    assert_eq!(operators(&graph), ["max_pool2d"]);
}
