//! What a plan adds up to, and whether it fits a batch and a set of devices.

use std::collections::BTreeSet;

use super::{Cut, Device, Mode, Plan, PlanError, Share};

impl Plan {
    /// Rows of all shares; saturates instead of overflowing.
    pub fn total(&self) -> usize {
        sum(self.prefix.iter())
    }

    /// Prefix rows of one device.
    pub fn rows(&self, device: Device) -> usize {
        sum(self.prefix.iter().filter(|s| s.device == device))
    }

    /// The devices that run prefix rows, each once, GPU first.
    pub fn devices(&self) -> Vec<Device> {
        let devices: BTreeSet<Device> = self.prefix.iter().map(|s| s.device).collect();
        devices.into_iter().collect()
    }

    /// Whether no DLA takes part.
    pub fn gpu_alone(&self) -> bool {
        self.prefix.iter().all(|s| s.device == Device::Gpu)
    }

    /// Checks the plan against a batch of `batch` rows and the devices at hand.
    ///
    /// # Errors
    /// The first [`PlanError`] found: empty, zero batches or rounds, a share listed twice, a device that is not in
    /// `devices`, rows that do not add up to `batch`, a suffix batch that does not divide them, a number of engines other
    /// than 1 or 2, a cut or a pipelined suffix of a plan that names only the GPU.
    pub fn validate(&self, batch: usize, devices: &[Device]) -> Result<(), PlanError> {
        if self.prefix.is_empty() {
            return Err(PlanError::Empty);
        }
        for (index, share) in self.prefix.iter().enumerate() {
            self.check_share(index, share, devices)?;
        }
        self.check_how()?;
        self.check_rows(batch)
    }

    fn check_share(&self, index: usize, share: &Share, devices: &[Device]) -> Result<(), PlanError> {
        let &Share {
            device,
            batch,
            rounds,
        } = share;
        if batch == 0 || rounds == 0 {
            return Err(PlanError::Zero {
                device,
                batch,
                rounds,
            });
        }
        if !devices.contains(&device) {
            return Err(PlanError::Missing {
                device,
                available: devices.to_vec(),
            });
        }
        let same = |s: &Share| s.device == device && s.batch == batch;
        if self.prefix[..index].iter().any(same) {
            return Err(PlanError::Repeated { device, batch });
        }
        Ok(())
    }

    fn check_how(&self) -> Result<(), PlanError> {
        match (self.gpu_alone(), &self.cut, self.mode, self.engines) {
            (true, Cut::After(_), _, _) => Err(PlanError::Uncut("cut")),
            (true, _, Mode::Pipelined, _) => Err(PlanError::Uncut("pipelined suffix")),
            (_, _, _, 1 | 2) => Ok(()),
            (_, _, _, engines) => Err(PlanError::Engines(engines)),
        }
    }

    fn check_rows(&self, batch: usize) -> Result<(), PlanError> {
        let exact = self.prefix.iter().try_fold(0usize, |sum, share| {
            sum.checked_add(share.batch.checked_mul(share.rounds)?)
        });
        let total = exact.ok_or(PlanError::TooLarge)?;
        if total != batch {
            return Err(PlanError::Rows { plan: total, batch });
        }
        match self.suffix_batch {
            0 => Err(PlanError::ZeroSuffix),
            suffix_batch if total % suffix_batch != 0 => Err(PlanError::Suffix { suffix_batch, total }),
            _ => Ok(()),
        }
    }
}

fn sum<'a>(shares: impl Iterator<Item = &'a Share>) -> usize {
    shares.fold(0usize, |sum, share| sum.saturating_add(share.rows()))
}
