//! What a report promises for a DLA, a session runs there, and what a session runs there was promised: over every operator
//! case, random networks that fold, move and mix their rows, and networks whose outputs do not hold them.
#![allow(dead_code)] // each test program uses its part

use std::sync::Arc;

use tvm_dla::bundle::{Bundle, Options};
use tvm_dla::engine::{Array, Backend};
use tvm_dla::graph::{Graph, cases};
use tvm_dla::plan::Plan;
use tvm_dla::session::{Session, SessionConfig};
use tvm_dla::split::{cut, report};

use crate::cli_support::elsewhere;
use crate::random_support::network;

/// Targets whose rules differ most.
pub const TARGETS: [&str; 3] = [
    "chip=xavier",
    "chip=orin tensorrt=10.3",
    "chip=orin precision=int8",
];

fn options(target: &str) -> Options {
    let pairs = target.split(' ').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(key, value)| (key.to_string(), value.to_string()));
    Options::parse(&pairs.collect()).unwrap()
}

fn bundle(graph: &Graph, options: &Options) -> Bundle {
    Bundle {
        graph: graph.clone(),
        options: options.clone(),
        plan: None,
        origin: None,
        kept: Vec::new(),
    }
}

fn noise(session: &Session, rows: usize) -> Vec<Array> {
    let shapes = session.input_shapes(rows).into_iter();
    let array = |shape: Vec<usize>| {
        let values = (0..shape.iter().product()).map(|v: usize| ((v * 37) % 23) as f32 / 11.0 - 1.0);
        Array {
            data: Arc::new(values.collect()),
            shape,
        }
    };
    shapes.map(array).collect()
}

/// What is promised and what runs; `None` where nothing is promised and nothing runs.
pub fn compared(graph: &Graph, target: &str, backend: &Arc<dyn Backend>) -> Option<()> {
    let options = options(target);
    let stages = cut(graph, &options.target, &options.gpu_only).unwrap();
    let promised = report(graph, &stages).prefix.nodes > 0;
    let config = SessionConfig::default();
    let session = Session::from_bundle(bundle(graph, &options), backend.clone(), config).unwrap();
    let refused = session.gpu_alone_because();
    assert_eq!(promised, refused.is_none(), "{refused:?} of\n{}", graph.text());
    if !promised {
        return None;
    }
    let unit = graph.batch();
    let plan = |devices: &str| -> Plan { devices.parse().unwrap() };
    let rows = 2 * unit;
    let shared = plan(&format!("dla0={unit}x2,suffix={unit}"));
    let alone = plan(&format!("gpu={unit}x2,suffix={unit}"));
    let inputs = noise(&session, rows);
    let [shared, alone] = [shared, alone].map(|plan| {
        let outcome = session.run_with(&plan, &inputs);
        outcome.unwrap_or_else(|error| panic!("{plan}: {error} in\n{}", graph.text()))
    });
    for (a, b) in shared.outputs.iter().zip(&alone.outputs) {
        assert_eq!(a.shape, b.shape, "{}", graph.text());
        let pairs = a.data.iter().zip(b.data.iter());
        // What a board rounds differs with the cut.
        let near = |(a, b): (&f32, &f32)| {
            !backend.alike() || (a - b).abs() < 1e-4 || (a.is_nan() && b.is_nan()) || a == b
        };
        assert!(pairs.into_iter().all(near), "{}", graph.text());
    }
    Some(())
}

/// Operator cases, and random networks.
pub fn networks() -> impl Iterator<Item = Graph> {
    let random = (0u32..200).map(|seed| {
        let picks = (0..6).map(|at| (seed * 7919 + at * 104_729) % (8 * 420));
        network(1 + seed as usize % 3, &picks.collect::<Vec<u32>>())
    });
    let cases = cases::all().into_iter().map(|case| case.graph());
    let elsewhere = elsewhere().into_iter().map(|(_, graph, _)| graph);
    cases.chain(random).chain(elsewhere)
}
