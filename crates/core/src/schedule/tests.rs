use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::plan::{Mode, Plan, Share};

const ALL: [Device; 3] = [Device::Gpu, Device::Dla(0), Device::Dla(1)];

fn runs(commands: &[Command]) -> Vec<String> {
    let line = |t: &Task| format!("{} {:?} {:?}", t.device, t.rows, t.window);
    commands
        .iter()
        .filter_map(|c| match c {
            Command::Run(task) => Some(line(task)),
            Command::Keep(_) | Command::Done | Command::Fail(_) => None,
        })
        .collect()
}

#[test]
fn the_papers_scheme() {
    let plan: Plan = "gpu=4x2,dla0=2x1,suffix=5".parse().unwrap();
    let mut schedule = Schedule::new(&plan, true);
    let first = schedule.start(&[]);
    assert_eq!(
        runs(&first),
        ["gpu 0..4 0..4", "dla0 8..10 8..10", "gpu 4..8 4..8"]
    );
    assert_eq!(runs(&schedule.handle(Event::Finished(TaskId(1)))), [""; 0]);
    assert_eq!(runs(&schedule.handle(Event::Finished(TaskId(0)))), [""; 0]);
    let merged = schedule.handle(Event::Finished(TaskId(2)));
    assert_eq!(runs(&merged), ["gpu 0..5 0..5", "gpu 5..10 5..10"]);
    schedule.handle(Event::Finished(TaskId(3)));
    let last = schedule.handle(Event::Finished(TaskId(4)));
    assert!(matches!(last[..], [Command::Keep(_), Command::Done]), "{last:?}");
}

#[test]
fn a_pipelined_suffix_runs_beside_the_prefix_of_later_rows() {
    let plan: Plan = "gpu=2x4,dla0=2x2,suffix=6,mode=pipelined".parse().unwrap();
    let mut schedule = Schedule::new(&plan, true);
    let first = schedule.start(&[]);
    assert_eq!(
        runs(&first),
        [
            "gpu 0..2 0..2",
            "dla0 4..6 4..6",
            "gpu 2..4 2..4",
            "dla0 10..12 10..12"
        ],
        "rows in the order in which they end: gpu, gpu, dla0, gpu, gpu, dla0"
    );
    assert_eq!(
        runs(&schedule.handle(Event::Finished(TaskId(0)))),
        ["gpu 6..8 6..8"]
    );
    assert_eq!(runs(&schedule.handle(Event::Finished(TaskId(1)))), [""; 0]);
    assert_eq!(
        runs(&schedule.handle(Event::Finished(TaskId(2)))),
        ["gpu 0..6 0..6"],
        "before the GPU's last prefix rows"
    );
    assert_eq!(
        runs(&schedule.handle(Event::Finished(TaskId(4)))),
        ["gpu 8..10 8..10"]
    );
    schedule.handle(Event::Finished(TaskId(3)));
    schedule.handle(Event::Finished(TaskId(5)));
    let last = schedule.handle(Event::Finished(TaskId(6)));
    assert_eq!(runs(&last), ["gpu 6..12 6..12"]);
    let end = schedule.handle(Event::Finished(TaskId(7)));
    assert_eq!(end.last(), Some(&Command::Done));
}

#[test]
fn a_lost_device_costs_no_row() {
    let plan: Plan = "gpu=4x1,dla0=3x2,suffix=10".parse().unwrap();
    let mut schedule = Schedule::new(&plan, true);
    schedule.start(&[]);
    let again = schedule.handle(Event::Lost(Device::Dla(0), Loss::Failed));
    assert_eq!(runs(&again), ["gpu 4..8 4..8"], "a whole batch first");
    let rest = schedule.handle(Event::Finished(TaskId(0)));
    assert_eq!(
        runs(&rest),
        ["gpu 8..10 6..10"],
        "the rest reads rows 6 and 7 again"
    );
    assert_eq!(schedule.redealt(Device::Dla(0)), 6);
    assert_eq!(
        schedule.handle(Event::Finished(TaskId(1))),
        [],
        "a late result is ignored"
    );
}

#[test]
fn a_run_that_cannot_end_says_why() {
    let gpu = (Device::Gpu, Loss::TimedOut);
    let dla = (Device::Dla(0), Loss::Failed);
    for (text, suffix, gone, want, why) in [
        (
            "gpu=4x1,dla0=4x1",
            true,
            vec![gpu],
            Some(Failure::SuffixNeedsGpu(Loss::TimedOut)),
            "nothing else runs the suffix",
        ),
        (
            "gpu=4x1,dla0=4x1",
            false,
            vec![gpu],
            None,
            "a network of prefix only",
        ),
        (
            "dla0=4x2",
            true,
            vec![dla],
            Some(Failure::NoDeviceLeft { rows: 8 }),
            "the GPU has no prefix engine",
        ),
        (
            "gpu=4x1,dla0=4x1",
            false,
            vec![gpu, dla],
            Some(Failure::NoDeviceLeft { rows: 8 }),
            "both",
        ),
    ] {
        let plan: Plan = text.parse().unwrap();
        let commands = Schedule::new(&plan, suffix).start(&gone);
        let got = commands.iter().find_map(|c| match c {
            Command::Fail(failure) => Some(*failure),
            Command::Run(_) | Command::Keep(_) | Command::Done => None,
        });
        assert_eq!(got, want, "{text}: {why}");
    }
}

/// Devices in virtual time: each runs its tasks in order; a lost one may still answer.
#[derive(Default)]
struct World {
    running: Vec<Task>,
    late: Vec<Task>,
    kept: [Vec<usize>; 2],
    lost: Vec<Device>,
    done: bool,
    failed: Option<Failure>,
}

impl World {
    fn obey(&mut self, plan: &Plan, commands: Vec<Command>) {
        for command in commands {
            assert!(!self.done && self.failed.is_none(), "a command after the end");
            match command {
                Command::Run(task) => self.run(plan, task),
                Command::Keep(task) => {
                    for row in task.rows {
                        self.kept[task.phase as usize][row] += 1;
                    }
                }
                Command::Done => self.done = true,
                Command::Fail(failure) => self.failed = Some(failure),
            }
        }
    }

    fn run(&mut self, plan: &Plan, task: Task) {
        assert!(!self.lost.contains(&task.device), "work for a lost device");
        assert!(task.window.start <= task.rows.start && task.rows.end <= task.window.end);
        assert!(!task.rows.is_empty() && task.window.end <= plan.total());
        let built = match task.phase {
            Phase::Prefix => plan
                .prefix
                .iter()
                .any(|s| s.device == task.device && s.batch == task.window.len()),
            Phase::Suffix => {
                let needed = match plan.mode {
                    Mode::Merged => &self.kept[0][..],
                    Mode::Pipelined => &self.kept[0][task.window.clone()],
                };
                let merged = needed.iter().all(|n| *n == 1);
                merged && task.device == Device::Gpu && task.window.len() == plan.suffix_batch
            }
        };
        assert!(built, "no such engine, or rows not merged yet: {task:?}");
        self.running.push(task);
        let device = self.running[self.running.len() - 1].device;
        let busy = self.running.iter().filter(|t| t.device == device).count();
        assert!(busy <= Schedule::DEPTH);
    }

    /// The next thing that happens: one of the devices finishes its oldest task, is lost, or answers late.
    fn next(&mut self, pick: &Index, loses: bool) -> Event {
        let mut oldest: Vec<usize> = Vec::new();
        for (at, task) in self.running.iter().enumerate() {
            if !oldest.iter().any(|o| self.running[*o].device == task.device) {
                oldest.push(at);
            }
        }
        let choice = pick.index(oldest.len() + self.late.len());
        if choice >= oldest.len() {
            return Event::Finished(self.late.remove(choice - oldest.len()).id);
        }
        let device = self.running[oldest[choice]].device;
        if !loses {
            return Event::Finished(self.running.remove(oldest[choice]).id);
        }
        let (gone, left) = self.running.drain(..).partition(|t| t.device == device);
        (self.late, self.running) = (gone, left);
        self.lost.push(device);
        Event::Lost(device, Loss::TimedOut)
    }
}

fn plans() -> impl Strategy<Value = Plan> {
    let shares = proptest::collection::vec((0usize..3, 1usize..9, 1usize..6), 1..5);
    (shares, any::<Index>()).prop_map(|(shares, pick)| {
        let mut prefix: Vec<Share> = Vec::new();
        for (d, batch, rounds) in shares {
            let device = ALL[d];
            if !prefix.iter().any(|s| s.device == device && s.batch == batch) {
                prefix.push(Share {
                    device,
                    batch,
                    rounds,
                });
            }
        }
        let total = prefix.iter().map(Share::rows).sum();
        let divisors: Vec<usize> = (1..=total).filter(|n| total % n == 0).collect();
        let suffix_batch = *pick.get(&divisors);
        Plan::new(prefix, suffix_batch)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_timing_and_any_loss_keeps_every_row_once(
        plan in plans(),
        suffix: bool,
        pipelined: bool,
        losses in 0usize..3,
        steps in proptest::collection::vec((any::<Index>(), 0u8..6), 1..40),
    ) {
        let mode = if pipelined { Mode::Pipelined } else { Mode::Merged };
        let plan = Plan { mode, ..plan };
        if !(pipelined && plan.gpu_alone()) {
            plan.validate(plan.total(), &ALL).unwrap();
        }
        let total = plan.total();
        let mut world = World { kept: [vec![0; total], vec![0; total]], ..World::default() };
        let mut schedule = Schedule::new(&plan, suffix);
        let first = schedule.start(&[]);
        world.obey(&plan, first);
        let mut turns = 0;
        while !world.done && world.failed.is_none() {
            prop_assert!(!world.running.is_empty(), "nothing runs and nothing has ended");
            let (pick, dice) = &steps[turns % steps.len()];
            let event = world.next(pick, *dice == 0 && world.lost.len() < losses);
            let commands = schedule.handle(event);
            world.obey(&plan, commands);
            turns += 1;
            prop_assert!(turns < 40 * total + 40, "does not end");
        }
        for task in world.late.drain(..) {
            prop_assert_eq!(schedule.handle(Event::Finished(task.id)), []);
        }
        if world.done {
            prop_assert!(world.kept[0].iter().all(|n| *n == 1));
            prop_assert!(world.kept[1].iter().all(|n| *n == usize::from(suffix)));
        }
        let engines = |d: &Device| plan.rows(*d) > 0;
        let gpu_lost = world.lost.contains(&Device::Gpu);
        match world.failed {
            Some(Failure::SuffixNeedsGpu(_)) => prop_assert!(suffix && gpu_lost),
            Some(Failure::NoDeviceLeft { .. }) =>
                prop_assert!(ALL.iter().filter(|d| engines(d)).all(|d| world.lost.contains(d))),
            None => prop_assert!(world.done && !(suffix && gpu_lost)),
        }
    }
}
