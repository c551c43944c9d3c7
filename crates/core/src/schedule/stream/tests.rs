use std::collections::{BTreeMap, BinaryHeap, HashMap};

use std::cmp::Reverse;

use proptest::prelude::*;

use super::*;
use crate::schedule::Pace;

const GPU: Device = Device::Gpu;

fn ms(value: f64) -> Duration {
    Duration::from_secs_f64(value / 1e3)
}

/// What an execution of `rows` takes: a fixed part and a part per row, in milliseconds.
type Speed = (f64, f64);

fn timed(batches: &[usize], (fixed, row): Speed) -> Vec<TimedEngine> {
    let timed = |batch: &usize| TimedEngine {
        batch: *batch,
        expected: ms(fixed + row * *batch as f64),
    };
    batches.iter().map(timed).collect()
}

/// A GPU of 1, 4 and 16 rows.
fn gpu() -> StreamLane {
    StreamLane {
        device: GPU,
        first: timed(&[1, 4, 16], (1.0, 0.25)),
        suffix: timed(&[1, 8], (0.2, 0.01)),
        merges: false,
    }
}

/// A slower DLA, whose items go on to the suffix.
fn dla(core: u8) -> StreamLane {
    StreamLane {
        device: Device::Dla(core),
        first: timed(&[2, 8], (1.0, 0.5)),
        suffix: Vec::new(),
        merges: true,
    }
}

fn rules(lanes: Vec<StreamLane>, bound: Option<f64>) -> StreamRules {
    StreamRules {
        lanes,
        bound: bound.map(ms),
        slack: Duration::ZERO,
        capacity: 1000,
        overflow: Overflow::Wait,
        order: Order::Arrival,
    }
}

/// What happened in a stream driven in virtual time.
#[derive(Debug, Default)]
struct StreamRecord {
    tasks: Vec<(Duration, StreamTask)>,
    /// Item, fate, arrival, answer.
    answers: Vec<(Item, Fate, Duration, Duration)>,
    most_open: usize,
    done: bool,
}

impl StreamRecord {
    fn latencies(&self) -> Vec<Duration> {
        let mut times: Vec<_> = self.answers.iter().map(|a| a.3 - a.2).collect();
        times.sort();
        times
    }
}

/// Times that the machine does not know: of executions, of losses, of whoever takes the answers.
struct Around<F> {
    arrivals: Vec<Duration>,
    losses: Vec<(Duration, Device, Loss)>,
    /// How much longer than expected the nth execution takes.
    factor: F,
    take_after: Duration,
}

fn around(arrivals: Vec<Duration>) -> Around<fn(usize) -> f64> {
    Around {
        arrivals,
        losses: Vec::new(),
        factor: |_| 1.0,
        take_after: Duration::ZERO,
    }
}

/// Drives a stream to its end, and checks what must hold of any command.
fn drive<F: Fn(usize) -> f64>(rules: &StreamRules, world: &Around<F>) -> StreamRecord {
    let mut stream = Stream::new(rules).unwrap();
    let mut seen = StreamRecord::default();
    let mut events: BinaryHeap<Reverse<(Duration, usize)>> = BinaryHeap::new();
    let mut queued: Vec<StreamEvent> = Vec::new();
    let later = |at, event, events: &mut BinaryHeap<_>, queued: &mut Vec<_>| {
        events.push(Reverse((at, queued.len())));
        queued.push(event);
    };
    for (at, device, loss) in &world.losses {
        later(*at, StreamEvent::Lost(*device, *loss), &mut events, &mut queued);
    }
    let mut free: HashMap<Device, Duration> = HashMap::new();
    let mut running: BTreeMap<TaskId, StreamTask> = BTreeMap::new();
    let (mut arrived, mut now, mut closed, mut shelf) = (0, Duration::ZERO, false, 0usize);
    let mut arrived_at = Vec::new();
    while !seen.done {
        // Whichever comes first; an arrival only when the stream takes one.
        let arrival = world.arrivals.get(arrived).filter(|_| stream.room() > 0);
        let arrival = arrival.map(|at| (*at).max(now));
        let close = (arrived == world.arrivals.len() && !closed).then_some(now);
        let event = events.peek().map(|Reverse((at, _))| *at);
        let wake = stream.wake_at(now);
        let next = [arrival, close, event, wake].into_iter().flatten().min();
        now = next.expect("the stream goes on").max(now);
        let commands = if close == next && close.is_some() {
            closed = true;
            stream.handle(now, StreamEvent::Closed)
        } else if event == next {
            let Reverse((_, at)) = events.pop().unwrap();
            shelf -= usize::from(queued[at] == StreamEvent::Taken);
            stream.handle(now, queued[at].clone())
        } else if arrival == next {
            let at = world.arrivals[arrived];
            let rest = world.arrivals[arrived..].iter().take(stream.room());
            let items = rest.take_while(|other| **other == at).count();
            arrived_at.extend(vec![at; items]);
            arrived += items;
            stream.handle(now, StreamEvent::Arrived { at, items })
        } else {
            stream.handle(now, StreamEvent::Tick)
        };
        for command in commands {
            match command {
                StreamCommand::Run(task) => {
                    check(rules, &task);
                    let lane = rules.lanes.iter().find(|l| l.device == task.device).unwrap();
                    let sizes = match task.phase {
                        Phase::Prefix => &lane.first,
                        Phase::Suffix => &lane.suffix,
                    };
                    let size = sizes.iter().find(|s| s.batch == task.batch).unwrap();
                    let took = size.expected.mul_f64((world.factor)(seen.tasks.len()));
                    let start = free.get(&task.device).copied().unwrap_or_default().max(now);
                    free.insert(task.device, start + took);
                    let finished = StreamEvent::Finished(task.id);
                    later(start + took, finished, &mut events, &mut queued);
                    running.insert(task.id, task.clone());
                    seen.tasks.push((start, task));
                }
                StreamCommand::Keep(task) => {
                    assert_eq!(running.remove(&task.id), Some(task), "kept once");
                }
                StreamCommand::Deliver(item, fate) => {
                    assert!(!seen.done);
                    let at = arrived_at[item.0 as usize];
                    seen.answers.push((item, fate, at, now));
                    shelf += 1;
                    later(
                        now + world.take_after,
                        StreamEvent::Taken,
                        &mut events,
                        &mut queued,
                    );
                }
                StreamCommand::Done => seen.done = true,
            }
        }
        seen.most_open = seen.most_open.max(stream.open() + shelf);
    }
    assert_eq!(stream.open(), 0);
    seen
}

fn check(rules: &StreamRules, task: &StreamTask) {
    assert!(
        !task.items.is_empty() && task.items.len() <= task.batch,
        "{task:?}"
    );
    assert!(task.items.is_sorted(), "{task:?}");
    let gpu = task.device == GPU;
    assert!(task.phase == Phase::Prefix || gpu, "the suffix runs on the GPU");
    assert!(rules.lanes.iter().any(|l| l.device == task.device));
}

fn runs(seen: &StreamRecord) -> Vec<String> {
    let line = |(at, t): &(Duration, StreamTask)| {
        let items: Vec<String> = t.items.iter().map(|i| i.0.to_string()).collect();
        let phase = match t.phase {
            Phase::Prefix => "",
            Phase::Suffix => " suffix",
        };
        let at = at.as_micros() as f64 / 1e3;
        format!("{at} {}{phase} {} of {}", t.device, items.join(" "), t.batch)
    };
    seen.tasks.iter().map(line).collect()
}

fn at(times: &[f64]) -> Vec<Duration> {
    times.iter().copied().map(ms).collect()
}

#[test]
fn batches_start_when_full_or_when_the_oldest_would_be_late() {
    // One row takes 1.25 ms and, until an execution has ended, counts as a quarter more.
    for (bound, arrivals, want, why) in [
        (
            None,
            at(&[0.0, 0.1, 0.2]),
            vec!["0 gpu 0 of 1", "1.25 gpu 1 of 1", "2.5 gpu 2 of 1"],
            "no bound: a free device waits for nobody, and a full engine has no better",
        ),
        (
            Some(30.0),
            at(&[0.0]),
            vec!["0 gpu 0 of 1"],
            "the source has closed: nobody else comes",
        ),
        (
            Some(30.0),
            at(&[0.0, 90.0]),
            vec!["28.437 gpu 0 of 1", "90 gpu 1 of 1"],
            "a lone item waits until 30 - 1.25 x 1.25 ms",
        ),
        (
            Some(30.0),
            at(&[0.0, 1.0, 2.0, 3.0, 4.0, 90.0]),
            vec!["27.5 gpu 0 1 2 3 of 4", "32.437 gpu 4 of 1", "90 gpu 5 of 1"],
            "as many as an engine takes without padding; the fifth has time until 34 - 1.5625 ms",
        ),
        (
            Some(30.0),
            at(&[0.0; 17]),
            vec![
                "0 gpu 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 of 16",
                "5 gpu 16 of 1",
            ],
            "full at once",
        ),
    ] {
        let seen = drive(&rules(vec![gpu()], bound), &around(arrivals));
        assert_eq!(runs(&seen), want, "{why}");
    }
}

#[test]
fn a_dlas_items_go_on_to_the_suffix_before_new_items() {
    let arrivals = at(&[0.0; 35]);
    let seen = drive(&rules(vec![dla(0), gpu()], None), &around(arrivals));
    let phases = |t: &(Duration, StreamTask)| (t.1.device == GPU).then_some(t.1.phase);
    let gpu: Vec<Phase> = seen.tasks.iter().filter_map(phases).collect();
    let want = [Phase::Prefix, Phase::Prefix, Phase::Suffix, Phase::Prefix];
    assert_eq!(gpu[..4], want, "{:?}", runs(&seen));
}

#[test]
fn offline_is_the_stream_in_which_everything_has_arrived() {
    for (lanes, rows) in [(vec![gpu()], 100), (vec![gpu(), dla(0), dla(1)], 333)] {
        let seen = drive(&rules(lanes, None), &around(vec![Duration::ZERO; rows]));
        let first = seen.tasks.iter().filter(|(_, t)| t.phase == Phase::Prefix);
        let full = |t: &StreamTask| t.items.len() == if t.device == GPU { 16 } else { 8 };
        let rest = first.skip_while(|(_, t)| full(t));
        let rest: usize = rest.map(|(_, t)| t.items.len()).sum();
        assert!(rest < 16, "full batches, then the rest: {:?}", runs(&seen));
        assert_eq!(seen.answers.len(), rows);
    }
}

#[test]
fn a_bound_that_no_engine_keeps_is_refused_with_the_nearest() {
    let error = Stream::new(&rules(vec![gpu(), dla(0)], Some(1.0))).unwrap_err();
    assert_eq!((error.device, error.batch), (GPU, 1));
    let text = error.to_string();
    assert!(text.contains("1ms") && text.contains("1.5625ms"), "{text}");
    assert!(Stream::new(&rules(vec![gpu()], Some(1.6))).is_ok());
}

#[test]
fn a_full_stream_waits_or_drops_as_asked() {
    let fates = |overflow| {
        let rules = StreamRules {
            capacity: 4,
            overflow,
            ..rules(
                vec![StreamLane {
                    first: timed(&[1], (10.0, 0.0)),
                    ..gpu()
                }],
                None,
            )
        };
        let seen = drive(&rules, &around(at(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 50.0])));
        let fate = |a: &(Item, Fate, Duration, Duration)| match a.1 {
            Fate::Computed => 'c',
            Fate::Dropped => 'd',
            Fate::Failed(_) => 'f',
        };
        (seen.answers.iter().map(fate).collect::<String>(), seen)
    };
    let (waited, seen) = fates(Overflow::Wait);
    assert_eq!(waited, "ccccccc");
    assert_eq!(seen.answers[6].3, ms(70.0), "the last waits for six of 10 ms");
    assert_eq!(fates(Overflow::DropNewest).0, "ccccddc");
    assert_eq!(
        fates(Overflow::DropOldest).0,
        "ccddccc",
        "0 and 1 are with the device"
    );
}

#[test]
fn a_stream_without_devices_answers_every_item_with_the_reason() {
    for (lanes, lost, want) in [
        (vec![gpu()], vec![GPU], Failure::NoDeviceLeft { rows: 3 }),
        (
            vec![gpu(), dla(0)],
            vec![GPU],
            Failure::SuffixNeedsGpu(Loss::Failed),
        ),
    ] {
        let mut world = around(at(&[0.0, 0.0, 0.0, 60.0]));
        let losses = lost.into_iter().map(|d| (ms(0.5), d, Loss::Failed));
        world.losses = losses.collect();
        let seen = drive(&rules(lanes, Some(30.0)), &world);
        let fates: Vec<Fate> = seen.answers.iter().map(|a| a.1).collect();
        assert_eq!(fates, [Fate::Failed(want); 4]);
        assert_eq!(seen.answers[3].3, ms(60.0), "also what arrives later");
    }
}

#[test]
fn a_device_that_failed_is_tried_again_and_one_that_hangs_is_not() {
    let arrivals: Vec<f64> = (0..400).map(|n| f64::from(n) * 20.0).collect();
    for (losses, want, why) in [
        (
            &[(100.0, Loss::Failed)][..],
            &[(100.0, 1100.0)][..],
            "a second later",
        ),
        (
            &[(100.0, Loss::Failed), (3000.0, Loss::Failed)],
            &[(100.0, 1100.0), (3000.0, 4000.0)],
            "it worked in between, so that it is the first failure again",
        ),
        (&[(100.0, Loss::TimedOut)], &[(100.0, 9000.0)], "never"),
    ] {
        let mut world = around(at(&arrivals));
        let loss = |(at, loss): &(f64, Loss)| (ms(*at), Device::Dla(0), *loss);
        world.losses = losses.iter().map(loss).collect();
        // The DLA is the faster one, so that it is used whenever it may be.
        let quick = StreamLane {
            first: timed(&[1], (0.1, 0.1)),
            merges: false,
            ..dla(0)
        };
        let seen = drive(&rules(vec![gpu(), quick], None), &world);
        assert_eq!(seen.answers.len(), 400);
        let used = |from: f64, to: f64| {
            let inside = |at: &Duration| *at > ms(from) && *at < ms(to);
            let tasks = seen.tasks.iter().filter(|(at, _)| inside(at));
            tasks.filter(|(_, task)| task.device == Device::Dla(0)).count()
        };
        for (from, to) in want {
            assert_eq!(used(*from, *to), 0, "{why}: not from {from} to {to} ms");
        }
        let last = want.last().map_or(0.0, |(_, to)| *to);
        let all_day = last >= 9000.0;
        assert_eq!(used(last, 8000.0) > 0, !all_day, "{why}");
        assert!(used(0.0, 100.0) > 0, "{why}");
    }
}

#[test]
fn pauses_double_while_a_device_goes_on_failing() {
    let mut lane = super::lane::Lane::new(&dla(0));
    let mut now = Duration::ZERO;
    for (pause, why) in [
        (1, "the first failure"),
        (2, "the second in a row"),
        (4, "the third"),
        (8, "and so on"),
        (16, ""),
        (32, ""),
        (64, ""),
        (64, "but no longer than this"),
    ] {
        lane.lose(Loss::Failed, now);
        let back = now + Duration::from_secs(pause);
        lane.retry(back - Duration::from_millis(1));
        assert!(lane.is_lost(), "{pause} s: {why}");
        lane.retry(back);
        assert!(!lane.is_lost(), "{pause} s: {why}");
        now = back;
    }
    lane.lose(Loss::TimedOut, now);
    lane.retry(now + Duration::from_secs(1_000_000));
    assert!(lane.is_lost());
}

/// Rows per second of full batches on every device, the suffix not counted.
fn capacity(lanes: &[StreamLane]) -> f64 {
    let rate = |t: &TimedEngine| t.batch as f64 / t.expected.as_secs_f64();
    let lane = |l: &StreamLane| l.first.iter().map(rate).fold(0.0, f64::max);
    lanes.iter().map(lane).sum()
}

#[test]
fn at_80_percent_of_the_offline_rate_the_99th_percentile_keeps_the_bound() {
    for (lanes, bound, why) in [
        (vec![gpu()], 20.0, "four executions of the largest batch"),
        (vec![gpu(), dla(0), dla(1)], 30.0, "three devices"),
        (vec![gpu(), dla(0)], 60.0, "a long bound"),
    ] {
        let rate = 0.8 * capacity(&lanes);
        for seed in 0..2 {
            let arrivals = Pace::Poisson { rate, seed }.arrivals().take(6_000);
            let mut world = around(arrivals.collect());
            world.factor = |n| [1.0, 0.95, 1.05, 1.0, 0.9, 1.1][n % 6];
            let seen = drive(&rules(lanes.clone(), Some(bound)), &world);
            let latencies = seen.latencies();
            let p99 = latencies[latencies.len() * 99 / 100];
            assert!(p99 <= ms(bound), "{why}: p99 {p99:?} at {rate:.0}/s");
        }
    }
}

#[test]
fn a_slower_machine_is_noticed_within_ten_executions_of_each_device() {
    const CHANGE: usize = 300;
    let lanes = vec![gpu(), dla(0), dla(1)];
    for (slower, bound, why) in [
        (1.5, 45.0, "another power mode"),
        (2.5, 75.0, "one that is far slower"),
        (0.5, 30.0, "a board that is free again"),
    ] {
        let rate = 0.8 * capacity(&lanes) / f64::max(slower, 1.0);
        let arrivals = Pace::Poisson { rate, seed: 3 }.arrivals().take(6_000);
        let world = around(arrivals.collect());
        let noise = |n: usize| [1.0, 0.95, 1.05, 1.0, 0.9, 1.1][n % 6];
        let world = Around {
            arrivals: world.arrivals,
            losses: world.losses,
            factor: |n| noise(n) * if n < CHANGE { 1.0 } else { slower },
            take_after: world.take_after,
        };
        let seen = drive(&rules(lanes.clone(), Some(bound)), &world);
        let noticed = seen.tasks[CHANGE + 10 * lanes.len()].0;
        let later = seen
            .answers
            .iter()
            .filter(|(_, _, arrival, _)| *arrival > noticed);
        let mut latencies: Vec<Duration> = later.map(|a| a.3 - a.2).collect();
        latencies.sort();
        assert!(latencies.len() > 1000, "{why}: {}", latencies.len());
        let p99 = latencies[latencies.len() * 99 / 100];
        assert!(p99 <= ms(bound), "{why}: p99 {p99:?} at {rate:.0}/s");
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_or_reordered_whatever_the_times(
        gaps in proptest::collection::vec(0u64..4000, 1..120),
        factors in proptest::collection::vec(0.1f64..8.0, 8),
        bound in proptest::option::of(6.0f64..60.0),
        capacity in 1usize..40,
        overflow in 0usize..3,
        completion in any::<bool>(),
        losses in proptest::collection::vec((0u64..60_000, 1u8..3, any::<bool>()), 0..3),
        take_after in 0u64..9000,
        merges in any::<bool>(),
    ) {
        let mut now = Duration::ZERO;
        let arrivals: Vec<Duration> = gaps.iter().map(|gap| { now += Duration::from_micros(*gap); now }).collect();
        let lanes = [gpu(), dla(0), dla(1)].map(|l| StreamLane { merges: merges && l.merges, ..l });
        let rules = StreamRules {
            capacity,
            overflow: [Overflow::Wait, Overflow::DropNewest, Overflow::DropOldest][overflow],
            order: if completion { Order::Completion } else { Order::Arrival },
            ..rules(lanes.to_vec(), bound)
        };
        let loss = |hung| if hung { Loss::TimedOut } else { Loss::Failed };
        let world = Around {
            arrivals,
            losses: losses.iter().map(|(at, core, hung)| (Duration::from_micros(*at), Device::Dla(core - 1), loss(*hung))).collect(),
            factor: |n: usize| factors[n % factors.len()],
            take_after: Duration::from_micros(take_after),
        };
        let seen = drive(&rules, &world);
        let mut items: Vec<u64> = seen.answers.iter().map(|a| a.0.0).collect();
        if completion {
            items.sort_unstable();
        }
        prop_assert_eq!(items, (0..gaps.len() as u64).collect::<Vec<_>>(), "each once, in order");
        let lost_fate = |f: &Fate| matches!(f, Fate::Failed(_)) || (rules.overflow == Overflow::Wait && *f == Fate::Dropped);
        prop_assert!(!seen.answers.iter().any(|a| lost_fate(&a.1)), "the GPU is left, so every item is computed or dropped as asked");
        prop_assert!(rules.overflow != Overflow::Wait || seen.most_open <= capacity, "{} of {}", seen.most_open, capacity);
    }

    #[test]
    fn an_item_that_finds_a_free_device_keeps_its_bound(
        gaps in proptest::collection::vec(12_000u64..50_000, 2..40),
        bound in 4.0f64..40.0,
        speeds in proptest::collection::vec((0.2f64..1.0, 0.05f64..0.3), 2),
        with_dla in any::<bool>(),
    ) {
        let mut now = Duration::ZERO;
        let arrivals: Vec<Duration> = gaps.iter().map(|gap| { now += Duration::from_micros(*gap); now }).collect();
        let mut lanes = vec![StreamLane { first: timed(&[1, 4, 16], speeds[0]), ..gpu() }];
        lanes.extend(with_dla.then(|| StreamLane { first: timed(&[2, 8], speeds[1]), ..dla(0) }));
        let seen = drive(&rules(lanes, Some(bound)), &around(arrivals));
        let worst = seen.latencies().pop().unwrap();
        prop_assert!(worst <= ms(bound), "{:?} of {} ms", worst, bound);
    }
}
