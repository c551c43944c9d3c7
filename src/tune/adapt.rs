//! Re-balances rows between devices from what each run took, without building engines: a throttled or shared GPU, a
//! slower DLA.
//!
//! All devices run rounds of one batch, so that a round can go to any of them; only the number of rounds changes. It
//! changes when the prediction gains enough, from smoothed times, so that noise moves nothing back and forth.

use std::collections::BTreeMap;

use crate::plan::{Device, Plan, Share};

/// Weight of the newest observation.
const NEWEST: f64 = 0.5;

/// Predicted gain below which nothing changes.
const HYSTERESIS: f64 = 0.05;

/// Rounds per device that are wanted, so that one of them is a small step.
const ROUNDS: usize = 8;

/// The plan of one batch size, adapted from run to run.
#[derive(Debug, Clone)]
pub struct Balance {
    plan: Plan,
    /// Rows per round.
    batch: usize,
    /// Rounds of each device.
    rounds: BTreeMap<Device, usize>,
    /// Smoothed seconds per row.
    row_seconds: BTreeMap<Device, f64>,
}

impl Balance {
    /// Starts from `plan`, dealt again in rounds of one batch: none larger than any device has in `plan`.
    pub fn new(plan: &Plan) -> Balance {
        let total = plan.total();
        let devices = plan.devices();
        let largest = |device: &Device| {
            let own = plan.prefix.iter().filter(|s| s.device == *device);
            own.map(|s| s.batch).max().unwrap_or(1)
        };
        let least = devices.iter().map(largest).min().unwrap_or(1);
        let wanted = total / (ROUNDS * devices.len()).max(1);
        let batch = least.min(wanted).max(1);
        let open = total / batch;
        let share = |device: &Device| plan.rows(*device) as f64 / total.max(1) as f64;
        let weights: Vec<(Device, f64)> = devices.iter().map(|d| (*d, share(d))).collect();
        let mut balance = Balance {
            plan: plan.clone(),
            batch,
            rounds: dealt(open, &weights),
            row_seconds: BTreeMap::new(),
        };
        balance.deal();
        balance
    }

    /// The plan of the next run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes the seconds per prefix row of each device in the last run; says whether the plan changed.
    pub fn observe(&mut self, row_seconds: &BTreeMap<Device, f64>) -> bool {
        for (device, seconds) in row_seconds {
            let usable = seconds.is_finite() && *seconds > 0.0;
            if usable && self.rounds.contains_key(device) {
                let smooth = self.row_seconds.entry(*device).or_insert(*seconds);
                *smooth += NEWEST * (seconds - *smooth);
            }
        }
        if self.row_seconds.len() < self.rounds.len() {
            return false;
        }
        let speeds: Vec<(Device, f64)> = self
            .row_seconds
            .iter()
            .map(|(d, s)| (*d, 1.0 / s))
            .collect();
        let next = dealt(self.rounds.values().sum(), &speeds);
        let gains = self.time(&next) < self.time(&self.rounds) * (1.0 - HYSTERESIS);
        if gains {
            self.rounds = next;
            self.deal();
        }
        gains
    }

    /// Predicted seconds until the last device is done.
    fn time(&self, rounds: &BTreeMap<Device, usize>) -> f64 {
        let times = rounds.iter().map(|(device, rounds)| {
            let row = self.row_seconds.get(device).copied().unwrap_or(0.0);
            row * (rounds * self.batch) as f64
        });
        times.fold(0.0, f64::max)
    }

    /// Writes the rounds into the plan; rows that fill no round go to the first device.
    fn deal(&mut self) {
        let total = self.plan.total();
        let share = |device: &Device, batch, rounds| Share {
            device: *device,
            batch,
            rounds,
        };
        let mut prefix: Vec<Share> = self
            .rounds
            .iter()
            .filter(|(_, rounds)| **rounds > 0)
            .map(|(device, rounds)| share(device, self.batch, *rounds))
            .collect();
        let rest = total % self.batch;
        if let Some((first, _)) = self.rounds.first_key_value().filter(|_| rest > 0) {
            prefix.push(share(first, rest, 1));
        }
        self.plan.prefix = prefix;
    }
}

/// Deals rounds one by one to the device that then ends first; every device keeps one, so that it is seen to recover.
fn dealt(rounds: usize, speeds: &[(Device, f64)]) -> BTreeMap<Device, usize> {
    let least = usize::from(rounds >= speeds.len());
    let mut dealt: Vec<(Device, f64, usize)> = speeds
        .iter()
        .map(|(device, speed)| (*device, speed.max(f64::MIN_POSITIVE), least))
        .collect();
    for _ in least * speeds.len()..rounds {
        let end = |(_, speed, rounds): &(Device, f64, usize)| (rounds + 1) as f64 / speed;
        if let Some(next) = dealt.iter_mut().min_by(|a, b| end(a).total_cmp(&end(b))) {
            next.2 += 1;
        }
    }
    dealt
        .into_iter()
        .map(|(device, _, rounds)| (device, rounds))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::StageKind;
    use crate::sim::{simulate, Costs, ExecutionCost, Flow, Noise};

    /// Microseconds per row.
    struct Board {
        gpu: f64,
        dla: [f64; 2],
    }

    impl Costs for Board {
        fn execution(
            &self,
            _: StageKind,
            device: Device,
            batch: usize,
        ) -> Result<ExecutionCost, String> {
            let row = match device {
                Device::Gpu => self.gpu,
                Device::Dla(core) => self.dla[usize::from(core)],
            };
            Ok(ExecutionCost::time(row * batch as f64))
        }
    }

    /// Runs once, with every time varied by up to 10 %; gives the makespan and whether the plan changed.
    fn run(balance: &mut Balance, board: &Board, seed: u64) -> (f64, bool) {
        let noise = Noise::new(0.1, seed).unwrap();
        let run = simulate(balance.plan(), Flow::Prefix, board, noise).unwrap();
        let rows = run
            .devices
            .iter()
            .map(|(d, used)| (*d, used.busy_us / 1e6 / used.rows as f64));
        let changed = balance.observe(&rows.collect());
        (run.makespan_us, changed)
    }

    /// The makespan if every row could be dealt freely.
    fn ideal(board: &Board, rows: f64) -> f64 {
        rows / (1.0 / board.gpu + 1.0 / board.dla[0] + 1.0 / board.dla[1])
    }

    #[test]
    fn a_slow_down_is_balanced_within_ten_runs_and_nothing_oscillates() {
        let fast = Board {
            gpu: 10.0,
            dla: [20.0, 20.0],
        };
        for (slow, why) in [
            (Board { gpu: 20.0, ..fast }, "a throttled GPU"),
            (
                Board {
                    dla: [40.0, 20.0],
                    ..fast
                },
                "a slower DLA",
            ),
            (Board { gpu: 5.0, ..fast }, "a GPU that is free again"),
        ] {
            let plan = "gpu=16x16,dla0=16x8,dla1=16x8,suffix=512".parse().unwrap();
            let mut balance = Balance::new(&plan);
            let mut seeds = 0..;
            let mut step =
                |balance: &mut Balance, board| run(balance, board, seeds.next().unwrap());
            let early = (0..10).filter(|_| step(&mut balance, &fast).1).count();
            assert_eq!(early, 0, "{why}: noise alone moves nothing");
            let changes = (0..10).filter(|_| step(&mut balance, &slow).1).count();
            assert!((1..=5).contains(&changes), "{why}: {changes}");
            let settled = simulate(balance.plan(), Flow::Prefix, &slow, Noise::NONE).unwrap();
            let best = ideal(&slow, 512.0);
            assert!(
                settled.makespan_us < best * 1.1,
                "{why}: {} us after ten runs, at best {best} us",
                settled.makespan_us
            );
            let later: Vec<(f64, bool)> = (0..50).map(|_| step(&mut balance, &slow)).collect();
            let moved = later.iter().filter(|(_, changed)| *changed).count();
            assert!(moved <= 1, "{why}: {moved} changes after it had settled");
            let mean = later.iter().map(|(us, _)| us).sum::<f64>() / later.len() as f64;
            assert!(mean < best * 1.15, "{why}: {mean} us, at best {best} us");
            balance
                .plan()
                .validate(512, &[Device::Gpu, Device::Dla(0), Device::Dla(1)])
                .unwrap();
        }
    }

    #[test]
    fn any_plan_becomes_rounds_of_one_batch() {
        let all = [Device::Gpu, Device::Dla(0), Device::Dla(1)];
        for (text, batch, why) in [
            (
                "gpu=43x4,dla0=34x5,dla1=34x5,suffix=512",
                21,
                "eight rounds per device",
            ),
            (
                "gpu=64x8,dla0=4x32,dla1=4x32,suffix=768",
                4,
                "no device runs more at once than it did",
            ),
            ("gpu=6x1,dla0=5x1,dla1=5x1,suffix=16", 1, "few rows"),
            ("gpu=2x1,dla0=1x1", 1, "hardly any"),
        ] {
            let plan: Plan = text.parse().unwrap();
            let balance = Balance::new(&plan);
            balance.plan().validate(plan.total(), &all).unwrap();
            assert_eq!(balance.batch, batch, "{text}: {why}");
            assert!(balance.plan().prefix.iter().all(|s| s.batch <= batch));
            assert_eq!(balance.plan().devices(), plan.devices());
        }
    }
}
