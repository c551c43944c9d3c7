//! How engines that share the DRAM slow each other down.
//!
//! Two published measurements seem to disagree. PCCS (Xu et al., MICRO 2021, code at 51ffb72) leaves a target kernel of
//! low demand alone whatever others take, and cuts a demanding one down to about a third of the peak. HaX-CoNN measured
//! a DLA of low demand 28 % slower beside a busy GPU. Both hold once bandwidth and waiting are told apart: a busy DRAM
//! makes every request wait longer. A GPU hides that behind its other warps until bandwidth itself runs out; a DLA has
//! few requests under way, so its time grows with the traffic of others in proportion to the time it spends waiting for
//! memory.

use super::constants::{Constants, Key};
use super::hardware::Machine;
use crate::plan::Device;

/// Per engine the factor, at least 1, by which its time grows; demands in GB/s when alone.
pub fn slow_down(machine: &Machine, constants: &Constants, demands: &[(Device, f64)]) -> Vec<f64> {
    let peak = machine.dram() / 1e3;
    let total: f64 = demands.iter().map(|(_, demand)| demand).sum();
    let factor = |(device, own): &(Device, f64)| {
        let others = (total - own).max(0.0);
        if others <= 0.0 {
            return 1.0;
        }
        let waiting = waiting(machine, constants, *device, *own, others / peak);
        waiting * rationed(machine, constants, *device, *own, others)
    };
    let mut factors: Vec<f64> = demands.iter().map(factor).collect();
    // Whatever the constants say, nobody reads faster than the DRAM delivers.
    let achieved: f64 = demands.iter().zip(&factors).map(|((_, d), f)| d / f).sum();
    let excess = (achieved / peak).max(1.0);
    factors.iter_mut().for_each(|f| *f *= excess);
    factors
}

/// Longer answers to each request: `others` is the share of the DRAM that others ask for.
fn waiting(machine: &Machine, constants: &Constants, device: Device, own: f64, others: f64) -> f64 {
    let (key, most) = match device {
        Device::Gpu => (Key::WaitGpu, machine.dram() * constants.get(Key::Memory) / 1e3),
        Device::Dla(_) => (Key::WaitDla, dla_most(machine, constants)),
    };
    let bound = (own / most).min(1.0);
    1.0 + constants.get(key) * others.min(1.0) * bound
}

/// Less bandwidth: a GPU gets what the DLAs leave, but never less than its share.
fn rationed(machine: &Machine, constants: &Constants, device: Device, own: f64, others: f64) -> f64 {
    match device {
        Device::Dla(_) => 1.0,
        Device::Gpu => {
            let peak = machine.dram() / 1e3;
            let left = (peak * constants.get(Key::Memory) - others).max(peak * constants.get(Key::ShareGpu));
            (own / left).max(1.0)
        }
    }
}

/// Most that one DLA core asks for, in GB/s.
fn dla_most(machine: &Machine, constants: &Constants) -> f64 {
    let key = match machine.board.chip {
        crate::split::Chip::Xavier => Key::DlaBytes,
        crate::split::Chip::Orin => Key::Dla2Bytes,
    };
    constants.get(key) * machine.mode.dla_mhz.0 / 1e3
}
