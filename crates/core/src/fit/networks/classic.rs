//! AlexNet, VGG, SqueezeNet and GoogLeNet.

use super::net::{Net, Window, window};
use crate::graph::{Graph, GraphError, PoolKind, TensorId};

type NetworkResult = Result<Graph, GraphError>;

/// torchvision's.
pub(super) fn alexnet() -> NetworkResult {
    let (mut n, x) = Net::new("alexnet", [3, 224, 224]);
    let x = n.conv(x, 64, window(11, 4, 2), 1)?;
    let x = n.max_pool(x, window(3, 2, 0))?;
    let x = n.conv(x, 192, window(5, 1, 2), 1)?;
    let mut x = n.max_pool(x, window(3, 2, 0))?;
    for maps in [384, 256, 256] {
        x = n.conv(x, maps, window(3, 1, 1), 1)?;
    }
    let x = n.max_pool(x, window(3, 2, 0))?;
    head(n, x)
}

fn head(mut n: Net, x: TensorId) -> NetworkResult {
    let mut x = x;
    for name in ["fc6", "fc7"] {
        x = n.dense(name, x, 4096)?;
        x = n.relu(x)?;
    }
    let x = n.dense("fc8", x, 1000)?;
    n.output(x);
    n.finish()
}

/// Convolutions of 3x3 per block.
pub(super) fn vgg(blocks: [usize; 5]) -> NetworkResult {
    let (mut n, mut x) = Net::new("vgg", [3, 224, 224]);
    for (count, maps) in blocks.into_iter().zip([64, 128, 256, 512, 512]) {
        for _ in 0..count {
            x = n.conv(x, maps, window(3, 1, 1), 1)?;
        }
        x = n.max_pool(x, window(2, 2, 0))?;
    }
    head(n, x)
}

/// Version 1.0 or 1.1 of torchvision.
pub(super) fn squeezenet(small: bool) -> NetworkResult {
    let (mut n, x) = Net::new("squeezenet", [3, 224, 224]);
    let (first, pools): ((usize, Window), [usize; 2]) = if small {
        ((64, window(3, 2, 0)), [2, 4])
    } else {
        ((96, window(7, 2, 0)), [3, 7])
    };
    let x = n.conv(x, first.0, first.1, 1)?;
    let mut x = n.named_pool("pool1", x, PoolKind::Max, window(3, 2, 0), true)?;
    let squeezed = [16, 16, 32, 32, 48, 48, 64, 64];
    for (index, maps) in squeezed.into_iter().enumerate() {
        let s = n.conv(x, maps, window(1, 1, 0), 1)?;
        let a = n.conv(s, maps * 4, window(1, 1, 0), 1)?;
        let b = n.conv(s, maps * 4, window(3, 1, 1), 1)?;
        x = n.concat("fire", &[a, b])?;
        if pools.contains(&(index + 1)) {
            x = n.named_pool("pool", x, PoolKind::Max, window(3, 2, 0), true)?;
        }
    }
    let x = n.conv(x, 1000, window(1, 1, 0), 1)?;
    let x = n.global_pool(x)?;
    n.output(x);
    n.finish()
}

/// Maps of an inception block: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
const INCEPTION: [(&str, [usize; 6]); 9] = [
    ("3a", [64, 96, 128, 16, 32, 32]),
    ("3b", [128, 128, 192, 32, 96, 64]),
    ("4a", [192, 96, 208, 16, 48, 64]),
    ("4b", [160, 112, 224, 24, 64, 64]),
    ("4c", [128, 128, 256, 24, 64, 64]),
    ("4d", [112, 144, 288, 32, 64, 64]),
    ("4e", [256, 160, 320, 32, 128, 128]),
    ("5a", [256, 160, 320, 32, 128, 128]),
    ("5b", [384, 192, 384, 48, 128, 128]),
];

/// Caffe's, with its layer names: profiles name them.
pub(super) fn googlenet() -> NetworkResult {
    let (mut n, x) = Net::new("googlenet", [3, 224, 224]);
    let relu = |n: &mut Net, name: &str, x, maps, w| {
        let y = n.named_conv(name, x, maps, w, 1)?;
        n.relu(y)
    };
    let pool = |n: &mut Net, name: &str, x| n.named_pool(name, x, PoolKind::Max, window(3, 2, 0), true);
    let x = relu(&mut n, "conv1/7x7_s2", x, 64, window(7, 2, 3))?;
    let x = pool(&mut n, "pool1/3x3_s2", x)?;
    let x = n.lrn("pool1/norm1", x)?;
    let x = relu(&mut n, "conv2/3x3_reduce", x, 64, window(1, 1, 0))?;
    let x = relu(&mut n, "conv2/3x3", x, 192, window(3, 1, 1))?;
    let x = n.lrn("conv2/norm2", x)?;
    let mut x = pool(&mut n, "pool2/3x3_s2", x)?;
    for (block, maps) in INCEPTION {
        let name = |layer: &str| format!("inception_{block}/{layer}");
        let a = relu(&mut n, &name("1x1"), x, maps[0], window(1, 1, 0))?;
        let b = relu(&mut n, &name("3x3_reduce"), x, maps[1], window(1, 1, 0))?;
        let b = relu(&mut n, &name("3x3"), b, maps[2], window(3, 1, 1))?;
        let c = relu(&mut n, &name("5x5_reduce"), x, maps[3], window(1, 1, 0))?;
        let c = relu(&mut n, &name("5x5"), c, maps[4], window(5, 1, 2))?;
        let d = n.named_pool(&name("pool"), x, PoolKind::Max, window(3, 1, 1), false)?;
        let d = relu(&mut n, &name("pool_proj"), d, maps[5], window(1, 1, 0))?;
        x = n.concat(&name("output"), &[a, b, c, d])?;
        match block {
            "3b" => x = pool(&mut n, "pool3/3x3_s2", x)?,
            "4e" => x = pool(&mut n, "pool4/3x3_s2", x)?,
            _ => {}
        }
    }
    let x = n.named_pool("pool5/7x7_s1", x, PoolKind::Average, window(7, 1, 0), false)?;
    let x = n.dense("loss3/classifier", x, 1000)?;
    let x = n.softmax("prob", x)?;
    n.output(x);
    n.finish()
}
