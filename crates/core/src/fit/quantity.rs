//! What a measurement measured, so that the model can say the same in microseconds.

use crate::board::{Arithmetic, Constants, Dla, Gpu, Key, Layer, Machine, slow_down};
use crate::plan::Device;

/// One engine's layers with what goes in and out.
#[derive(Debug, Clone, Default)]
pub struct Work {
    pub layers: Vec<Layer>,
    /// Elements per row of each tensor that is brought into the engine's layout, or back.
    pub io: Vec<f64>,
    pub rows: f64,
}

/// A measured time.
#[derive(Debug, Clone)]
pub enum Quantity {
    /// Layers of a GPU engine in one stream.
    Gpu {
        work: Work,
        graph: bool,
        python: bool,
        detects: bool,
    },
    /// Layers of a DLA, without submission.
    DlaLayers(Work),
    /// An engine of a DLA: tasks handed to the core, and what fell back to the GPU.
    Dla {
        work: Work,
        fallback: Work,
        tasks: f64,
        python: bool,
    },
    /// Handing over one task.
    Submit,
    /// A row's share of the time when the GPU and several DLAs all run.
    Combined {
        gpu: Work,
        dla: Work,
        fallback: Work,
        cores: u8,
        detects: bool,
    },
}

/// On what it was measured.
#[derive(Debug, Clone)]
pub struct Place {
    pub machine: Machine,
    pub arithmetic: Arithmetic,
}

impl Quantity {
    /// Predicted microseconds.
    pub fn predict(&self, place: &Place, constants: &Constants) -> f64 {
        let python = |flag: bool| {
            if flag { constants.get(Key::PythonCall) } else { 0.0 }
        };
        match self {
            Quantity::Gpu {
                work,
                graph,
                python: flag,
                detects,
            } => {
                gpu(place, constants, work, *graph)
                    + python(*flag)
                    + decode(place, constants, *detects) * work.rows
            }
            Quantity::DlaLayers(work) => dla(place, constants, work),
            Quantity::Dla {
                work,
                fallback,
                tasks,
                python: flag,
            } => {
                let submit = constants.get(Key::DlaSubmit) * tasks;
                submit + dla(place, constants, work) + gpu(place, constants, fallback, false) + python(*flag)
            }
            Quantity::Submit => constants.get(Key::DlaSubmit),
            Quantity::Combined {
                gpu,
                dla,
                fallback,
                cores,
                detects,
            } => {
                let decode = decode(place, constants, *detects);
                combined(place, constants, [gpu, dla, fallback], *cores, decode)
            }
        }
    }
}

/// Per row.
fn decode(place: &Place, constants: &Constants, detects: bool) -> f64 {
    let machine = &place.machine;
    let micros = constants.get(Key::Decode) * 1e6 / (machine.sms() * machine.mode.gpu_mhz.0);
    if detects { micros } else { 0.0 }
}

fn gpu(place: &Place, constants: &Constants, work: &Work, graph: bool) -> f64 {
    let gpu = Gpu {
        machine: &place.machine,
        constants,
        arithmetic: place.arithmetic,
        graph,
    };
    let layers: f64 = work.layers.iter().map(|l| gpu.time(l, work.rows)).sum();
    let io: Vec<f64> = work.io.iter().map(|e| e * work.rows).collect();
    layers + gpu.io(&io)
}

fn dla(place: &Place, constants: &Constants, work: &Work) -> f64 {
    let dla = Dla {
        machine: &place.machine,
        constants,
        arithmetic: place.arithmetic,
    };
    let layers: f64 = work.layers.iter().map(|l| dla.time(l, work.rows)).sum();
    let io: f64 = work.io.iter().map(|e| dla.io(e * work.rows)).sum();
    layers + io
}

/// Steady state: every engine at its rate beside the others; the GPU also does what the DLAs leave to it.
fn combined(
    place: &Place,
    constants: &Constants,
    [on_gpu, on_dla, fallback]: [&Work; 3],
    cores: u8,
    decode: f64,
) -> f64 {
    let (machine, arithmetic) = (&place.machine, place.arithmetic);
    let traffic = |work: &Work, bytes: &dyn Fn(&Layer) -> f64| work.layers.iter().map(bytes).sum::<f64>();
    let gpu_model = Gpu {
        machine,
        constants,
        arithmetic,
        graph: true,
    };
    let dla_model = Dla {
        machine,
        constants,
        arithmetic,
    };
    let gpu_time = gpu(place, constants, on_gpu, true) + decode * on_gpu.rows;
    let dla_time = dla(place, constants, on_dla);
    let gpu_demand = traffic(on_gpu, &|l| gpu_model.bytes(l, on_gpu.rows)) / gpu_time / 1e3;
    let dla_demand = traffic(on_dla, &|l| dla_model.bytes(l, on_dla.rows)) / dla_time / 1e3;
    let mut demands = vec![(Device::Gpu, gpu_demand)];
    demands.extend((0..cores).map(|core| (Device::Dla(core), dla_demand)));
    let factors = slow_down(machine, constants, &demands);
    let dla_rate: f64 = factors[1..].iter().map(|f| on_dla.rows / (dla_time * f)).sum();
    // Of each microsecond the GPU spends this share on the DLAs' rows.
    let fallback_time = gpu(place, constants, fallback, true) / fallback.rows.max(1.0) + decode;
    let left = (1.0 - dla_rate * fallback_time * factors[0]).max(0.05);
    let gpu_rate = left * on_gpu.rows / (gpu_time * factors[0]);
    1.0 / (gpu_rate + dla_rate)
}
