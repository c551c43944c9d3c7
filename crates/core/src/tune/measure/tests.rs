use std::collections::BTreeMap;

use super::*;
use crate::plan::{Device, Plan, StageKind};
use crate::sim::{Costs, Flow, Load, Noise, simulate};

fn head() -> Head {
    Head::new("abc".into(), "cpu".into(), "threads=1".into())
}

fn entries() -> Vec<Entry> {
    let engine = |device: &str, stage: StageKind, batch, seconds| Entry::Engine {
        device: device.into(),
        stage: stage.into(),
        batch,
        seconds,
    };
    vec![
        engine("gpu", StageKind::Prefix, 1, 0.003),
        engine("gpu", StageKind::Prefix, 1, 0.002),
        engine("gpu", StageKind::Prefix, 4, 0.005),
        engine("dla0", StageKind::Prefix, 4, 0.010),
        engine("gpu", StageKind::Suffix, 12, 0.001),
        Entry::Together {
            plan: plan("gpu=4x2,dla0=4x1"),
            row_seconds: rows(&[("gpu", 0.001875), ("dla0", 0.003)]),
            overhead: 0.0002,
        },
        Entry::Run {
            plan: plan("gpu=4x2"),
            race: 0,
            seconds: 0.0099,
            row_seconds: rows(&[("gpu", 0.0012)]),
            joules: None,
        },
        Entry::Run {
            plan: plan("gpu=4x2"),
            race: 0,
            seconds: 0.0099,
            row_seconds: rows(&[("gpu", 0.0012)]),
            joules: Some(0.25),
        },
        Entry::Power {
            idle: 3.0,
            gpu: 6.5,
            dla: 1.25,
        },
    ]
}

fn rows(seconds: &[(&str, f64)]) -> BTreeMap<String, f64> {
    let seconds = seconds.iter();
    seconds.map(|(d, s)| (d.to_string(), *s)).collect()
}

fn plan(text: &str) -> Plan {
    text.parse().unwrap()
}

fn text() -> String {
    let lines: Vec<String> = entries().iter().map(Entry::line).collect();
    head().line() + &lines.concat()
}

#[test]
fn a_log_reads_back_and_a_cut_off_line_costs_one_measurement() {
    let text = text();
    assert_eq!(read(&text, &head()).unwrap().entries, entries());
    assert_eq!(read("", &head()).unwrap(), Log::default());
    for cut in 1..text.len() {
        let log = read(&text[..cut], &head()).unwrap();
        let lines = text[..cut].matches('\n').count();
        assert_eq!(log.entries.len(), lines.saturating_sub(1), "{cut}");
        assert!(text[..log.whole].is_empty() || text[..log.whole].ends_with('\n'));
    }
}

#[test]
fn logs_of_something_else_are_refused() {
    let text = text();
    for (ours, want) in [
        (
            Head::new("xyz".into(), "cpu".into(), "threads=1".into()),
            "log of the artifact `abc`, not `xyz`",
        ),
        (
            Head::new("abc".into(), "nx".into(), "threads=1".into()),
            "log of the board `cpu`, not `nx`",
        ),
        (
            Head::new("abc".into(), "cpu".into(), "threads=2".into()),
            "log of the options `threads=1`, not `threads=2`",
        ),
    ] {
        let error = read(&text, &ours).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    for (from, to, want) in [
        ("\"version\":2", "\"version\":9", "format version 9"),
        ("\"engine\"", "\"motor\"", "line 2 is no measurement"),
        ("{\"run\"", "{{\"run\"", "line 8 is no measurement"),
    ] {
        let error = read(&text.replacen(from, to, 1), &head()).unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
    }
}

#[test]
fn measurements_become_costs() {
    let costs = MeasuredCosts::new(entries().iter());
    let time = |rows| {
        costs
            .execution(StageKind::Prefix, Device::Gpu, rows)
            .unwrap()
            .alone_us
    };
    for (rows, want, why) in [
        (1, 2000.0, "the least of two measurements"),
        (2, 3000.0, "between two batches"),
        (4, 5000.0, "measured"),
        (8, 10_000.0, "in proportion beyond the largest"),
    ] {
        assert!((time(rows) - want).abs() < 1e-6, "{rows}: {why}");
    }
    assert!(costs.execution(StageKind::Whole, Device::Gpu, 1).is_err());
    let pair = pair(4, 4);
    let slow = costs.slow_down(&pair);
    assert!(
        (slow[0] - 1.5).abs() < 1e-9 && (slow[1] - 1.2).abs() < 1e-9,
        "{slow:?}"
    );
    assert_eq!(costs.slow_down(&pair[..1]), [1.0]);
    let run = simulate(&plan("gpu=4x2,dla0=4x1"), Flow::PrefixSuffix, &costs, Noise::NONE).unwrap();
    let want = 12_000.0 + (15_000.0 - 12_000.0) / 1.5 + 200.0 + 1000.0;
    assert!((run.makespan_us - want).abs() < 1.0, "{} {want}", run.makespan_us);
}

#[test]
fn what_plans_of_earlier_races_showed_corrects_the_costs() {
    let run = |race, text: &str, gpu, dla| Entry::Run {
        plan: plan(text),
        race,
        seconds: 0.02,
        row_seconds: rows(&[("gpu", gpu), ("dla0", dla)]),
        joules: None,
    };
    let mut log = entries();
    for (race, dla) in [(0, 0.005), (0, 0.0045), (1, 0.02)] {
        // With the devices to itself the GPU takes 2 ms for one row and 5 for four, the DLA 10 for four.
        log.push(run(race, "gpu=1x1,gpu=4x1,dla0=4x1", 0.0021, dla));
    }
    log.push(run(0, "gpu=4x4,dla0=4x1", 1.0, 1.0));
    log.push(run(0, "gpu=4x1,dla0=5x1,cut=early", 1.0, 1.0));
    log.push(Entry::Together {
        plan: plan("gpu=8x1,dla0=8x1"),
        row_seconds: rows(&[("gpu", 0.00125), ("dla0", 0.0035)]),
        overhead: 0.0003,
    });
    for (total, race, batch, want, why) in [
        (9, 0, 4, [1.5, 1.2], "nothing ran but the devices side by side"),
        (
            9,
            1,
            4,
            [1.5, 1.8],
            "the median of three, without the second race",
        ),
        (8, 1, 4, [1.5, 1.2], "runs of other batches do not count"),
        (9, 0, 8, [1.0, 1.4], "more rows at once have factors of their own"),
        (9, 0, 6, [1.25, 1.3], "between the two"),
        (9, 0, 64, [1.0, 1.4], "as of the largest"),
        (9, 0, 1, [1.5, 1.2], "as of the least"),
    ] {
        let known = log.iter().filter(|entry| entry.before(total, race));
        let got = MeasuredCosts::new(known).slow_down(&pair(batch, batch));
        let near = got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(near, "{why}: {got:?}");
    }
}

fn pair(gpu: usize, dla: usize) -> [Load; 2] {
    [(Device::Gpu, gpu), (Device::Dla(0), dla)].map(|(device, rows)| Load {
        device,
        rows,
        demand: 0.0,
    })
}

/// A machine whose times vary by a tenth either way, with now and then one three times as long.
fn noisy(seed: &mut u64, mean: f64) -> f64 {
    *seed = crate::schedule::mixed(*seed);
    let unit = (*seed >> 11) as f64 / (1u64 << 53) as f64;
    let spike = if seed.is_multiple_of(17) { 3.0 } else { 1.0 };
    mean * (0.9 + 0.2 * unit) * spike
}

fn run(means: &[f64], mut seed: u64) -> Race {
    let mut race = Race::new(means.len(), 0.02, 25);
    while let Some(at) = race.next() {
        let before = race.left();
        race.record(at, noisy(&mut seed, means[at]));
        assert!(before > 0);
    }
    race
}

#[test]
fn a_race_finds_the_fastest_through_noise_and_drops_the_slow() {
    for seed in 1..60 {
        let race = run(&[1.3, 1.0, 2.0], seed);
        assert_eq!(race.winner(), Some(1), "seed {seed}");
        let standings = race.standings();
        assert!(standings.iter().all(|s| s.runs >= 5 && s.runs <= 25));
        assert!(
            standings[2].runs < 15,
            "twice as slow drops out early: {standings:?}"
        );
        assert!(standings[1].low <= standings[1].median && standings[1].median <= standings[1].high);
    }
}

#[test]
fn a_race_resumes_and_sees_drift() {
    let mut race = Race::new(2, 0.0, 12);
    for seconds in [1.0; 6] {
        race.record(0, seconds);
        race.record(1, seconds * 1.1);
    }
    assert!(race.drift().abs() < 1e-9);
    for seconds in [1.2; 6] {
        race.record(0, seconds);
        race.record(1, seconds * 1.1);
    }
    assert!((race.drift() - 0.2).abs() < 1e-9, "{}", race.drift());
    assert_eq!(race.next(), None, "12 runs each came from the log");
    assert_eq!(Race::new(0, 0.02, 9).next(), None);
    assert_eq!(Race::new(1, 0.02, 9).winner(), None);
}
