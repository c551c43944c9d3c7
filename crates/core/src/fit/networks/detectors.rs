//! MLPerf's larger detectors. Boxes are decoded outside.

use super::net::{Net, window};
use super::residual::{Residual, basic, stages};
use crate::graph::{Graph, GraphError};

/// SSD-ResNet34 at 1200x1200: the third stage keeps the resolution, there is no fourth, six maps are predicted from.
pub(super) fn ssd_resnet34() -> Result<Graph, GraphError> {
    let (mut n, x) = Net::new("ssd_resnet34", [3, 1200, 1200]);
    let x = n.conv(x, 64, window(7, 2, 3), 1)?;
    let mut x = n.max_pool(x, window(3, 2, 1))?;
    for (maps, count, stride) in [(64, 3, 1), (128, 4, 2), (256, 6, 1)] {
        for block in 0..count {
            x = basic(&mut n, x, maps, if block == 0 { stride } else { 1 })?;
        }
    }
    let mut maps = vec![(x, 3, 4)];
    let extra = [
        (256, 512, 2, 3, 6),
        (256, 512, 2, 2, 6),
        (128, 256, 2, 2, 6),
        (128, 256, 2, 2, 4),
        (128, 256, 1, 2, 4),
    ];
    for (inner, outer, stride, step, anchors) in extra {
        let y = n.conv(x, inner, window(1, 1, 0), 1)?;
        x = n.conv(y, outer, window(3, stride, 1), 1)?;
        maps.push((x, step, anchors));
    }
    for (x, step, anchors) in maps {
        let boxes = n.linear(x, anchors * 4, window(3, step, 1), 1)?;
        let classes = n.linear(x, anchors * 81, window(3, step, 1), 1)?;
        n.output(boxes);
        n.output(classes);
    }
    n.finish()
}

/// RetinaNet with ResNeXt-50 (32x4d) at 800x800: a feature pyramid of 256 maps, heads of four convolutions.
pub(super) fn retinanet() -> Result<Graph, GraphError> {
    let (mut n, x) = Net::new("retinanet", [3, 800, 800]);
    let backbone = Residual {
        blocks: [3, 4, 6, 3],
        bottleneck: Some(32),
        input: [800, 800],
    };
    let results = stages(&mut n, x, backbone)?;
    let mut levels = Vec::new();
    for x in &results[1..] {
        let y = n.linear(*x, 256, window(1, 1, 0), 1)?;
        levels.push(n.linear(y, 256, window(3, 1, 1), 1)?);
    }
    let p6 = n.linear(levels[2], 256, window(3, 2, 1), 1)?;
    levels.push(p6);
    levels.push(n.linear(p6, 256, window(3, 2, 1), 1)?);
    for level in levels {
        for maps in [9 * 264, 9 * 4] {
            let mut x = level;
            for _ in 0..4 {
                x = n.conv(x, 256, window(3, 1, 1), 1)?;
            }
            let y = n.linear(x, maps, window(3, 1, 1), 1)?;
            n.output(y);
        }
    }
    n.finish()
}
