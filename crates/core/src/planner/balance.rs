//! Rounds of several devices that end all together.

use super::deal::Deal;
use super::estimate::{Best, shares};
use super::lane::{Lane, Rounds};
use super::offer::Offer;
use crate::plan::Device;

/// Halvings of the time in which all devices might end: a batch of thousands of rows is dealt to the row.
const HALVINGS: usize = 13;

/// The rounds of every DLA.
type Dealt = Vec<(Device, Rounds)>;

/// The GPU with some DLAs.
pub(super) struct Balance<'a> {
    pub deal: &'a Deal<'a>,
    pub gpu: &'a Lane<'a>,
    pub dlas: &'a [Lane<'a>],
    pub suffix: usize,
    /// Microseconds that the GPU does besides its prefix.
    pub beside: f64,
    /// How much longer the GPU and a DLA take than alone.
    pub slow: [f64; 2],
}

impl Balance<'_> {
    /// Adds plans that use all DLAs, best first.
    pub fn find(&self, best: &mut Best) {
        match self.deal.offer {
            Offer::Any => self.halve(best),
            Offer::Built(_) => self.add_up(best),
        }
    }

    /// Looks for the time in which all devices end.
    fn halve(&self, best: &mut Best) {
        let (mut low, mut high) = (
            0.0,
            match self.gpu.all(self.deal.rows) {
                Some((_, us)) => us * self.slow[0] + self.beside,
                None => return,
            },
        );
        // Times that are near give the same rounds.
        let mut tried: Vec<(Dealt, Option<f64>)> = Vec::new();
        for _ in 0..HALVINGS {
            let us = (low + high) / 2.0;
            let shares = self.dlas.iter();
            let shares: Vec<_> = shares
                .map(|dla| (dla.device, dla.within(us / self.slow[1])))
                .collect();
            let known = tried.iter().find(|(tried, _)| *tried == shares);
            let gpu = match known {
                Some((_, gpu)) => *gpu,
                None => {
                    let gpu = self.consider(&shares, best);
                    tried.push((shares, gpu));
                    gpu
                }
            };
            match gpu {
                Some(gpu) if gpu * self.slow[0] + self.beside > us => low = us,
                Some(_) | None => high = us,
            }
        }
    }

    /// Looks for rounds of the engines that are there which add up.
    fn add_up(&self, best: &mut Best) {
        let pace: f64 = self.dlas.iter().map(|dla| dla.pace() / self.slow[1]).sum();
        let own = self.gpu.pace() / self.slow[0];
        let us = (self.deal.rows as f64 + self.beside * own) / (pace + own) / self.slow[1];
        let mut all: Vec<Dealt> = vec![Vec::new()];
        for dla in self.dlas {
            let around = dla.around(us);
            let longer =
                |shares: &[(Device, Rounds)], rounds: &Rounds| [shares, &[(dla.device, *rounds)]].concat();
            let longer = &longer;
            let each = |shares| around.iter().map(move |rounds| longer(shares, rounds));
            all = all.iter().map(Vec::as_slice).flat_map(each).collect();
        }
        for shares in all {
            self.consider(&shares, best);
        }
    }

    /// The plan in which the GPU does the rest; its microseconds, `None` where nothing is left for it or it cannot.
    fn consider(&self, dlas: &[(Device, Rounds)], best: &mut Best) -> Option<f64> {
        let dealt: usize = dlas.iter().map(|(_, rounds)| rounds.rows()).sum();
        let rest = self.deal.rows.checked_sub(dealt).filter(|rest| *rest > 0)?;
        let (batch, us) = self.gpu.all(rest)?;
        if dealt > 0 {
            let plan = self
                .deal
                .plan(shares(Device::Gpu, batch, rest), dlas, self.suffix);
            best.add(self.deal.terms, self.deal.estimate(plan));
        }
        Some(us)
    }
}
