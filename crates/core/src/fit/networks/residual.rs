//! ResNet, ResNeXt and DenseNet, as in torchvision; MLPerf's ResNet-50 v1.5 is the same.

use super::net::{Net, window};
use crate::graph::{Graph, GraphError, PoolKind, TensorId};

type Made = Result<TensorId, GraphError>;

/// How a residual network is built.
#[derive(Clone, Copy)]
pub(super) struct Residual {
    pub blocks: [usize; 4],
    /// Three convolutions per block instead of two, with this many groups in the middle.
    pub bottleneck: Option<usize>,
    pub input: [usize; 2],
}

pub(super) fn resnet(shape: Residual) -> Result<Graph, GraphError> {
    let [high, wide] = shape.input;
    let (mut n, x) = Net::new("resnet", [3, high, wide]);
    let x = *stages(&mut n, x, shape)?.last().unwrap_or(&x);
    let x = n.global_pool(x)?;
    let x = n.dense("fc", x, 1000)?;
    n.output(x);
    n.finish()
}

/// The results of the four stages.
pub(super) fn stages(n: &mut Net, x: TensorId, shape: Residual) -> Result<Vec<TensorId>, GraphError> {
    let x = n.conv(x, 64, window(7, 2, 3), 1)?;
    let mut x = n.max_pool(x, window(3, 2, 1))?;
    let mut results = Vec::new();
    for (stage, count) in shape.blocks.into_iter().enumerate() {
        for block in 0..count {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = match shape.bottleneck {
                Some(groups) => bottleneck(n, x, 64 << stage, stride, groups)?,
                None => basic(n, x, 64 << stage, stride)?,
            };
        }
        results.push(x);
    }
    Ok(results)
}

/// Two convolutions of 3x3.
pub(super) fn basic(n: &mut Net, x: TensorId, maps: usize, stride: usize) -> Made {
    let shortcut = shortcut(n, x, maps, stride)?;
    let y = n.conv(x, maps, window(3, stride, 1), 1)?;
    let y = n.linear(y, maps, window(3, 1, 1), 1)?;
    let y = n.add(y, shortcut)?;
    n.relu(y)
}

fn bottleneck(n: &mut Net, x: TensorId, maps: usize, stride: usize, groups: usize) -> Made {
    let shortcut = shortcut(n, x, maps * 4, stride)?;
    let inner = if groups > 1 { maps * 2 } else { maps };
    let y = n.conv(x, inner, window(1, 1, 0), 1)?;
    let y = n.conv(y, inner, window(3, stride, 1), groups)?;
    let y = n.linear(y, maps * 4, window(1, 1, 0), 1)?;
    let y = n.add(y, shortcut)?;
    n.relu(y)
}

fn shortcut(n: &mut Net, x: TensorId, maps: usize, stride: usize) -> Made {
    if n.channels(x) == maps && stride == 1 {
        Ok(x)
    } else {
        n.linear(x, maps, window(1, stride, 0), 1)
    }
}

/// `growth` maps per layer; the first convolution gives `first`.
pub(super) fn densenet(blocks: [usize; 4], growth: usize, first: usize) -> Result<Graph, GraphError> {
    let (mut n, x) = Net::new("densenet", [3, 224, 224]);
    let x = n.conv(x, first, window(7, 2, 3), 1)?;
    let mut x = n.max_pool(x, window(3, 2, 1))?;
    for (index, layers) in blocks.into_iter().enumerate() {
        let mut parts = vec![x];
        for _ in 0..layers {
            let joined = match parts.len() {
                1 => parts[0],
                _ => n.concat("joined", &parts)?,
            };
            let y = normalised(&mut n, joined)?;
            let y = n.linear(y, growth * 4, window(1, 1, 0), 1)?;
            let y = normalised(&mut n, y)?;
            parts.push(n.linear(y, growth, window(3, 1, 1), 1)?);
        }
        let joined = n.concat("joined", &parts)?;
        x = normalised(&mut n, joined)?;
        if index < 3 {
            let half = n.channels(x) / 2;
            let y = n.linear(x, half, window(1, 1, 0), 1)?;
            x = n.named_pool("transition", y, PoolKind::Average, window(2, 2, 0), false)?;
        }
    }
    let x = n.global_pool(x)?;
    let x = n.dense("fc", x, 1000)?;
    n.output(x);
    n.finish()
}

fn normalised(n: &mut Net, x: TensorId) -> Made {
    let x = n.batch_norm(x)?;
    n.relu(x)
}
