//! What a deconvolution cuts off its result is a slice behind it: no DLA has padding in a deconvolution (rule
//! `deconv.pad`), and every one since TensorRT 8.4 slices. Other devices get one layer again (`lower`).

use super::Edit;
use crate::graph::{DeconvNd, Op, PaddingNd, Range};

/// A deconvolution, with the bias behind it, computes the whole result, of which a part is taken.
pub(super) fn deconvolution(edit: &mut Edit, node: usize) -> bool {
    let Op::Deconv2d(deconv) = edit.op(node) else {
        return false;
    };
    let cut = deconv.padding.pairs();
    let beyond = (0..2).any(|i| deconv.output_padding[i] > cut[i][1]);
    if cut.iter().flatten().all(|width| *width == 0) || beyond || deconv.groups != 1 {
        return false;
    }
    let whole = DeconvNd {
        padding: PaddingNd::uniform(0),
        output_padding: [0; 2],
        ..deconv.clone()
    };
    let inputs = edit.node(node).inputs.clone();
    let output = edit.node(node).output;
    let bias = edit
        .only_reader(output)
        .filter(|reader| !edit.is_ranged(output) && *edit.op(*reader) == Op::BiasAdd { axis: 1 });
    let mut map = edit.add(node, Op::Deconv2d(whole), &inputs);
    if let Some(bias) = bias {
        let weights = edit.node(bias).inputs[1];
        map = edit.add(bias, Op::BiasAdd { axis: 1 }, &[map, weights]);
    }
    let last = bias.unwrap_or(node);
    let output = edit.shape(edit.node(last).output);
    let ranges = (0..2).map(|i| Range {
        axis: 2 + i,
        start: cut[i][0],
        len: output[2 + i],
        step: 1,
    });
    let ranges = ranges.collect();
    edit.set(last, Op::Slice { ranges }, &[map]);
    true
}
