use proptest::prelude::*;

use super::*;

/// Three models of KCC 2020 on a CPU, its GPU, and a graphics card.
const TABLES: &str = include_str!("../../../../../data/kcc2020_profiles.csv");

fn tables() -> Vec<Profile> {
    read(TABLES, Measure::Total).unwrap()
}

#[test]
fn the_published_tables_read() {
    let tables = tables();
    let models: Vec<&str> = tables.iter().map(|p| p.model.as_str()).collect();
    assert_eq!(models, ["mobilenet", "resnet-50", "vgg-16"]);
    assert!(tables.iter().all(|p| p.units.len() == 3));
    let gpu = &tables[0].units[2];
    assert_eq!(gpu.name, "[GPU] GeForce GTX 1050 Ti");
    assert_eq!(gpu.measured().last(), Some(129));
    let only = &read(TABLES, Measure::Execution).unwrap()[0].units[2];
    assert!(only.ms(1) < gpu.ms(1), "input and output count");
}

#[test]
fn times_between_measured_batches_are_estimated() {
    let unit = &read("device,batch,time_per_item_ms\nx,2,4\nx,4,3\n", Measure::Total).unwrap()[0].units[0];
    for (rows, want, why) in [
        (1, 8.0, "as long as the smallest batch"),
        (2, 8.0, "measured"),
        (3, 10.5, "3.5 ms per row"),
        (4, 12.0, "measured"),
        (10, 30.0, "3 ms per row, as the largest"),
    ] {
        assert_eq!(unit.ms(rows), want, "{rows}: {why}");
    }
}

#[test]
fn tables_that_cannot_be_read_say_where() {
    let head = "model,device,batch,time_per_item_ms\n";
    for (text, want) in [
        ("", "no rows"),
        (
            "device,batch\nx,1\n",
            "no column `time_per_item_ms`: its columns are device, batch",
        ),
        ("batch,time_per_item_ms\n1,1\n", "no column `device`"),
        (head, "no rows"),
        (
            &format!("{head}m,x,1,1\nm,x,0,1\n"),
            "line 3: `0` is not a number of rows",
        ),
        (
            &format!("{head}m,x,1,1\nm,x,1,2\n"),
            "line 3: x has batch 1 twice",
        ),
        (&format!("{head}m,x,1,nan\n"), "line 2: `nan` is not a time"),
        (&format!("{head}m,x,1,-3\n"), "line 2: `-3` is not a time"),
        (&format!("{head}m,x,1,0\n"), "line 2: 0 ms is not a time"),
        (
            &format!("{head}# a remark\nm,,1,1\n"),
            "line 3: the device has no name",
        ),
        (&format!("{head}m,x,1\n"), "line 2: `` is not a time"),
    ] {
        let error = read(text, Measure::Total).unwrap_err().to_string();
        assert!(error.contains(want), "{text:?}: {error}");
    }
}

#[test]
fn splits_by_hand() {
    let table = "device,batch,time_per_item_ms\n\
        a,1,10\na,4,5\n\
        b,1,20\n";
    let profile = &read(table, Measure::Total).unwrap()[0];
    let got = optima(profile, 10);
    for (rows, ms, text, why) in [
        (1, 10.0, "a 1", "b takes 20 ms"),
        (4, 20.0, "a 4", "one full execution"),
        (5, 20.0, "a 4, b 1", "both end together"),
        (
            8,
            35.0,
            "a 7, b 1",
            "a batch that was not measured, where it is faster",
        ),
        (
            10,
            40.0,
            "a 4+4, b 1+1",
            "two measured executions, not one estimated",
        ),
    ] {
        let split = &got[rows - 1];
        let part = |p: &Part| {
            let batches = p
                .executions
                .iter()
                .flat_map(|e| vec![e.batch.to_string(); e.count]);
            format!("{} {}", p.unit, batches.collect::<Vec<_>>().join("+"))
        };
        let parts: Vec<String> = split.parts.iter().map(part).collect();
        assert_eq!((split.rows, split.ms), (rows, ms), "{why}");
        assert_eq!(parts.join(", "), text, "{rows}: {why}");
    }
}

/// Issue 6: at every total batch from 1 to 512, never worse than KCC 2020 and never worse than one unit.
#[test]
fn the_optimum_is_never_worse_than_the_greedy_or_one_unit_on_the_published_tables() {
    for measure in [Measure::Total, Measure::Execution] {
        for profile in read(TABLES, measure).unwrap() {
            let (mut faster, mut sum) = (0, 0.0);
            for (index, best) in optima(&profile, 512).iter().enumerate() {
                let rows = index + 1;
                let greedy = kcc2020(&profile, rows);
                let single = Split::best_single(&profile, rows);
                assert_eq!((best.rows, greedy.rows, single.rows), (rows, rows, rows));
                assert!(
                    best.ms <= greedy.ms,
                    "{} {rows}: {best:?} {greedy:?}",
                    profile.model
                );
                assert!(
                    best.ms <= single.ms,
                    "{} {rows}: {best:?} {single:?}",
                    profile.model
                );
                assert!(best.ms >= profile.bound_ms(rows) - 1e-6, "{best:?}");
                faster += usize::from(best.ms < greedy.ms);
                sum += greedy.ms / best.ms;
            }
            assert!(faster > 100 && sum / 512.0 > 1.0, "{}: {faster}", profile.model);
        }
    }
}

/// The paper reports 12 to 42 % less time than the graphics card alone at batch 100.
#[test]
fn the_greedy_gives_the_gains_its_paper_reports() {
    let gains: Vec<f64> = tables()
        .iter()
        .map(|p| 1.0 - kcc2020(p, 100).ms / p.units[2].ms(100))
        .collect();
    assert!(gains.iter().all(|gain| (0.05..0.5).contains(gain)), "{gains:?}");
}

fn profiles() -> impl Strategy<Value = Profile> {
    let unit = proptest::collection::btree_map(1usize..12, 0.1f64..50.0, 1..6);
    proptest::collection::vec(unit, 1..4).prop_map(|units| {
        let mut text = "device,batch,time_per_item_ms\n".to_string();
        for (at, unit) in units.iter().enumerate() {
            for (batch, ms) in unit {
                text += &format!("u{at},{batch},{ms}\n");
            }
        }
        read(&text, Measure::Total).unwrap().remove(0)
    })
}

/// The least makespan by trying everything: each unit's rows as any multiset of batches.
fn exhaustive(profile: &Profile, unit: usize, rows: usize) -> f64 {
    fn alone(unit: &Unit, rows: usize, most: usize) -> f64 {
        match rows {
            0 => 0.0,
            rows => (1..=rows.min(most))
                .map(|batch| unit.ms(batch) + alone(unit, rows - batch, batch))
                .fold(f64::INFINITY, f64::min),
        }
    }
    match profile.units.get(unit) {
        None if rows == 0 => 0.0,
        None => f64::INFINITY,
        Some(own) => (0..=rows)
            .map(|n| alone(own, n, n).max(exhaustive(profile, unit + 1, rows - n)))
            .fold(f64::INFINITY, f64::min),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_optimum_is_what_trying_everything_finds(profile in profiles(), rows in 1usize..11) {
        let best = &optima(&profile, rows)[rows - 1];
        let want = exhaustive(&profile, 0, rows);
        prop_assert!((best.ms - want).abs() <= 2e-6, "{} {want}", best.ms);
        prop_assert!(kcc2020(&profile, rows).rows == rows);
    }
}
