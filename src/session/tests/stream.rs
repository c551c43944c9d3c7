//! Streams over devices that answer late, fail, hang or panic.

use std::time::Instant;

use super::fake::{Fault, Trouble};
use super::*;
use crate::pipeline::{RefusedItems, StreamAnswer, StreamError, StreamItem, StreamStats};
use crate::schedule::{Infeasible, Order, Overflow};

/// Executions that measure one engine before a stream starts.
const MEASURED: usize = 3;

fn stream_config() -> StreamConfig {
    StreamConfig {
        plan: Some("gpu=1x1,gpu=4x1,dla0=2x1,dla1=2x1".parse().unwrap()),
        ..StreamConfig::default()
    }
}

fn start(bundle: Bundle, fake: Fake) -> Arc<Session> {
    Arc::new(open(bundle, fake))
}

fn item(inputs: Vec<Rows>, tag: usize) -> StreamItem<usize> {
    StreamItem {
        inputs,
        tag,
        arrived: Instant::now(),
    }
}

/// Sends every item of `inputs` from another thread and takes all answers.
fn send_all(
    session: &Arc<Session>,
    config: &StreamConfig,
    inputs: &[Array],
) -> (Vec<StreamAnswer<usize>>, StreamStats) {
    let stream = session.stream::<usize>(config).unwrap();
    let rows = session.rows(inputs).unwrap();
    let input = stream.input.clone();
    let source = std::thread::spawn(move || {
        for (tag, row) in rows.into_iter().enumerate() {
            input.send(item(row, tag)).unwrap();
        }
    });
    let count = inputs[0].shape[0] / session.item_rows();
    let answers: Vec<_> = stream.answers.iter().take(count).collect();
    source.join().unwrap();
    (answers, stream.finish())
}

fn assert_answers(session: &Session, inputs: &[Array], answers: &[StreamAnswer<usize>]) {
    let numbers: Vec<u64> = answers.iter().map(|a| a.number).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert!(answers.iter().all(|a| a.tag as u64 == a.number));
    let outputs: Vec<Vec<Rows>> = answers.iter().map(|a| a.outputs.clone().unwrap()).collect();
    let got: Vec<Vec<f32>> = session
        .batch(&[], &outputs)
        .unwrap()
        .iter()
        .map(|a| a.data.to_vec())
        .collect();
    assert_eq!(got, expected(session, inputs));
}

#[test]
fn answers_are_right_and_in_order_on_any_devices() {
    for (bundle, plan, why) in [
        (network(), None, "by default"),
        (network(), Some("gpu=4x1,dla0=2x1,dla1=3x1"), "padding"),
        (network(), Some("dla0=2x1"), "the GPU has the suffix only"),
        (prefix_only(), Some("gpu=2x1,dla1=3x1"), "no suffix"),
        (suffix_only(), None, "no prefix"),
        (mixing(), None, "rows that go two by two"),
        (mixing(), Some("gpu=2x1,dla0=2x1,suffix=2"), "so asked for"),
    ] {
        let delays = [(GPU, 2), (DLA0, 1), (DLA1, 5)];
        let delays = delays.map(|(d, ms)| (d, Duration::from_millis(ms)));
        let fake = Fake {
            delays: delays.to_vec(),
            ..fake()
        };
        let session = start(bundle, fake);
        let config = StreamConfig {
            plan: plan.map(|text| text.parse().unwrap()),
            capacity: 20,
            ..StreamConfig::default()
        };
        let inputs = batch(&session, 50);
        let (answers, stats) = send_all(&session, &config, &inputs);
        assert_answers(&session, &inputs, &answers);
        let items = 50 / session.item_rows() as u64;
        assert_eq!(
            (stats.arrived, stats.computed, stats.open),
            (items, items, 0),
            "{why}"
        );
        let rows: usize = stats.devices.values().map(|d| d.rows).sum();
        assert_eq!(rows, 50, "{why}");
        assert!(stats.latency(1.0) >= stats.latency(0.5) && stats.latency(0.5) > Duration::ZERO);
        session.run(&inputs).expect("a session runs again after a stream");
    }
}

#[test]
fn a_lost_device_loses_nothing() {
    for (device, fault, hung) in [
        (DLA0, Fault::Error, false),
        (DLA1, Fault::Panic, false),
        (DLA0, Fault::Short, false),
        (DLA1, Fault::Late(Duration::from_millis(1500)), true),
    ] {
        let round = MEASURED + 1;
        let stage = StageKind::Prefix;
        let trouble = vec![Trouble {
            device,
            stage,
            round,
            fault,
        }];
        let fake = Fake {
            trouble,
            delays: [GPU, DLA0, DLA1].map(|d| (d, Duration::from_millis(2))).to_vec(),
            ..fake()
        };
        let config = SessionConfig {
            time_limit: Duration::from_millis(if hung { 500 } else { 20_000 }),
            ..config()
        };
        let session = Session::from_bundle(network(), Arc::new(fake), config);
        let session = Arc::new(session.unwrap());
        let inputs = batch(&session, 120);
        let (answers, stats) = send_all(&session, &stream_config(), &inputs);
        assert_answers(&session, &inputs, &answers);
        let lost = &stats.devices[&device.to_string()];
        assert_eq!(lost.hung, hung, "{fault:?}");
        assert!(lost.failure.is_some() && lost.redealt > 0, "{lost:?}");
        assert_eq!((stats.computed, stats.failed), (120, 0));
    }
}

#[test]
fn without_the_gpu_every_item_is_answered_with_the_reason() {
    let trouble = vec![Trouble {
        device: GPU,
        stage: StageKind::Whole,
        round: 2 * MEASURED,
        fault: Fault::Error,
    }];
    // Slow DLAs leave items to the GPU, however slowly these come.
    let delays = [DLA0, DLA1].map(|dla| (dla, Duration::from_millis(1)));
    let delays = delays.to_vec();
    let session = start(
        network(),
        Fake {
            trouble,
            delays,
            ..fake()
        },
    );
    let inputs = batch(&session, 60);
    let config = StreamConfig {
        capacity: 5,
        ..stream_config()
    };
    let (answers, stats) = send_all(&session, &config, &inputs);
    assert_eq!(answers.len(), 60);
    assert!(stats.failed > 0 && stats.computed + stats.failed == 60);
    let error = answers[59].outputs.as_ref().unwrap_err().to_string();
    assert!(
        error.contains("the gpu is lost") && error.contains("injected"),
        "{error}"
    );
    let (again, stats) = send_all(&session, &config, &inputs);
    assert_answers(&session, &inputs, &again);
    assert_eq!(
        stats.failed, 0,
        "a device that only failed is tried again in the next stream"
    );
}

#[test]
fn a_full_stream_holds_its_source_back_or_drops() {
    for (overflow, want) in [
        (Overflow::Wait, "the source waits"),
        (Overflow::DropNewest, "the newest go"),
        (Overflow::DropOldest, "the oldest go"),
    ] {
        let fake = Fake {
            delays: vec![(GPU, Duration::from_millis(20))],
            ..fake()
        };
        let session = start(network(), fake);
        let config = StreamConfig {
            plan: Some("gpu=1x1".parse().unwrap()),
            capacity: 4,
            overflow,
            ..StreamConfig::default()
        };
        let stream = session.stream::<usize>(&config).unwrap();
        let rows = session.rows(&batch(&session, 24)).unwrap();
        let arrived = Instant::now();
        let together = |inputs| StreamItem {
            inputs,
            tag: 0,
            arrived,
        };
        let group = rows.into_iter().map(together).collect();
        stream.input.try_send(group).unwrap();
        let answers: Vec<_> = stream.answers.iter().take(24).collect();
        let computed: Vec<u64> = answers
            .iter()
            .filter(|a| a.outputs.is_ok())
            .map(|a| a.number)
            .collect();
        match overflow {
            Overflow::Wait => assert_eq!(computed.len(), 24, "{want}"),
            Overflow::DropNewest => assert_eq!(computed, [0, 1, 2, 3], "{want}"),
            Overflow::DropOldest => assert_eq!(computed, [20, 21, 22, 23], "{want}"),
        }
        let dropped = answers.iter().filter_map(|a| a.outputs.as_ref().err());
        assert!(dropped.clone().all(|e| matches!(e, StreamError::Dropped)));
        assert_eq!(stream.finish().dropped as usize, 24 - computed.len());
    }
}

#[test]
fn a_stream_that_nobody_listens_to_ends_and_frees_its_session() {
    let session = start(network(), fake());
    let inputs = batch(&session, 4);
    let stream = session.stream::<usize>(&stream_config()).unwrap();
    let input = stream.input.clone();
    let row = || item(session.rows(&inputs).unwrap().swap_remove(0), 0);
    input.send(row()).unwrap();
    drop(stream);
    session.run(&inputs).unwrap();
    assert!(matches!(input.send(row()), Err(RefusedItems::Ended(_))));
}

#[test]
fn what_cannot_stream_says_why() {
    let mut wrong = stream_config();
    wrong.plan = Some("gpu=1x1,dla0=5000x1".parse().unwrap());
    let slow = Fake {
        delays: vec![
            (GPU, Duration::from_millis(30)),
            (DLA0, Duration::from_millis(60)),
        ],
        devices: vec![GPU, DLA0],
        ..fake()
    };
    let strict = StreamConfig {
        max_latency: Some(Duration::from_millis(5)),
        ..StreamConfig::default()
    };
    for (session, config, want) in [
        (
            start(mixing(), fake()),
            StreamConfig {
                plan: Some("gpu=4x1".parse().unwrap()),
                ..StreamConfig::default()
            },
            "only in batches of 2",
        ),
        (start(network(), fake()), wrong, "5000 rows"),
        (start(network(), slow), strict, "on gpu, the fastest device"),
    ] {
        let error = session.stream::<()>(&config).err().unwrap();
        assert!(error.to_string().contains(want), "{error}");
        if let SessionError::Infeasible(Infeasible { needed, .. }) = error {
            assert!(needed >= Duration::from_millis(30), "{needed:?}");
        }
    }
    let session = start(network(), fake());
    let stream = session.stream::<usize>(&stream_config()).unwrap();
    let row = session.rows(&batch(&session, 1)).unwrap().swap_remove(0);
    let short = |rows: &Rows| Rows {
        len: rows.len - 1,
        ..rows.clone()
    };
    let torn = vec![short(&row[0]), row[1].clone()];
    let size = stream.input.send(item(torn, 0)).unwrap_err().to_string();
    assert!(size.contains("input 0 has 15 elements instead of 16"), "{size}");
    let count = stream.input.send(item(row[..1].to_vec(), 0)).unwrap_err();
    assert!(
        matches!(count, RefusedItems::Count { got: 1, want: 2 }),
        "{count}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_times_keep_order_and_lose_nothing(
        delays in proptest::collection::vec(0u64..1500, 3),
        groups in proptest::collection::vec((1usize..9, 0u64..1500), 1..12),
        capacity in 1usize..30,
        bound in proptest::option::of(80u64..160),
        completion in any::<bool>(),
    ) {
        let micros = Duration::from_micros;
        let fake = Fake {
            delays: [GPU, DLA0, DLA1].into_iter().zip(delays).map(|(d, us)| (d, micros(us))).collect(),
            ..fake()
        };
        let session = start(network(), fake);
        let config = StreamConfig {
            capacity,
            max_latency: bound.map(Duration::from_millis),
            order: if completion { Order::Completion } else { Order::Arrival },
            ..stream_config()
        };
        let total: usize = groups.iter().map(|g| g.0).sum();
        let inputs = batch(&session, total);
        let stream = session.stream::<usize>(&config).unwrap();
        let mut rows = session.rows(&inputs).unwrap().into_iter().enumerate();
        let input = stream.input.clone();
        let source = std::thread::spawn(move || {
            for (rows_of, pause) in groups {
                let arrived = Instant::now();
                let group = rows.by_ref().take(rows_of);
                let group = group.map(|(tag, inputs)| StreamItem { inputs, tag, arrived });
                let mut group: Vec<_> = group.collect();
                while let Err(error) = input.try_send(group) {
                    let RefusedItems::Full(back) = error else { panic!("{error}") };
                    group = back;
                    std::thread::yield_now();
                }
                std::thread::sleep(micros(pause));
            }
        });
        let mut answers: Vec<_> = stream.answers.iter().take(total).collect();
        source.join().unwrap();
        if completion {
            answers.sort_by_key(|a| a.number);
        }
        assert_answers(&session, &inputs, &answers);
        prop_assert_eq!(stream.finish().computed as usize, total);
    }
}
