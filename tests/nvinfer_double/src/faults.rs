//! What shall go wrong, from `NVINFER_DOUBLE_FAULTS`: `fault=value;fault=value`. An unknown fault ends the process.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// A device as faults and the journal name it; -1 is the GPU.
pub fn device_name(core: i32) -> String {
    match core {
        -1 => "gpu".to_string(),
        core => format!("dla{core}"),
    }
}

#[derive(Default)]
struct Faults {
    /// `fail-enqueue=dla0:3`: the third enqueue on the device is refused, and every later one.
    fail_enqueue: Option<(String, usize)>,
    /// `fail-run=dla1:2`: the second execution is accepted and ends in an error, and every later one.
    fail_run: Option<(String, usize)>,
    /// `hang=dla0:1`: the first execution never ends.
    hang: Option<(String, usize)>,
    /// `out-of-memory=1000000`: allocations beyond so many bytes in all are refused.
    memory: Option<usize>,
    /// `refuse-layer=conv`: the DLA refuses layers whose name contains this.
    refuse_layer: Option<String>,
    /// `forget-range=relu`: what the program says of the range of this layer's output is not heard.
    forget_range: Option<String>,
    /// `double-range=pool`: it is heard as twice as much.
    double_range: Option<String>,
    /// `fail-build=dla0`.
    fail_build: Option<String>,
    /// `dla-cores=0`.
    cores: Option<i32>,
    /// `version=70203`: what the library claims to be.
    version: Option<i32>,
    /// `meet=3`: the first executions begin when so many devices have one each.
    meet: Option<usize>,
    /// `discrete=1`: the GPU has memory of its own.
    discrete: bool,
    /// `slow-run=20`: milliseconds that each execution takes longer.
    slow_run: u64,
    /// `slow-build=20`: milliseconds that each step of a build takes longer.
    slow_build: i32,
}

fn faults() -> &'static Faults {
    static FAULTS: OnceLock<Faults> = OnceLock::new();
    FAULTS.get_or_init(|| {
        let text = std::env::var("NVINFER_DOUBLE_FAULTS").unwrap_or_default();
        let mut faults = Faults::default();
        for fault in text.split(';').filter(|part| !part.is_empty()) {
            if faults.set(fault).is_none() {
                eprintln!("nvinfer double: no such fault: {fault}");
                std::process::abort();
            }
        }
        faults
    })
}

impl Faults {
    fn set(&mut self, fault: &str) -> Option<()> {
        let (name, value) = fault.split_once('=')?;
        let counted = || {
            let (device, count) = value.split_once(':')?;
            Some((device.to_string(), count.parse().ok()?))
        };
        match name {
            "fail-enqueue" => self.fail_enqueue = Some(counted()?),
            "fail-run" => self.fail_run = Some(counted()?),
            "hang" => self.hang = Some(counted()?),
            "out-of-memory" => self.memory = Some(value.parse().ok()?),
            "refuse-layer" => self.refuse_layer = Some(value.to_string()),
            "forget-range" => self.forget_range = Some(value.to_string()),
            "double-range" => self.double_range = Some(value.to_string()),
            "fail-build" => self.fail_build = Some(value.to_string()),
            "dla-cores" => self.cores = Some(value.parse().ok()?),
            "version" => self.version = Some(value.parse().ok()?),
            "meet" => self.meet = Some(value.parse().ok()?),
            "discrete" => self.discrete = value == "1",
            "slow-run" => self.slow_run = value.parse().ok()?,
            "slow-build" => self.slow_build = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}

/// What happens to one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Refused,
    Fails,
    Hangs,
    Runs,
}

/// The fate of the next execution on `core`.
pub fn fate(core: i32) -> Fate {
    static COUNTS: Mutex<Option<HashMap<i32, usize>>> = Mutex::new(None);
    let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    let count = counts.get_or_insert_default().entry(core).or_default();
    *count += 1;
    let (count, name, faults) = (*count, device_name(core), faults());
    let meets = |fault: &Option<(String, usize)>| {
        let fault = fault.as_ref();
        fault.is_some_and(|(device, first)| *device == name && count >= *first)
    };
    if meets(&faults.fail_enqueue) {
        Fate::Refused
    } else if meets(&faults.fail_run) {
        Fate::Fails
    } else if meets(&faults.hang) {
        Fate::Hangs
    } else {
        Fate::Runs
    }
}

/// Bytes that all allocations together may have.
pub fn memory_limit() -> usize {
    faults().memory.unwrap_or(usize::MAX)
}

pub fn refuses_layer(name: &str) -> bool {
    let refused = faults().refuse_layer.as_deref();
    refused.is_some_and(|part| name.contains(part))
}

pub fn range_factor(layer: &str) -> f32 {
    let meant = |fault: &Option<String>| fault.as_deref() == Some(layer);
    match (meant(&faults().forget_range), meant(&faults().double_range)) {
        (true, _) => 0.0,
        (false, true) => 2.0,
        (false, false) => 1.0,
    }
}

pub fn build_fails(core: i32) -> bool {
    faults().fail_build.as_deref() == Some(&device_name(core))
}

/// Two, as a Jetson Xavier NX or AGX has.
pub fn dla_cores() -> i32 {
    faults().cores.unwrap_or(2)
}

pub fn version(compiled: i32) -> i32 {
    faults().version.unwrap_or(compiled)
}

pub fn meeting() -> Option<usize> {
    faults().meet
}

pub fn discrete() -> bool {
    faults().discrete
}

pub fn slow_run() -> Duration {
    Duration::from_millis(faults().slow_run)
}

pub fn slow_build() -> i32 {
    faults().slow_build
}
