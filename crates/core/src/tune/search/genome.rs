//! A plan as the few numbers that a search varies.

use super::{Space, Way};
use crate::plan::{Cut, Device, Mode, Plan, Share};

/// One point of the space. What the DLAs leave is the GPU's; without a GPU it is the first DLA's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Genome {
    /// Place of the cut; `None` is the GPU alone, uncut.
    pub way: Option<usize>,
    /// The GPU runs prefix rows.
    pub gpu: bool,
    /// Rows per execution on the GPU and on a DLA.
    pub n_g: usize,
    pub n_d: usize,
    /// Rounds per DLA core that takes part.
    pub r_d: Vec<usize>,
    pub mode: Mode,
    pub suffix: usize,
    pub engines: usize,
}

impl Genome {
    pub fn alone(n_g: usize, rows: usize, engines: usize) -> Genome {
        Genome {
            way: None,
            gpu: true,
            n_g,
            n_d: 1,
            r_d: Vec::new(),
            mode: Mode::Merged,
            suffix: rows,
            engines,
        }
    }

    /// The plan for `rows` rows; `None` when there is none.
    pub fn plan(&self, space: &Space<'_>, rows: usize) -> Option<Plan> {
        let way: Option<&Way<'_>> = self.way.map(|at| &space.ways[at]);
        let dealt = self.n_d * self.r_d.iter().sum::<usize>();
        let rest = rows.checked_sub(dealt)?;
        let known = self.r_d.len() <= space.dlas.len() && self.n_g > 0 && self.n_d > 0;
        let fits = way.is_none_or(|way| self.n_d <= way.dla_rows);
        if !known || !fits || self.gpu != (rest > 0 && self.gpu) || self.suffix == 0 {
            return None;
        }
        let mut prefix = Vec::new();
        let (first, batch) = if self.gpu {
            (Device::Gpu, self.n_g)
        } else {
            (*space.dlas.first()?, self.n_d)
        };
        let mut push = |device, batch, rounds| {
            if batch > 0 && rounds > 0 {
                prefix.push(Share {
                    device,
                    batch,
                    rounds,
                });
            }
        };
        if self.gpu {
            push(first, batch, rest / batch);
        }
        push(first, rest % batch, 1);
        for (at, (device, rounds)) in space.dlas.iter().zip(&self.r_d).enumerate() {
            let more = if at == 0 && !self.gpu { rest / batch } else { 0 };
            push(*device, self.n_d, rounds + more);
        }
        let suffix = way.is_some_and(|way| way.suffix);
        let shared = prefix.iter().any(|s| s.device != Device::Gpu);
        if prefix.is_empty() || shared != self.way.is_some() || suffix && !rows.is_multiple_of(self.suffix) {
            return None;
        }
        let plan = Plan::new(prefix, if suffix { self.suffix } else { rows });
        let plan = space.executed(plan);
        let pipelined = suffix && self.suffix < rows;
        Some(Plan {
            cut: way.map_or(Cut::Longest, |way| way.cut.clone()),
            mode: if pipelined { self.mode } else { Mode::Merged },
            engines: self.engines,
            ..plan
        })
    }
}

/// The batch that deals `rows` rows in `rounds` rounds, the last of them perhaps smaller.
pub(super) fn even(rows: usize, rounds: usize) -> usize {
    rows.div_ceil(rounds.max(1))
}

/// The divisors of `rows`, ascending.
pub(super) fn divisors(rows: usize) -> Vec<usize> {
    (1..=rows).filter(|n| rows.is_multiple_of(*n)).collect()
}
