//! Engines of one layer, as benchmarks build them.

use serde::Deserialize;

use super::net::{Net, window};
use crate::graph::{Graph, GraphError};

/// As the measurements' notes give them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Parameters {
    Convolution {
        in_channels: usize,
        out_channels: usize,
        kernel_size: usize,
        stride: usize,
        padding: usize,
        input_hw: usize,
    },
    Depthwise {
        channels: usize,
        kernel_size: usize,
        stride: usize,
        padding: usize,
        input_hw: usize,
    },
    Dense {
        in_features: usize,
        out_features: usize,
    },
}

pub(crate) fn single(parameters: &Parameters) -> Result<Graph, GraphError> {
    let (mut n, y) = match *parameters {
        Parameters::Convolution {
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            input_hw,
        } => {
            let (mut n, x) = Net::new("single", [in_channels, input_hw, input_hw]);
            let y = n.linear(x, out_channels, window(kernel_size, stride, padding), 1)?;
            (n, y)
        }
        Parameters::Depthwise {
            channels,
            kernel_size,
            stride,
            padding,
            input_hw,
        } => {
            let (mut n, x) = Net::new("single", [channels, input_hw, input_hw]);
            let y = n.linear(x, channels, window(kernel_size, stride, padding), channels)?;
            (n, y)
        }
        Parameters::Dense {
            in_features,
            out_features,
        } => {
            let (mut n, x) = Net::new("single", [in_features, 1, 1]);
            let y = n.dense("fc", x, out_features)?;
            (n, y)
        }
    };
    n.output(y);
    n.finish()
}
