//! The engine's contract: what it takes, what it refuses, and what it says then.

use super::{backend, engine, inputs_of, library, noise, spec};
use crate::engine::cpu::{CpuBackend, CpuOptions, LibraryError, SearchPaths, find_library, onnx_model};
use crate::engine::{Backend, EngineSpec, Rows, StageKind};
use crate::graph::{Activation, Graph, GraphBuilder, Lrn, Op};
use crate::plan::Device;

fn tiny(batch: usize) -> Graph {
    let mut b = GraphBuilder::new("tiny");
    let x = b.input("x", &[batch, 3]);
    let w = b.weight("w", &[2, 3], noise(6, 1));
    let y = b.node("dense", Op::Dense, &[x, w]).unwrap();
    b.output(y);
    b.finish().unwrap()
}

fn some_rows(len: usize) -> Rows {
    Rows {
        data: noise(len, 9).into(),
        offset: 0,
        len,
    }
}

#[test]
fn the_backend_says_what_computes() {
    let backend = backend();
    let text = backend.describe();
    assert!(
        text.starts_with("emulated on the CPU by ONNX Runtime 1."),
        "{text}"
    );
    assert!(
        text.ends_with("1 thread per device, computed in float32"),
        "{text}"
    );
    assert_eq!(backend.name(), "cpu");
    assert_eq!(backend.devices()[0], Device::Gpu);
}

#[test]
fn rows_are_read_in_place_from_any_offset() {
    let graph = tiny(2);
    let mut engine = engine(&graph);
    assert_eq!(engine.batch(), 2);
    let data = std::sync::Arc::new(noise(30, 5));
    let mut run = |offset: usize| {
        let len = 6;
        let data = data.clone();
        engine.enqueue(vec![Rows { data, offset, len }]).unwrap();
        engine.wait().unwrap().remove(0)
    };
    let (first, second) = (run(6), run(9));
    assert_eq!(first[2..], second[..2], "row 3 of the array is in both");
    assert_eq!(first, run(6), "the same rows give the same bits");
    assert_eq!(std::sync::Arc::strong_count(&data), 1, "buffers go back");
}

#[test]
fn what_does_not_fit_is_refused_with_a_reason() {
    let long = Rows {
        offset: 3,
        ..some_rows(6)
    };
    let cases = [
        (
            vec![some_rows(3)],
            "`x` has 3 elements instead of 6",
            "too few rows",
        ),
        (
            vec![some_rows(9)],
            "`x` has 9 elements instead of 6",
            "too many rows",
        ),
        (vec![], "0 inputs instead of 1", "no input"),
        (
            vec![some_rows(6), some_rows(6)],
            "2 inputs instead of 1",
            "one input more",
        ),
        (
            vec![long],
            "`x` ends beyond its 6 elements",
            "an offset past the end",
        ),
    ];
    let mut engine = engine(&tiny(2));
    for (inputs, want, why) in cases {
        let error = engine.enqueue(inputs).expect_err(why);
        assert!(error.message.contains(want), "{why}: {error}");
        assert_eq!((error.stage, error.device), (StageKind::Prefix, Device::Gpu));
    }
    let error = engine.wait().unwrap_err();
    assert!(error.message.contains("no execution was started"), "{error}");
    engine.enqueue(vec![some_rows(6)]).unwrap();
    let error = engine.enqueue(vec![some_rows(6)]).unwrap_err();
    assert!(error.message.contains("still waiting"), "{error}");
    assert_eq!(
        engine.wait().unwrap()[0].len(),
        4,
        "and the first one is not lost"
    );
}

#[test]
fn stages_that_cannot_be_built_name_device_and_node() {
    let mut b = GraphBuilder::new("even");
    let x = b.input("x", &[1, 4, 2, 2]);
    let lrn = Lrn {
        size: 4,
        alpha: 1.0,
        beta: 0.75,
        bias: 1.0,
    };
    let y = b.node("norm1", Op::Lrn(lrn), &[x]).unwrap();
    b.output(y);
    let even = b.finish().unwrap();
    let cases = [
        (
            &even,
            Device::Dla(1),
            1,
            "dla1: node `norm1` (lrn)",
            "no layer for the node",
        ),
        (
            &even,
            Device::Dla(7),
            1,
            "dla7: this backend does not emulate",
            "no such device",
        ),
        (
            &even,
            Device::Gpu,
            3,
            "gpu: the stage has 1 row instead of 3",
            "another batch",
        ),
    ];
    for (graph, device, batch, want, why) in cases {
        let spec = EngineSpec {
            stage: StageKind::Suffix,
            device,
            batch,
        };
        let error = backend().build(graph, &spec).err().expect(why).to_string();
        assert!(error.contains(want), "{why}: {error}");
    }
}

#[test]
fn engines_run_side_by_side() {
    let graph = tiny(4);
    let inputs = inputs_of(&graph);
    let run = |device| {
        let spec = EngineSpec {
            device,
            ..spec(&graph)
        };
        let mut engine = backend().build(&graph, &spec).unwrap();
        engine.enqueue(inputs.iter().map(Rows::from).collect()).unwrap();
        engine.wait().unwrap()
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads = backend()
            .devices()
            .into_iter()
            .map(|d| scope.spawn(move || run(d)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(
        results.iter().all(|r| *r == results[0]),
        "every device gives the same bits"
    );
}

#[test]
fn weights_reach_the_model_once() {
    let mut b = GraphBuilder::new("big");
    let x = b.input("x", &[1, 256]);
    let w = b.weight("w", &[256, 256], noise(256 * 256, 3));
    let y = b.node("dense", Op::Dense, &[x, w]).unwrap();
    let unused = b.weight("unused", &[1000], noise(1000, 4));
    assert_eq!(b.shape(unused), [1000]);
    let y = b.node("relu", Op::Activation(Activation::Relu), &[y]).unwrap();
    b.output(y);
    let bytes = onnx_model(&b.finish().unwrap()).unwrap().len();
    assert!(
        (4 * 256 * 256..4 * 256 * 256 + 1000).contains(&bytes),
        "{bytes} bytes"
    );
}

#[test]
fn a_library_is_found_in_the_documented_order_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let place = |path: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        path
    };
    let in_venv = place("venv/lib/python3.10/site-packages/onnxruntime/capi/libonnxruntime.so.1.23.2");
    place("venv/lib/python3.10/site-packages/onnxruntime/capi/libonnxruntime_providers_shared.so");
    let in_site = place("site/onnxruntime/capi/libonnxruntime.so.1.22.0");
    let in_system = place("system/libonnxruntime.so");
    let named = place("custom.so");
    let root = |name: &str| folder.path().join(name);
    let nowhere = SearchPaths {
        system: vec![],
        ..SearchPaths::default()
    };
    let all = SearchPaths {
        explicit: Some(named.clone()),
        environment: Some(in_site.clone()),
        roots: vec![root("none"), root("venv"), root("site")],
        system: vec![root("system")],
    };
    let unnamed = SearchPaths {
        explicit: None,
        environment: None,
        ..all.clone()
    };
    let cases = [
        (all.clone(), Ok(named), "what the user named comes first"),
        (
            SearchPaths {
                explicit: None,
                ..all.clone()
            },
            Ok(in_site.clone()),
            "then the environment",
        ),
        (unnamed.clone(), Ok(in_venv.clone()), "then environments in order"),
        (
            SearchPaths {
                roots: vec![root("site")],
                ..unnamed.clone()
            },
            Ok(in_site),
            "a site-packages folder",
        ),
        (
            SearchPaths {
                roots: vec![],
                ..unnamed.clone()
            },
            Ok(in_system),
            "the system last",
        ),
        (
            SearchPaths {
                explicit: Some(root("venv")),
                ..nowhere.clone()
            },
            Ok(in_venv),
            "a folder may be named",
        ),
        (
            SearchPaths {
                explicit: Some(root("gone")),
                ..all
            },
            Err(LibraryError::Missing(root("gone"))),
            "a named file that is missing is not replaced",
        ),
        (
            SearchPaths {
                roots: vec![root("none")],
                ..nowhere
            },
            Err(LibraryError::NotFound(vec![root("none")])),
            "nothing",
        ),
    ];
    for (paths, want, why) in cases {
        assert_eq!(find_library(&paths), want, "{why}");
    }
}

#[test]
fn a_second_library_is_refused() {
    let first = backend();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("libonnxruntime.so");
    std::fs::write(&copy, "not a library").unwrap();
    let open = |library| {
        CpuBackend::new(CpuOptions {
            library,
            threads_per_device: 2,
            devices: vec![Device::Gpu],
        })
    };
    let error = open(copy).err().expect("another file");
    assert!(matches!(error, LibraryError::Other { .. }), "{error}");
    let again = open(library()).expect("the same file again");
    assert!(again.describe().contains("2 threads per device"));
    assert_eq!(first.devices().len(), 3);
}
