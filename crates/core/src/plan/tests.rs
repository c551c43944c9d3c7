use proptest::prelude::*;

use super::*;

const ALL: [Device; 3] = [Device::Gpu, Device::Dla(0), Device::Dla(1)];

#[test]
fn a_device_reads_back_as_it_prints() {
    for device in ALL {
        assert_eq!(device.to_string().parse(), Ok(device));
    }
    let error = "dla2".parse::<Device>().unwrap_err();
    assert!(error.contains("`dla2`"), "{error}");
}

#[test]
fn a_plan_that_does_not_fit_says_why() {
    let available = vec![Device::Gpu, Device::Dla(0)];
    let missing = PlanError::Missing {
        device: Device::Dla(1),
        available: available.clone(),
    };
    let repeated = PlanError::Repeated {
        device: Device::Gpu,
        batch: 16,
    };
    let zero = |batch, rounds| PlanError::Zero {
        device: Device::Gpu,
        batch,
        rounds,
    };
    let cases = [
        (
            "gpu=16x2,dla0=16x2",
            Ok(()),
            "adds up; the suffix defaults to all rows",
        ),
        (
            "gpu=16x3,gpu=8x1,dla0=8x1,suffix=16",
            Ok(()),
            "a device may use two batches",
        ),
        (
            "gpu=16x3",
            Err(PlanError::Rows { plan: 48, batch: 64 }),
            "both numbers are named",
        ),
        ("dla1=16x4", Err(missing), "the backend has one DLA"),
        ("gpu=0x4", Err(zero(0, 4)), "an empty batch"),
        ("gpu=16x0", Err(zero(16, 0)), "no rounds"),
        ("gpu=16x2,gpu=16x2", Err(repeated), "the same share twice"),
        ("gpu=16x4,suffix=0", Err(PlanError::ZeroSuffix), "an empty suffix"),
        (
            "gpu=16x4,suffix=48",
            Err(PlanError::Suffix {
                suffix_batch: 48,
                total: 64,
            }),
            "48 rows leave 16",
        ),
        ("suffix=64", Err(PlanError::Empty), "no device"),
        (
            "gpu=16x2,dla0=16x2,mode=pipelined,engines=2,cut=conv1",
            Ok(()),
            "every option",
        ),
        (
            "gpu=16x2,dla0=16x2,engines=3",
            Err(PlanError::Engines(3)),
            "one computes, one is given work",
        ),
        (
            "gpu=16x4,cut=conv1",
            Err(PlanError::Uncut("cut")),
            "the GPU alone runs the network uncut",
        ),
        (
            "gpu=16x4,mode=pipelined",
            Err(PlanError::Uncut("pipelined suffix")),
            "so it has no suffix",
        ),
        (
            "gpu=18446744073709551615x3,suffix=1",
            Err(PlanError::TooLarge),
            "overflows",
        ),
    ];
    for (text, want, why) in cases {
        let plan: Plan = text.parse().expect(why);
        assert_eq!(plan.validate(64, &available), want, "{text}: {why}");
    }
}

#[test]
fn text_that_is_no_plan_names_the_part() {
    for (text, part, reason) in [
        ("", "``", "expected device=BATCHxROUNDS"),
        ("gpu", "`gpu`", "expected device=BATCHxROUNDS"),
        ("gpu=16", "`gpu=16`", "expected BATCHxROUNDS"),
        ("gpu=16x4,npu=1x1", "`npu=1x1`", "unknown device `npu`"),
        ("gpu=ax4", "`gpu=ax4`", "`a` is not a number"),
        ("gpu=16x-1", "`gpu=16x-1`", "`-1` is not a number"),
        ("gpu=1x1,suffix=1,suffix=1", "`suffix=1`", "twice"),
        ("gpu=1x1,mode=fast", "`mode=fast`", "use merged or pipelined"),
        ("gpu=1x1,cut=", "`cut=`", "name the last node"),
        ("gpu=1x1,engines=two", "`engines=two`", "not a number"),
    ] {
        let error = text.parse::<Plan>().unwrap_err().to_string();
        assert!(error.contains(part) && error.contains(reason), "{error}");
    }
}

#[test]
fn plans_print_as_they_are_read() {
    let plan = Plan::paper(16, 10, 16, 12);
    assert_eq!(plan.to_string(), "gpu=16x12,dla0=16x10,dla1=16x10,suffix=512");
    assert_eq!(
        plan.summary(),
        "512 rows: gpu 12 x 16, dla0 10 x 16, dla1 10 x 16; suffix 1 x 512 on the gpu"
    );
    assert_eq!(Plan::gpu_only(4).summary(), "4 rows: gpu 1 x 4; network uncut");
    assert_eq!(plan.rows(Device::Dla(1)), 160);
    assert_eq!(plan.devices(), ALL);
    assert_eq!(Plan::paper(0, 0, 8, 2), "gpu=8x2".parse().unwrap());
}

#[test]
fn default_plans_deal_equal_whole_rounds() {
    for (batch, devices, want, why) in [
        (15, 3, "gpu=15x1,suffix=15", "the paper lost below 16 rows"),
        (
            16,
            3,
            "gpu=6x1,dla0=5x1,dla1=5x1,suffix=16",
            "the first shared batch",
        ),
        (
            512,
            3,
            "gpu=43x4,dla0=34x5,dla1=34x5,suffix=512",
            "172 + 170 + 170",
        ),
        (2048, 2, "gpu=64x16,dla0=64x16,suffix=512", "the suffix in rounds"),
        (131, 1, "gpu=26x5,gpu=1x1,suffix=131", "a prime leaves a rest"),
    ] {
        let plan = Plan::balanced(batch, &ALL[..devices]);
        assert_eq!(plan.to_string(), want, "{why}");
    }
}

#[test]
fn default_plans_keep_to_what_a_dla_takes() {
    for (devices, want) in [
        (&ALL[..2], "gpu=10x2,dla0=10x2,suffix=40"),
        (&ALL[1..2], "dla0=10x4,suffix=40"),
        (&ALL[..1], "gpu=40x1,suffix=40"),
    ] {
        let plan = Plan::balanced_within(40, devices, 10);
        assert_eq!(plan.to_string(), want);
    }
}

#[test]
fn json_is_versioned_and_strict() {
    let plan: Plan = "gpu=16x4,suffix=64".parse().unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(
        text,
        r#"{"version":1,"prefix":[{"device":"gpu","batch":16,"rounds":4}],"suffix_batch":64}"#
    );
    for (from, to, want) in [
        (r#""version":1"#, r#""version":2"#, "version 2"),
        (r#""gpu""#, r#""npu""#, "unknown device `npu`"),
        (r#""rounds""#, r#""turns""#, "unknown field `turns`"),
        ("16", "-16", "invalid value"),
    ] {
        let error = serde_json::from_str::<Plan>(&text.replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
    }
}

fn modes() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Merged), Just(Mode::Pipelined)]
}

fn cuts() -> impl Strategy<Value = Cut> {
    prop_oneof![Just(Cut::Longest), "[a-z0-9_./=]{1,12}".prop_map(Cut::After)]
}

proptest! {
    #[test]
    fn default_plans_are_valid(batch in 1usize..20_000, count in 1usize..=3) {
        let plan = Plan::balanced(batch, &ALL[..count]);
        prop_assert_eq!(plan.validate(batch, &ALL[..count]), Ok(()));
        prop_assert!(plan.prefix.iter().all(|s| s.batch <= 64), "{}", plan);
        let rows: Vec<usize> = ALL[..count].iter().map(|d| plan.rows(*d)).collect();
        // The first device takes what is no whole row for each of the others, and what is no whole round: below 5 %.
        let (most, least) = (*rows.iter().max().unwrap(), *rows.iter().min().unwrap());
        prop_assert!(batch < 16 || (most - (count - 1)) * 20 <= least * 21, "{}", plan);
    }

    #[test]
    fn plans_survive_text_and_json(shares in proptest::collection::vec((0usize..3, 1usize..99, 1usize..99), 1..5), suffix in 1usize..999, mode in modes(), engines in 1usize..3, cut in cuts()) {
        let prefix = shares.iter().map(|&(d, batch, rounds)| Share { device: ALL[d], batch, rounds }).collect();
        let plan = Plan { mode, engines, cut, ..Plan::new(prefix, suffix) };
        prop_assert_eq!(plan.to_string().parse::<Plan>().unwrap(), plan.clone());
        let json = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    }

    #[test]
    fn any_text_is_an_answer(text in "[gpudlasfix0-9=, -]{0,40}") {
        if let Ok(plan) = text.parse::<Plan>() {
            let _ = plan.validate(64, &ALL);
            plan.summary();
        }
    }
}
