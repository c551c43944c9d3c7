//! The networks that were measured, by their shapes.

mod classic;
mod detectors;
mod mobile;
mod net;
mod residual;
mod single;

use crate::graph::{Graph, GraphError};
use residual::{Residual, densenet, resnet};
pub(super) use single::{Parameters, single};

/// A network that a measurement names, and `None` for those whose layers were not published or are not described here.
///
/// # Errors
/// [`GraphError`] would be a mistake in a description; a test builds all of them.
pub fn network(name: &str) -> Option<Result<Graph, GraphError>> {
    let residual = |blocks, bottleneck| {
        resnet(Residual {
            blocks,
            bottleneck,
            input: [224, 224],
        })
    };
    let graph = match name {
        "alexnet" => classic::alexnet(),
        "vgg11" | "vgg11_bn" => classic::vgg([1, 1, 2, 2, 2]),
        "vgg13" | "vgg13_bn" => classic::vgg([2, 2, 2, 2, 2]),
        "vgg16" | "vgg16_bn" => classic::vgg([2, 2, 3, 3, 3]),
        "vgg19" | "vgg19_bn" => classic::vgg([2, 2, 4, 4, 4]),
        "squeezenet1_0" => classic::squeezenet(false),
        "squeezenet1_1" => classic::squeezenet(true),
        "GoogLeNet" => classic::googlenet(),
        "resnet18" => residual([2, 2, 2, 2], None),
        "resnet34" => residual([3, 4, 6, 3], None),
        "resnet50" | "ResNet-50" | "ResNet-50 v1.5" | "ResNet-50 (torchvision)" => {
            residual([3, 4, 6, 3], Some(1))
        }
        "resnet101" => residual([3, 4, 23, 3], Some(1)),
        "resnet152" => residual([3, 8, 36, 3], Some(1)),
        "ResNet34 backbone (RetinaNet-R34)" => resnet(Residual {
            blocks: [3, 4, 6, 3],
            bottleneck: None,
            input: [768, 1280],
        }),
        "densenet121" => densenet([6, 12, 24, 16], 32, 64),
        "densenet169" => densenet([6, 12, 32, 32], 32, 64),
        "densenet201" => densenet([6, 12, 48, 32], 32, 64),
        "densenet161" => densenet([6, 12, 36, 24], 48, 96),
        "MobileNet" | "MobileNet v1" => mobile::mobilenet_v1(),
        "mobilenet_v2" => mobile::mobilenet_v2(),
        "mnasnet0_5" => mobile::mnasnet(0.5),
        "mnasnet0_75" => mobile::mnasnet(0.75),
        "mnasnet1_0" => mobile::mnasnet(1.0),
        "mnasnet1_3" => mobile::mnasnet(1.3),
        "SSD-MobileNet v1" => mobile::ssd_mobilenet(),
        "SSD-ResNet34" => detectors::ssd_resnet34(),
        "RetinaNet-ResNeXt50" => detectors::retinanet(),
        _ => return None,
    };
    Some(graph)
}
