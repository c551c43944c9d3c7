//! What each device of a board takes, for a search to plan with.

use std::error::Error;
use std::thread::sleep;
use std::time::Instant;

use super::bench::{Bench, LONG};
use super::power::Meter;
use crate::engine::StageKind;
use crate::plan::Device;
use crate::session::SessionError;
use crate::tune::measure::Entry;
use crate::tune::search::Power;

impl Bench<'_> {
    /// What the board takes, measured once with every device at work alone; `None` without a meter.
    pub fn power(&mut self) -> Result<Option<Power>, Box<dyn Error>> {
        let Some(meter) = &self.meter else {
            return Ok(None);
        };
        let known = self.log.entries.iter().find_map(|entry| match entry {
            Entry::Power { idle, gpu, dla } => Some([*idle, *gpu, *dla]),
            Entry::Engine { .. } | Entry::Together { .. } | Entry::Run { .. } => None,
        });
        let [idle, gpu, dla] = match known {
            Some(watts) => watts,
            None => {
                let ((), energy) = meter.during(|| sleep(LONG))?;
                let idle = energy.watts();
                let gpu = self.busy(meter, Device::Gpu, StageKind::Whole)?;
                let devices = self.session.devices().into_iter();
                let dla = match devices.filter(|d| *d != Device::Gpu).max() {
                    Some(dla) if self.session.gpu_alone_because().is_none() => {
                        self.busy(meter, dla, StageKind::Prefix)?
                    }
                    Some(_) | None => idle,
                };
                let milliwatts = |watts: f64| (watts.max(0.0) * 1e3).round() / 1e3;
                let [idle, gpu, dla] = [idle, gpu - idle, dla - idle].map(milliwatts);
                self.log.add(Entry::Power { idle, gpu, dla })?;
                [idle, gpu, dla]
            }
        };
        Ok(Some(Power { idle, gpu, dla }))
    }

    /// Watts while `device` alone computes in the largest batch that was measured.
    fn busy(&self, meter: &Meter, device: Device, stage: StageKind) -> Result<f64, Box<dyn Error>> {
        let batches = self.log.entries.iter().filter_map(|entry| match entry {
            Entry::Engine {
                device: d,
                stage: s,
                batch,
                ..
            } if *d == device.to_string() && *s == stage.into() => Some(*batch),
            Entry::Engine { .. } | Entry::Together { .. } | Entry::Run { .. } | Entry::Power { .. } => None,
        });
        let batch = batches.max().unwrap_or(1);
        let (done, energy) = meter.during(|| {
            let start = Instant::now();
            while start.elapsed() < LONG {
                self.session.time(device, stage, batch)?;
            }
            Ok::<(), SessionError>(())
        })?;
        done?;
        Ok(energy.watts())
    }
}
