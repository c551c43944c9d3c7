//! Which rule keeps the layers of the full operator list, one case per limit.

use crate::graph::*;
use crate::split::{Chip, DlaTarget, Precision, Verdict, Version, verdict};

fn answer(op: &Op, weight: &[usize], tensorrt: Version) -> String {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 4, 8, 8]);
    let mut operands = vec![x];
    if !weight.is_empty() {
        let count = weight.iter().product();
        operands.push(b.weight("w", weight, vec![0.1; count]));
    }
    let y = b.node("y", op.clone(), &operands).unwrap();
    b.output(y);
    let graph = b.finish().unwrap();
    let target = DlaTarget {
        chip: Chip::Orin,
        tensorrt,
        precision: Precision::Fp16,
    };
    match verdict(&graph, &graph.nodes[0], &target) {
        Verdict::Dla => "dla".into(),
        Verdict::Gpu(reason) => reason.to_string(),
    }
}

fn deconv(stride: usize, padding: usize, output_padding: usize, groups: usize) -> Op {
    Op::Deconv2d(DeconvNd {
        stride: [stride; 2],
        padding: PaddingNd::uniform(padding),
        output_padding: [output_padding; 2],
        groups,
    })
}

fn resize(output: [usize; 2], mode: ResizeMode, coordinates: Coordinates) -> Op {
    Op::Resize2d(Resize2d {
        output,
        mode,
        coordinates,
    })
}

fn slice(axis: usize, step: usize) -> Op {
    Op::Slice {
        ranges: vec![Range {
            axis,
            start: 0,
            len: 2,
            step,
        }],
    }
}

#[test]
fn layers_of_the_full_operator_list_get_the_rule_that_keeps_them() {
    use Coordinates::{AlignCorners, Asymmetric, HalfPixel};
    use ResizeMode::{Linear, Nearest};
    let (old, new) = (Version(8, 5, 2), Version(10, 3, 0));
    let floor = Nearest(Rounding::Floor);
    let reduce = |kind| Op::Reduce {
        kind,
        axes: vec![2, 3],
        keepdims: true,
    };
    let cases: Vec<(Op, &[usize], Version, &str, &str)> = vec![
        (deconv(2, 0, 0, 1), &[4, 3, 2, 2], old, "dla", "upsampling"),
        (deconv(2, 1, 0, 1), &[4, 3, 4, 4], old, "deconv.pad", "padding"),
        (
            deconv(2, 0, 0, 4),
            &[4, 1, 2, 2],
            old,
            "deconv.groups",
            "depthwise",
        ),
        (
            deconv(2, 0, 1, 1),
            &[4, 3, 2, 2],
            old,
            "padding",
            "output padding is a layer",
        ),
        (
            deconv(1, 0, 0, 1),
            &[4, 3, 33, 1],
            old,
            "deconv.kernel",
            "one past the limit",
        ),
        (resize([16, 16], floor, Asymmetric), &[], old, "dla", "doubling"),
        (
            resize([16, 24], floor, Asymmetric),
            &[],
            old,
            "resize.scales",
            "unequal scales",
        ),
        (
            resize([12, 12], floor, Asymmetric),
            &[],
            old,
            "resize.scales",
            "no whole scale",
        ),
        (
            resize([16, 16], floor, HalfPixel),
            &[],
            old,
            "resize.84",
            "an undocumented mode",
        ),
        (resize([16, 16], Linear, HalfPixel), &[], old, "dla", "bilinear"),
        (
            resize([40, 40], Linear, HalfPixel),
            &[],
            old,
            "resize.scales",
            "5 is past 4",
        ),
        (
            resize([16, 16], Linear, AlignCorners),
            &[],
            old,
            "resize.84",
            "corners",
        ),
        (slice(1, 1), &[], old, "dla", "channels"),
        (slice(1, 2), &[], old, "slice", "a stride"),
        (Op::Unary(UnaryKind::Abs), &[], old, "dla", "absolute value"),
        (Op::Unary(UnaryKind::Sin), &[], old, "unary.abs", "sine is newer"),
        (Op::Unary(UnaryKind::Sin), &[], new, "dla", "from 8.6.12 on"),
        (Op::Unary(UnaryKind::Exp), &[], new, "unary.more", "never"),
        (reduce(ReduceKind::Max), &[], old, "dla", "global maximum"),
        (reduce(ReduceKind::Sum), &[], old, "[reduce", "sums stay"),
        (
            Op::Binary(BinaryKind::Div),
            &[4, 8, 8],
            old,
            "ew.kinds.82",
            "no division",
        ),
    ];
    for (op, weight, tensorrt, want, why) in cases {
        let got = answer(&op, weight, tensorrt);
        assert!(got.contains(want), "{why}: {got}");
        assert_eq!(got == "dla", want == "dla", "{why}: {got}");
    }
}
