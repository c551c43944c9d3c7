//! The constants of the cost model: what no data sheet says, fitted to published measurements or taken from a source.

use serde::{Deserialize, Serialize};

use super::fitted::FittedModel;

/// Names the constants, defines each once, and numbers them.
macro_rules! constants {
    ($($key:ident, $unit:literal, $prior:literal, $spread:literal, $what:literal;)*) => {
        /// One constant of the model.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Key { $(#[doc = $what] $key),* }

        /// Every constant, in the order of [`Key`].
        pub const DEFINITIONS: &[Definition] = &[
            $(Definition { key: Key::$key, unit: $unit, prior: $prior, spread: $spread, what: $what }),*
        ];
    };
}

/// What is known of a constant before any fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Definition {
    pub key: Key,
    pub unit: &'static str,
    /// The value expected from documents.
    pub prior: f64,
    /// How far a fit is expected to move it: standard deviation of its logarithm. Zero keeps it.
    pub spread: f64,
    pub what: &'static str,
}

constants! {
    LaunchVolta, "us", 4.5, 0.15, "GPU, Volta: start and end of a kernel that is enqueued";
    LaunchAmpere, "us", 3.5, 0.3, "GPU, Ampere: start and end of a kernel that is enqueued";
    StartVolta, "us", 8.0, 0.5, "GPU, Volta: what a convolution or matrix product takes besides its launch and its waves";
    StartAmpere, "us", 4.0, 0.5, "GPU, Ampere: what a convolution or matrix product takes besides its launch and its waves";
    GraphLaunch, "1", 0.6, 0.3, "GPU: share of that which remains in a captured CUDA graph";
    ConvFp32, "1", 0.8, 0.0, "GPU: share of the CUDA cores' float32 peak that convolutions reach";
    ConvTf32, "1", 0.6, 0.3, "GPU: share of the TF32 tensor-core peak that convolutions reach";
    ConvFp16Volta, "1", 0.55, 0.3, "GPU, Volta: share of the FP16 tensor-core peak that convolutions reach";
    ConvInt8Volta, "1", 0.45, 0.3, "GPU, Volta: share of the INT8 tensor-core peak that convolutions reach";
    ConvFp16Ampere, "1", 0.45, 0.3, "GPU, Ampere: share of the FP16 tensor-core peak that convolutions reach";
    ConvInt8Ampere, "1", 0.35, 0.3, "GPU, Ampere: share of the INT8 tensor-core peak that convolutions reach";
    TailWaves, "waves", 1.0, 0.5, "GPU: time to fill and drain a convolution's pipeline, in waves of output tiles";
    SmallTile, "1", 0.6, 0.3, "GPU: efficiency of tiles a quarter as large, over that of the usual ones";
    Memory, "1", 0.65, 0.2, "GPU: share of the DRAM peak that kernels reach";
    WeightMemory, "1", 0.75, 0.2, "GPU: the same for weights, which are only read";
    GroupedConv, "1", 2.0, 0.4, "GPU: cost of a grouped convolution over that of its padding to whole tiles";
    CacheGain, "1", 1.5, 0.3, "GPU: bandwidth for activations that stay in the cache, over that of the DRAM";
    DepthwiseCores, "1", 0.3, 0.4, "GPU: share of the CUDA cores' peak that depthwise convolutions reach";
    WindowReads, "1", 0.25, 0.5, "GPU: cost of one read of a pooling or LRN window, over that of one read from memory";
    DlaSubmit, "us", 150.0, 0.3, "DLA: handing one task to a core";
    DlaIo, "us", 15.0, 0.5, "DLA: moving an input or an output to or from a core's layout, besides its bytes";
    DlaLayer, "us", 3.0, 0.5, "DLA 1.0: between two layers";
    DlaMac, "1", 0.85, 0.2, "DLA 1.0: share of its padded MAC array's rate that convolutions reach";
    DlaBytes, "byte/cycle", 10.5, 0.3, "DLA 1.0: DRAM traffic of one core per clock";
    DlaWeightBytes, "byte/cycle", 12.0, 0.3, "DLA 1.0: the same for weights";
    DlaDepthwise, "1", 1.0, 0.5, "DLA 1.0: cycles per 16 outputs and tap of a depthwise convolution";
SramGain, "1", 1.2, 0.2, "DLA 1.0: bandwidth for activations that stay in the SRAM it shares with others, over that of the DRAM";
    Dla2Layer, "us", 1.5, 0.5, "DLA 2.0: between two layers";
    Dla2MacInt8, "1", 0.6, 0.2, "DLA 2.0: share of the INT8 peak that convolutions reach";
    Dla2MacFp16, "1", 0.75, 0.2, "DLA 2.0: share of the FP16 rate that convolutions reach";
    Dla2Bytes, "byte/cycle", 24.0, 0.3, "DLA 2.0: DRAM traffic of one core per clock";
    Dla2WeightBytes, "byte/cycle", 30.0, 0.4, "DLA 2.0: the same for weights";
    Dla2SramGain, "1", 2.0, 0.4, "DLA 2.0: bandwidth for activations that stay in its own SRAM, over that of the DRAM";
    Dla2DepthwiseInt8, "1/cycle", 5.0, 0.4, "DLA 2.0: outputs of a 3x3 depthwise convolution in INT8, with channels rounded up to 64";
    Dla2DepthwiseFp16, "1/cycle", 1.25, 0.4, "DLA 2.0: the same in FP16";
    ShareGpu, "1", 0.35, 0.2, "Contention: share of the DRAM peak that a GPU keeps beside others";
    WaitDla, "1", 0.9, 0.4, "Contention: growth of a DLA's time per share of the DRAM that others take, at its full demand";
    WaitGpu, "1", 0.3, 0.5, "Contention: the same for a GPU's";
    HostRun, "us", 60.0, 0.0, "Host: this program, from the call to the first execution and from the last to the return";
    HostMerge, "us", 40.0, 0.0, "Host: this program, between the last prefix row and the suffix";
    KscCall, "us", 5000.0, 3.0, "Host: the paper's framework, one call of an engine from its graph executor: one per run on the GPU, four per run on the GPU and two DLAs";
    KscCopy, "byte/us", 200.0, 3.0, "Host: the paper's framework, copying and converting a DLA's inputs and outputs";
    Decode, "10^6 SM cycles", 1.5, 0.4, "GPU: decoding and sorting one image's boxes in MLPerf's detectors";
    PythonCall, "us", 280.0, 0.3, "Host: one synchronous call from Python";
}

/// A value for every constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Constants(Vec<f64>);

impl Constants {
    /// Those that come with the program.
    pub fn fitted() -> Constants {
        let mut constants = Constants::prior();
        for stored in FittedModel::stored().constants {
            constants.set(stored.name, stored.value);
        }
        constants
    }

    /// What is expected without any fit.
    pub fn prior() -> Constants {
        Constants(DEFINITIONS.iter().map(|d| d.prior).collect())
    }

    pub fn get(&self, key: Key) -> f64 {
        self.0[key as usize]
    }

    pub fn set(&mut self, key: Key, value: f64) {
        self.0[key as usize] = value;
    }
}
