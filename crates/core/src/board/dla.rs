//! A layer on one DLA core: the longest of MAC cycles on the padded array and DRAM traffic, and a fixed cost.
//!
//! DLA 1.0 (Xavier) follows NVDLA's performance sheet (nvdla/hw at 8e06b1b, `perf/`, and nvdla/doc at 31f5740): 64 input
//! channels by 16 (FP16) or 32 (INT8) maps per cycle, a convolution buffer shared by data and weights, and one of them
//! streamed again when neither fits. DLA 2.0 (Orin) has no published documents of that depth: its rates are fitted.

use super::constants::{Constants, Key};
use super::hardware::{Arithmetic, Machine};
use super::work::{Geometry, Kind, Layer};
use crate::split::Chip;

/// One core computing in one arithmetic, FP16 or INT8. Times in microseconds, traffic in bytes.
pub struct Dla<'a> {
    pub machine: &'a Machine,
    pub constants: &'a Constants,
    pub arithmetic: Arithmetic,
}

impl Dla<'_> {
    /// Time of `layer` with `rows` rows; the rows go through one after the other, weights stay where they fit.
    pub fn time(&self, layer: &Layer, rows: f64) -> f64 {
        let cycles = self.compute(layer, rows).max(self.transfer(layer, rows));
        self.layer() + cycles / self.machine.mode.dla_mhz.0
    }

    /// DRAM traffic of `layer`.
    pub fn bytes(&self, layer: &Layer, rows: f64) -> f64 {
        let (_, weights) = self.streamed(layer);
        self.activations(layer)[1] * rows + weights * self.weight_passes(layer, rows)
    }

    /// Bringing `elements` from float32 into a core's layout, or back.
    pub fn io(&self, elements: f64) -> f64 {
        let bandwidth = self.machine.dram() * self.constants.get(Key::Memory);
        self.constants.get(Key::DlaIo) + elements * (4.0 + self.arithmetic.bytes()) / bandwidth
    }

    fn first(&self) -> bool {
        self.machine.board.chip == Chip::Xavier
    }

    fn layer(&self) -> f64 {
        self.constants.get(if self.first() {
            Key::DlaLayer
        } else {
            Key::Dla2Layer
        })
    }

    /// Cycles of the MAC array.
    fn compute(&self, layer: &Layer, rows: f64) -> f64 {
        let Some(geometry) = &layer.geometry else {
            return 0.0;
        };
        match layer.kind {
            Kind::Convolution | Kind::MatMul => self.padded_macs(geometry, rows) / self.rate(),
            Kind::Depthwise => self.depthwise(geometry, rows),
            Kind::Pool | Kind::Lrn | Kind::Pointwise | Kind::Reduce | Kind::Softmax | Kind::Move => 0.0,
        }
    }

    /// Multiply-accumulates per cycle that convolutions reach.
    fn rate(&self) -> f64 {
        let peak = self.machine.dla_peak(self.arithmetic).unwrap_or(0.0) / self.machine.mode.dla_mhz.0;
        let key = match (self.first(), self.arithmetic) {
            (true, _) => Key::DlaMac,
            (false, Arithmetic::Int8) => Key::Dla2MacInt8,
            (false, Arithmetic::Fp32 | Arithmetic::Fp16) => Key::Dla2MacFp16,
        };
        peak * self.constants.get(key)
    }

    /// With channels and maps rounded up to what one cycle takes. Strides of the first layer go into the channels.
    fn padded_macs(&self, geometry: &Geometry, rows: f64) -> f64 {
        let up = |value: f64, unit: f64| (value / unit).ceil() * unit;
        let [high, wide] = geometry.stride;
        let folded = geometry.channels <= 4.0;
        let extent = if folded { high * wide } else { 1.0 };
        let taps = if folded {
            (geometry.kernel[0] / high).ceil() * (geometry.kernel[1] / wide).ceil()
        } else {
            geometry.kernel[0] * geometry.kernel[1]
        };
        let channels = up(geometry.channels / geometry.groups * extent, 16.0);
        let maps = up(geometry.maps / geometry.groups, 16.0);
        let positions = match (self.first(), self.arithmetic) {
            // A stripe is at least 16 positions long.
            (true, _) | (false, Arithmetic::Int8) => (geometry.positions() * rows).max(16.0),
            // Rows of the map go 16 at a time.
            (false, Arithmetic::Fp32 | Arithmetic::Fp16) => {
                geometry.output[0] * up(geometry.output[1], 16.0) * rows
            }
        };
        positions * taps * channels * maps * geometry.groups
    }

    fn depthwise(&self, geometry: &Geometry, rows: f64) -> f64 {
        if !self.first() {
            let taps = geometry.kernel[0] * geometry.kernel[1] / 9.0;
            let outputs = geometry.positions() * (geometry.maps / 64.0).ceil() * 64.0;
            let rate = match self.arithmetic {
                Arithmetic::Int8 => Key::Dla2DepthwiseInt8,
                Arithmetic::Fp32 | Arithmetic::Fp16 => Key::Dla2DepthwiseFp16,
            };
            return outputs * rows * taps / self.constants.get(rate);
        }
        // Of 64 channels by 16 maps per cycle only those of one diagonal of 16 by 16 count.
        let taps = geometry.kernel[0] * geometry.kernel[1];
        let cycles = geometry.positions() * rows * taps * (geometry.channels / 16.0).ceil();
        cycles * self.constants.get(Key::DlaDepthwise)
    }

    /// Cycles of the memory interfaces: SRAM and DRAM work side by side, data and weights in the DRAM one after the other.
    fn transfer(&self, layer: &Layer, rows: f64) -> f64 {
        let (bytes, bulk, gain) = if self.first() {
            (Key::DlaBytes, Key::DlaWeightBytes, Key::SramGain)
        } else {
            (Key::Dla2Bytes, Key::Dla2WeightBytes, Key::Dla2SramGain)
        };
        let rate = self.constants.get(bytes);
        let (_, weights) = self.streamed(layer);
        let weights = weights * self.weight_passes(layer, rows) / self.constants.get(bulk);
        let [sram, dram] = self.activations(layer).map(|bytes| bytes * rows / rate);
        (sram / self.constants.get(gain).max(1.0)).max(dram + weights)
    }

    /// Bytes of a row's activations in SRAM and in DRAM. What one layer hands to the next stays in the SRAM that
    /// TensorRT gives a loadable, 1 MiB where nothing else is set, if it fits.
    fn activations(&self, layer: &Layer) -> [f64; 2] {
        let size = self.arithmetic.bytes();
        let (data, _) = self.streamed(layer);
        let all = data + layer.outputs * size;
        let inside = (layer.inputs + layer.outputs - layer.outside).max(0.0) * size;
        let sram = self.machine.board.dla.sram_kib.0.min(1024.0) * 1024.0;
        if inside <= sram {
            [inside, (all - inside).max(0.0)]
        } else {
            [0.0, all]
        }
    }

    /// How often the weights are read: once if they stay in the buffer, else once for as many rows as half of it holds,
    /// of which the hardware takes up to 32 at once.
    fn weight_passes(&self, layer: &Layer, rows: f64) -> f64 {
        let size = self.arithmetic.bytes();
        if layer.weights * size <= self.buffer() / 2.0 {
            return 1.0;
        }
        let together = (self.buffer() / 2.0 / (layer.inputs * size))
            .floor()
            .clamp(1.0, 32.0);
        (rows / together).ceil()
    }

    /// Bytes of input and of weights per row, with those read again that do not fit the buffer.
    fn streamed(&self, layer: &Layer) -> (f64, f64) {
        let size = self.arithmetic.bytes();
        let (data, weights) = (layer.inputs * size, layer.weights * size);
        let Some(geometry) = layer.geometry.filter(|_| weights > 0.0) else {
            return (data, weights);
        };
        let buffer = self.buffer();
        let row = data / geometry.input[0].max(1.0);
        let least_data = (geometry.kernel[0] * row).min(buffer / 2.0);
        let least_weights = (32.0 * geometry.depth() * size).min(buffer / 2.0);
        if data >= weights {
            let room = buffer - least_data;
            (
                if weights > room {
                    (weights / room).ceil() * data
                } else {
                    data
                },
                weights,
            )
        } else {
            let room = buffer - least_weights;
            (
                data,
                if data > room {
                    (data / room).ceil() * weights
                } else {
                    weights
                },
            )
        }
    }

    fn buffer(&self) -> f64 {
        self.machine.board.dla.buffer_kib.0 * 1024.0
    }
}
