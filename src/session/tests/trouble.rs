//! Devices that fail, panic, hang or answer nonsense.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::fake::{Fake, Fault, Trouble};
use super::*;
use crate::pipeline::PipelineError;

const LATE: Fault = Fault::Late(Duration::from_millis(500));
const PLAN: &str = "gpu=4x3,dla0=3x2,dla1=2x3,suffix=24";

fn troubled(device: Device, stage: StageKind, round: usize, fault: Fault) -> Fake {
    Fake {
        trouble: vec![Trouble {
            device,
            stage,
            round,
            fault,
        }],
        ..fake()
    }
}

/// A session that waits 200 ms for devices that hang, and long enough for all else: a panic that prints its backtrace
/// on a busy machine takes its time.
fn open_for(bundle: Bundle, backend: Fake) -> Session {
    let late = |t: &Trouble| matches!(t.fault, Fault::Late(_));
    let config = if backend.trouble.iter().any(late) {
        SessionConfig {
            time_limit: Duration::from_millis(200),
            ..config()
        }
    } else {
        config()
    };
    Session::from_bundle(bundle, Arc::new(backend), config).unwrap()
}

#[test]
fn a_lost_dla_loses_nothing() {
    let cases = [
        (DLA0, 0, Fault::Error, false, 6, "injected error"),
        (DLA0, 1, Fault::Error, false, 3, "injected error"),
        (DLA1, 1, Fault::Panic, false, 4, "panicked: injected panic"),
        (DLA1, 0, Fault::Short, false, 6, "0 outputs instead of 1"),
        (DLA0, 0, LATE, true, 6, "within the time limit"),
    ];
    // Also with another execution in flight behind the one that fails.
    let cases = [1, 2]
        .into_iter()
        .flat_map(|depth| cases.map(|case| (depth, case)));
    for (depth, (device, round, fault, hung, redealt, message)) in cases {
        let backend = Fake {
            depth,
            ..troubled(device, StageKind::Prefix, round, fault)
        };
        let session = open_for(network(), backend);
        let inputs = batch(&session, 24);
        let outcome = session.run_with(&PLAN.parse().unwrap(), &inputs).unwrap();
        assert_right(&session, &inputs, &outcome);
        let stats = &outcome.stats;
        let lost = &stats.devices[&device.to_string()];
        assert_eq!((lost.hung, lost.redealt), (hung, redealt), "{fault:?}");
        let said = lost.failure.as_deref().unwrap_or_default();
        assert!(said.contains(message), "{said}");
        let others = stats.devices.values().filter(|d| d.failure.is_some());
        assert_eq!(others.count(), 1, "only one was lost");
        let rows: usize = stats.devices.values().map(|d| d.rows).sum();
        assert_eq!(rows, 24, "every row counted once");
    }
}

#[test]
fn a_failed_device_is_tried_again_and_a_hung_one_never() {
    for (fault, again) in [(Fault::Error, 6), (Fault::Panic, 6), (LATE, 0)] {
        let session = open_for(network(), troubled(DLA0, StageKind::Prefix, 0, fault));
        let inputs = batch(&session, 24);
        let plan = PLAN.parse().unwrap();
        session.run_with(&plan, &inputs).unwrap();
        if fault == LATE {
            assert_eq!(session.plan_for(24).unwrap().devices(), [GPU, DLA1]);
            std::thread::sleep(Duration::from_millis(400));
        }
        let second = session.run_with(&plan, &inputs).unwrap();
        assert_right(&session, &inputs, &second);
        let dla0 = &second.stats.devices["dla0"];
        assert_eq!((dla0.rows, dla0.redealt), (again, 6 - again), "{fault:?}");
        assert_eq!((dla0.hung, dla0.failure.is_some()), (again == 0, again == 0));
    }
}

#[test]
fn the_suffix_needs_the_gpu() {
    for (stage, fault, want) in [
        (StageKind::Prefix, Fault::Error, "injected error"),
        (StageKind::Suffix, Fault::Panic, "injected panic"),
        (StageKind::Suffix, LATE, "time limit"),
    ] {
        let session = open_for(network(), troubled(GPU, stage, 0, fault));
        let inputs = batch(&session, 24);
        let error = session.run_with(&PLAN.parse().unwrap(), &inputs);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("the gpu is lost") && error.contains(want),
            "{error}"
        );
    }
}

#[test]
fn without_a_suffix_the_dlas_take_over_from_the_gpu() {
    let session = open(prefix_only(), troubled(GPU, StageKind::Prefix, 0, Fault::Error));
    let inputs = batch(&session, 24);
    let outcome = session.run_with(&PLAN.parse().unwrap(), &inputs).unwrap();
    assert_right(&session, &inputs, &outcome);
    assert_eq!(outcome.stats.redealt(), 12);
}

#[test]
fn when_every_device_is_lost_all_are_named() {
    let trouble = [GPU, DLA0, DLA1].map(|device| Trouble {
        device,
        stage: StageKind::Prefix,
        round: 0,
        fault: Fault::Error,
    });
    let backend = Fake {
        trouble: trouble.to_vec(),
        ..fake()
    };
    let session = open(prefix_only(), backend);
    let inputs = batch(&session, 24);
    let error = session.run_with(&PLAN.parse().unwrap(), &inputs).unwrap_err();
    let text = error.to_string();
    assert!(matches!(
        error,
        SessionError::Pipeline(PipelineError::NoDeviceLeft { .. })
    ));
    for name in ["gpu", "dla0", "dla1"] {
        assert!(text.contains(name), "{text}");
    }
    let outcome = session.run_with(&PLAN.parse().unwrap(), &inputs).unwrap();
    assert_right(&session, &inputs, &outcome);
}

#[test]
fn an_engine_that_cannot_be_built_is_named() {
    let backend = Fake {
        refuse: Some((DLA1, StageKind::Prefix)),
        ..fake()
    };
    let session = open(network(), backend);
    let error = session.prepare(&PLAN.parse().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "Prefix engine on dla1: refused");
    session
        .run(&batch(&session, 4))
        .expect("the GPU alone still runs");
}

#[test]
fn a_cancelled_run_ends_between_rounds_and_leaves_the_session_usable() {
    let backend = Fake {
        delays: vec![
            (GPU, Duration::from_millis(20)),
            (DLA0, Duration::from_millis(20)),
        ],
        ..fake()
    };
    let session = open(network(), backend);
    let inputs = batch(&session, 400);
    let plan: Plan = "gpu=1x200,dla0=1x200,suffix=400".parse().unwrap();
    session.prepare(&plan).unwrap();
    let cancel = session.config.cancel.clone();
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(60));
            cancel.store(true, Ordering::Relaxed);
        });
        let error = session.run_with(&plan, &inputs).unwrap_err();
        assert!(matches!(error, SessionError::Pipeline(PipelineError::Cancelled)));
    });
    assert!(start.elapsed() < Duration::from_secs(2), "4 s of work were left");
    cancel.store(false, Ordering::Relaxed);
    let inputs = batch(&session, 5);
    assert_right(&session, &inputs, &session.run(&inputs).unwrap());
}

#[test]
fn a_hung_device_does_not_hold_up_the_end() {
    let late = Fault::Late(Duration::from_secs(5));
    let session = open_for(network(), troubled(DLA0, StageKind::Prefix, 0, late));
    let inputs = batch(&session, 24);
    let start = Instant::now();
    session.run_with(&PLAN.parse().unwrap(), &inputs).unwrap();
    drop(session);
    assert!(start.elapsed() < Duration::from_secs(3), "it sleeps for 5 s");
}

#[test]
fn several_callers_take_turns() {
    let session = Arc::new(open(network(), fake()));
    std::thread::scope(|scope| {
        for rows in [3, 24, 40] {
            let session = session.clone();
            scope.spawn(move || {
                let inputs = batch(&session, rows);
                for _ in 0..5 {
                    assert_right(&session, &inputs, &session.run(&inputs).unwrap());
                }
            });
        }
    });
}

#[test]
fn a_run_costs_little_beyond_its_engines() {
    let session = open(network(), fake());
    let inputs = batch(&session, 1);
    let cost = |_| session.run(&inputs).unwrap().stats.overhead_seconds();
    let least = (0..300).map(cost).fold(f64::INFINITY, f64::min);
    // `bench --costs` measures it; this only notices a wait or a poll on the way, also on a busy machine.
    assert!(least < 2e-3, "{least} s");
}
