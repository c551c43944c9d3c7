//! MobileNet V1 and V2, MnasNet, and SSD-MobileNet.

use super::net::{Net, window};
use crate::graph::{Graph, GraphError, TensorId};

type Made = Result<TensorId, GraphError>;

fn classify(mut n: Net, x: TensorId) -> Result<Graph, GraphError> {
    let x = n.global_pool(x)?;
    let x = n.dense("fc", x, 1000)?;
    n.output(x);
    n.finish()
}

/// Howard et al. 2017, width 1: the results of the 13 pairs.
fn pairs(n: &mut Net, x: TensorId) -> Result<Vec<TensorId>, GraphError> {
    let mut x = n.conv(x, 32, window(3, 2, 1), 1)?;
    let mut results = Vec::new();
    let maps = [64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024];
    for (index, maps) in maps.into_iter().enumerate() {
        let stride = if [1, 3, 5, 11].contains(&index) { 2 } else { 1 };
        let channels = n.channels(x);
        let y = n.conv(x, channels, window(3, stride, 1), channels)?;
        x = n.conv(y, maps, window(1, 1, 0), 1)?;
        results.push(x);
    }
    Ok(results)
}

pub(super) fn mobilenet_v1() -> Result<Graph, GraphError> {
    let (mut n, x) = Net::new("mobilenet_v1", [3, 224, 224]);
    let results = pairs(&mut n, x)?;
    let x = *results.last().unwrap_or(&x);
    let x = n.global_pool(x)?;
    let x = n.dense("fc", x, 1000)?;
    let x = n.softmax("prob", x)?;
    n.output(x);
    n.finish()
}

/// MLPerf's, 300x300: predictors of 1x1 on six maps. Boxes are decoded outside.
pub(super) fn ssd_mobilenet() -> Result<Graph, GraphError> {
    let (mut n, x) = Net::new("ssd_mobilenet", [3, 300, 300]);
    let results = pairs(&mut n, x)?;
    let mut maps = vec![(results[10], 3), (results[12], 6)];
    let mut x = results[12];
    for (inner, outer) in [(256, 512), (128, 256), (128, 256), (64, 128)] {
        let y = n.conv(x, inner, window(1, 1, 0), 1)?;
        x = n.conv(y, outer, window(3, 2, 1), 1)?;
        maps.push((x, 6));
    }
    for (x, anchors) in maps {
        let boxes = n.linear(x, anchors * 4, window(1, 1, 0), 1)?;
        let classes = n.linear(x, anchors * 91, window(1, 1, 0), 1)?;
        n.output(boxes);
        n.output(classes);
    }
    n.finish()
}

/// One inverted bottleneck; `first` leaves the expansion out.
fn inverted(n: &mut Net, x: TensorId, expand: usize, maps: usize, side: usize, stride: usize) -> Made {
    let channels = n.channels(x);
    let inner = channels * expand;
    let y = match expand {
        1 => x,
        _ => n.conv(x, inner, window(1, 1, 0), 1)?,
    };
    let y = n.conv(y, inner, window(side, stride, side / 2), inner)?;
    let y = n.linear(y, maps, window(1, 1, 0), 1)?;
    if stride == 1 && channels == maps {
        n.add(y, x)
    } else {
        Ok(y)
    }
}

/// Sandler et al. 2018.
pub(super) fn mobilenet_v2() -> Result<Graph, GraphError> {
    let (mut n, x) = Net::new("mobilenet_v2", [3, 224, 224]);
    let mut x = n.conv(x, 32, window(3, 2, 1), 1)?;
    let rows = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ];
    for (expand, maps, count, stride) in rows {
        for block in 0..count {
            x = inverted(&mut n, x, expand, maps, 3, if block == 0 { stride } else { 1 })?;
        }
    }
    let x = n.conv(x, 1280, window(1, 1, 0), 1)?;
    classify(n, x)
}

/// torchvision's MnasNet at a width in quarters.
pub(super) fn mnasnet(width: f64) -> Result<Graph, GraphError> {
    let (mut n, x) = Net::new("mnasnet", [3, 224, 224]);
    let scaled = |maps: usize| {
        let exact = maps as f64 * width;
        let rounded = ((exact / 8.0 + 0.5).floor() * 8.0).max(8.0);
        if rounded < 0.9 * exact {
            rounded as usize + 8
        } else {
            rounded as usize
        }
    };
    let x = n.conv(x, scaled(32), window(3, 2, 1), 1)?;
    let x = n.conv(x, scaled(32), window(3, 1, 1), scaled(32))?;
    let mut x = n.linear(x, scaled(16), window(1, 1, 0), 1)?;
    let rows = [
        (3, 24, 3, 3, 2),
        (3, 40, 3, 5, 2),
        (6, 80, 3, 5, 2),
        (6, 96, 2, 3, 1),
        (6, 192, 4, 5, 2),
        (6, 320, 1, 3, 1),
    ];
    for (expand, maps, count, side, stride) in rows {
        for block in 0..count {
            x = inverted(
                &mut n,
                x,
                expand,
                scaled(maps),
                side,
                if block == 0 { stride } else { 1 },
            )?;
        }
    }
    let x = n.conv(x, 1280, window(1, 1, 0), 1)?;
    classify(n, x)
}
