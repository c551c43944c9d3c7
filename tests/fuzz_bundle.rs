//! Mutated bundles never panic and never become an invalid network. `scripts/fuzz` runs it for longer.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sha2::{Digest, Sha256};
use tvm_dla::bundle::{Bundle, Options};
use tvm_dla::graph::{Activation, Conv2d, GraphBuilder, Op, Padding2d, Pool2d, PoolKind};
use tvm_dla::split;

/// Offset of the digest's end: magic, version, header length, digest.
const PREAMBLE: usize = 52;

fn sample() -> Vec<u8> {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[2, 3, 8, 8]);
    let w = b.weight("w", &[4, 3, 3, 3], vec![0.5; 108]);
    let d = b.weight("d", &[5, 64], vec![0.25; 320]);
    let padding = Padding2d {
        top: 1,
        left: 1,
        bottom: 1,
        right: 1,
    };
    let conv = Op::Conv2d(Conv2d {
        stride: [1, 1],
        padding,
        dilation: [1, 1],
        groups: 1,
    });
    let pool = Op::Pool2d(Pool2d {
        kind: PoolKind::Average,
        window: [2, 2],
        stride: [2, 2],
        padding: Padding2d::default(),
        dilation: [1, 1],
        ceil_mode: false,
        count_include_pad: true,
    });
    let c = b.node("c", conv, &[x, w]).unwrap();
    let clip = Op::Activation(Activation::Clip { min: 0.0, max: 6.0 });
    let r = b.node("r", clip, &[c]).unwrap();
    let p = b.node("p", pool, &[r]).unwrap();
    let f = b.node("f", Op::Reshape { dims: vec![0, -1] }, &[p]).unwrap();
    let y = b.node("y", Op::Dense, &[f, d]).unwrap();
    let s = b.node("s", Op::Softmax { axis: 1 }, &[y]).unwrap();
    b.output(s);
    let graph = b.finish().unwrap();
    Bundle {
        graph,
        options: Options::default(),
        plan: None,
        origin: None,
        kept: Vec::new(),
    }
    .to_bytes()
}

/// Everything a reader does with a bundle that it accepted.
fn exercise(bytes: &[u8]) {
    let Ok(bundle) = Bundle::from_bytes(bytes) else {
        return;
    };
    bundle.graph.validate().expect("an accepted network is valid");
    if let Ok(stages) = split::cut(&bundle.graph, &bundle.options.target, &bundle.options.gpu_only) {
        split::report(&bundle.graph, &stages);
    }
    let _ = bundle.graph.with_batch(7);
    assert_eq!(Bundle::from_bytes(&bundle.to_bytes()).unwrap(), bundle);
}

/// Digits become other digits, so that most mutants still parse and reach the checks behind the parser.
fn mutate(bytes: &mut Vec<u8>, edits: &[(prop::sample::Index, u8, u8)]) {
    for (at, kind, value) in edits {
        let at = at.index(bytes.len());
        match kind % 4 {
            0 if bytes[at].is_ascii_digit() => bytes[at] = b'0' + value % 10,
            0 | 1 => bytes[at] = *value,
            2 => bytes.insert(at, *value),
            _ => {
                bytes.remove(at);
            }
        }
    }
}

#[test]
fn mutants_are_refused_or_valid() {
    let seconds = std::env::var("TVM_DLA_FUZZ_SECONDS").map_or(2, |s| s.parse().unwrap());
    let until = Instant::now() + Duration::from_secs(seconds);
    let config = Config {
        cases: 2000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let edit = (any::<prop::sample::Index>(), any::<u8>(), any::<u8>());
    let edits = prop::collection::vec(edit, 1..6);
    let good = sample();
    let mut rounds = 0u64;
    while Instant::now() < until || rounds == 0 {
        let checked = runner.run(&edits, |edits| {
            let mut bytes = good.clone();
            mutate(&mut bytes, &edits);
            exercise(&bytes);
            // Signed again, the damage gets past the digest.
            if bytes.len() > PREAMBLE {
                let digest = Sha256::digest(&bytes[PREAMBLE..]);
                bytes[PREAMBLE - 32..PREAMBLE].copy_from_slice(&digest);
                let length = u64::from_le_bytes(good[12..20].try_into().unwrap());
                let grown = bytes.len() as i64 - good.len() as i64;
                let length = length.saturating_add_signed(grown);
                exercise(&bytes);
                bytes[12..20].copy_from_slice(&length.to_le_bytes());
                exercise(&bytes);
            }
            Ok(())
        });
        checked.unwrap_or_else(|error| panic!("{error}"));
        rounds += 1;
    }
    println!("{} mutants", rounds * 6000);
}
