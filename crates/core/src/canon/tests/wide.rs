//! Padding that no layer of a DLA takes as it stands, of convolutions, deconvolutions and alone.

use super::{Net, canonical, on_dla, operators};
use crate::graph::{Activation, Conv2d, DeconvNd, Op, Padding2d, PaddingNd, TensorId};

/// Enough multiplications for what the forms add to be a small part.
fn deep(n: &mut Net, x: TensorId) -> TensorId {
    (0..6).fold(x, |x, _| n.conv(x, 5, 1, 2))
}

#[test]
fn padding_as_wide_as_a_window_runs_on_a_dla() {
    for (kernel, padding, dilation, why) in [
        (3, [3, 3, 3, 3], 1, "as wide as the window"),
        (3, [5, 4, 3, 0], 1, "wider, and each side another"),
        (1, [1, 1, 1, 1], 1, "around a single weight"),
        (3, [4, 4, 4, 4], 4, "dilated windows"),
    ] {
        let mut n = Net::new();
        let x = n.x(&[2, 4, 10, 9]);
        let x = deep(&mut n, x);
        let w = n.noise(&[4, 4, kernel, kernel]);
        let [top, left, bottom, right] = padding;
        let conv = Conv2d {
            stride: [1; 2],
            padding: Padding2d {
                top,
                left,
                bottom,
                right,
            },
            dilation: [dilation; 2],
            groups: 1,
        };
        let y = n.op(Op::Conv2d(conv), &[x, w]);
        let after = canonical(&n.finish(&[y]), why);
        on_dla(&after, why);
    }
}

#[test]
fn padding_alone_runs_on_a_dla() {
    let mut n = Net::new();
    let x = n.x(&[1, 4, 8, 8]);
    let x = deep(&mut n, x);
    let x = n.pad(x, [1, 2, 3, 0], 0.0);
    let x = n.op(Op::Activation(Activation::Sigmoid), &[x]);
    let y = n.conv(x, 3, 1, 1);
    let after = canonical(&n.finish(&[y]), "before a sigmoid");
    on_dla(&after, "before a sigmoid");
}

/// A network of little else keeps its padding: a convolution for it would cost more than the network.
#[test]
fn padding_that_costs_too_much_stays() {
    let mut n = Net::new();
    let x = n.x(&[1, 4, 8, 8]);
    let x = n.pad(x, [9; 4], 0.0);
    let y = n.op(Op::Activation(Activation::Sigmoid), &[x]);
    let after = canonical(&n.finish(&[y]), "nothing else");
    assert_eq!(operators(&after), ["pad", "sigmoid"]);
}

#[test]
fn what_a_deconvolution_cuts_off_is_a_slice() {
    for (kernel, stride, padding, output_padding, bias, why) in [
        (4, 2, [1; 4], 0, true, "doubling"),
        (3, 2, [1; 4], 1, false, "with elements at the end"),
        (3, 1, [1; 4], 0, true, "of the same size"),
        (5, 3, [2, 1, 3, 0], 0, false, "each side another"),
    ] {
        let mut n = Net::new();
        let x = n.x(&[2, 3, 5, 4]);
        let x = n.conv(x, 3, 1, 1);
        let w = n.noise(&[3, 4, kernel, kernel]);
        let deconv = DeconvNd {
            stride: [stride; 2],
            padding: PaddingNd {
                before: [padding[0], padding[1]],
                after: [padding[2], padding[3]],
            },
            output_padding: [output_padding; 2],
            groups: 1,
        };
        let mut y = n.op(Op::Deconv2d(deconv), &[x, w]);
        if bias {
            let b = n.noise(&[4]);
            y = n.op(Op::BiasAdd { axis: 1 }, &[y, b]);
        }
        let after = canonical(&n.finish(&[y]), why);
        on_dla(&after, why);
        assert_eq!(operators(&after).last(), Some(&"strided_slice"), "{why}");
    }
}
