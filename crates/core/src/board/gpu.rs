//! A layer on the GPU: launch, then the longer of computing and moving its bytes.

use super::constants::{Constants, Key};
use super::hardware::{Architecture, Arithmetic, Machine};
use super::work::{Geometry, Kind, Layer};

/// Output positions and maps of one tile of a convolution: TensorRT's go from 32x32 to 256x128, these are their middle
/// and the smallest, for layers that would leave SMs idle.
const TILES: [f64; 2] = [64.0, 32.0];

/// One GPU computing in one arithmetic. Times in microseconds, traffic in bytes.
pub struct Gpu<'a> {
    pub machine: &'a Machine,
    pub constants: &'a Constants,
    pub arithmetic: Arithmetic,
    /// Whether kernels come from a captured CUDA graph.
    pub graph: bool,
}

impl Gpu<'_> {
    /// Time of `layer` with `rows` rows.
    pub fn time(&self, layer: &Layer, rows: f64) -> f64 {
        self.launch() + self.start(layer) + self.compute(layer, rows).max(self.transfer(layer, rows))
    }

    /// DRAM traffic of `layer`.
    pub fn bytes(&self, layer: &Layer, rows: f64) -> f64 {
        let size = self.arithmetic.bytes();
        layer.activation_bytes(size) * rows + layer.weights * size
    }

    /// Bringing each of `tensors`, in elements, from float32 into this arithmetic's layout or back: a kernel each.
    pub fn io(&self, tensors: &[f64]) -> f64 {
        let kernel =
            |elements: &f64| self.launch() + elements * (4.0 + self.arithmetic.bytes()) / self.bandwidth();
        match self.arithmetic {
            Arithmetic::Fp32 => 0.0,
            Arithmetic::Fp16 | Arithmetic::Int8 => tensors.iter().map(kernel).sum(),
        }
    }

    fn launch(&self) -> f64 {
        let enqueued = self.of_architecture(Key::LaunchVolta, Key::LaunchAmpere);
        if self.graph {
            enqueued * self.constants.get(Key::GraphLaunch)
        } else {
            enqueued
        }
    }

    fn start(&self, layer: &Layer) -> f64 {
        match layer.kind {
            Kind::Convolution | Kind::Depthwise | Kind::MatMul => {
                self.of_architecture(Key::StartVolta, Key::StartAmpere)
            }
            Kind::Pool | Kind::Lrn | Kind::Pointwise | Kind::Reduce | Kind::Softmax | Kind::Move => 0.0,
        }
    }

    fn of_architecture(&self, volta: Key, ampere: Key) -> f64 {
        self.constants.get(match self.machine.board.gpu.architecture {
            Architecture::Volta => volta,
            Architecture::Ampere => ampere,
        })
    }

    fn bandwidth(&self) -> f64 {
        self.machine.dram() * self.constants.get(Key::Memory)
    }

    fn transfer(&self, layer: &Layer, rows: f64) -> f64 {
        let size = self.arithmetic.bytes();
        let activations = layer.activation_bytes(size) * rows;
        let gain = self.constants.get(Key::CacheGain).max(1.0);
        let cache = self.cache();
        // What exceeds the cache comes from the DRAM.
        let kept = activations.min(cache) / gain + (activations - cache).max(0.0);
        let weights = layer.weights * size / (self.machine.dram() * self.constants.get(Key::WeightMemory));
        kept / self.bandwidth() + weights
    }

    /// Bytes of the second-level cache.
    fn cache(&self) -> f64 {
        self.machine.board.gpu.cache_kib.0 * 1024.0
    }

    fn compute(&self, layer: &Layer, rows: f64) -> f64 {
        match (layer.kind, &layer.geometry) {
            (Kind::Convolution | Kind::MatMul, Some(geometry)) => self.tiles(geometry, rows),
            (Kind::Depthwise, _) => {
                let peak = self.machine.sm_core_peak(self.arithmetic) * self.machine.sms();
                layer.macs * rows / (peak * self.constants.get(Key::DepthwiseCores))
            }
            (Kind::Pool, Some(g)) => self.window(layer, g.kernel[0] * g.kernel[1], rows),
            (Kind::Lrn, _) => self.window(layer, 5.0, rows),
            _ => 0.0,
        }
    }

    /// With the tile that suits it best, as TensorRT times them while it builds.
    fn tiles(&self, geometry: &Geometry, rows: f64) -> f64 {
        let with = |tile: f64| {
            let share = if tile < TILES[0] {
                self.constants.get(Key::SmallTile)
            } else {
                1.0
            };
            self.waves(geometry, rows, tile) / share
        };
        let grouped = if geometry.groups > 1.0 {
            self.constants.get(Key::GroupedConv)
        } else {
            1.0
        };
        TILES.into_iter().map(with).fold(f64::INFINITY, f64::min) * grouped
    }

    /// Output tiles dealt to the SMs in waves; filling and draining costs a number of waves more.
    fn waves(&self, geometry: &Geometry, rows: f64, tile: f64) -> f64 {
        let across = (geometry.positions() * rows / tile).max(1.0);
        let down = (geometry.maps / geometry.groups / tile).ceil() * geometry.groups;
        let waves = (across * down / self.machine.sms()).max(1.0);
        let macs = tile * tile * self.depth(geometry);
        let wave = macs / (self.machine.sm_peak(self.arithmetic) * self.efficiency());
        (waves + self.constants.get(Key::TailWaves)) * wave
    }

    /// Products per output element: tensor cores take channels eight by eight and the depth 16 at a time.
    fn depth(&self, geometry: &Geometry) -> f64 {
        let up = |value: f64, unit: f64| (value / unit).ceil() * unit;
        match self.arithmetic {
            Arithmetic::Fp32 => geometry.depth(),
            Arithmetic::Fp16 | Arithmetic::Int8 => {
                let channels = up(geometry.channels / geometry.groups, 8.0);
                up(channels * geometry.kernel[0] * geometry.kernel[1], 16.0)
            }
        }
    }

    fn efficiency(&self) -> f64 {
        let key = match (self.arithmetic, self.machine.board.gpu.architecture) {
            (Arithmetic::Fp32, _) if self.machine.board.gpu.tf32_fma_per_sm.is_some() => Key::ConvTf32,
            (Arithmetic::Fp32, _) => Key::ConvFp32,
            (Arithmetic::Fp16, Architecture::Volta) => Key::ConvFp16Volta,
            (Arithmetic::Int8, Architecture::Volta) => Key::ConvInt8Volta,
            (Arithmetic::Fp16, Architecture::Ampere) => Key::ConvFp16Ampere,
            (Arithmetic::Int8, Architecture::Ampere) => Key::ConvInt8Ampere,
        };
        self.constants.get(key)
    }

    fn window(&self, layer: &Layer, reads: f64, rows: f64) -> f64 {
        let bytes = layer.outputs * reads * self.arithmetic.bytes() * rows;
        bytes * self.constants.get(Key::WindowReads) / self.bandwidth()
    }
}
