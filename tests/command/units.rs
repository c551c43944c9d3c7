//! A network whose rows depend on each other: every command takes what it was compiled for, once or several times, and says
//! the same of anything else.

use std::fs::File;

use ndarray_npy::NpzReader;

use crate::cli_support::{Folder, bundle, elsewhere, mixing};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("net.dla", &bundle(mixing(), "none").to_bytes());
    folder.npy("four.npy", &[4, 3, 6, 6]);
    folder.npy("three.npy", &[3, 3, 6, 6]);
    folder
}

#[test]
fn every_command_takes_whole_units() {
    let folder = folder();
    let run = "run net.dla --input four.npy --precision fp32 --output";
    folder.run(&format!("{run} y.npy")).expect(0);
    for plan in ["gpu=2x2,suffix=2", "gpu=2x1,dla0=2x1,suffix=2"] {
        folder.run(&format!("{run} other.npy --plan {plan}")).expect(0);
        assert_eq!(folder.read("other.npy"), folder.read("y.npy"), "{plan}");
    }
    folder
        .run("stream net.dla --source four.npy --precision fp32 --output stream.npy")
        .expect(0);
    assert_eq!(folder.read("stream.npy"), folder.read("y.npy"));
    let table = "device,batch,ms\ngpu,2,1\ngpu:whole,2,2\ngpu:suffix,2,1\ndla0,2,1\n";
    folder.write("table.csv", table.as_bytes());
    for (line, key) in [
        ("plan net.dla --batch 4", "plan"),
        ("bench net.dla --batch 4 --repeats 1", "best"),
        ("simulate net.dla --batch 4 --board xavier-nx", "points"),
        (
            "simulate net.dla --plan gpu=2x1,dla0=2x1,suffix=2 --board xavier-nx",
            "plan",
        ),
        ("tune net.dla --batch 4 --board xavier-nx", "points"),
        ("tune net.dla --batch any --board orin-nx", "points"),
        ("tune net.dla --batch 4 --devices gpu,dla0 --measure 1", "points"),
    ] {
        let found = folder.run(&format!("--json {line}")).json();
        assert!(!found[key].is_null(), "{line}: {found}");
        for point in found["points"].as_array().into_iter().flatten() {
            let plan = point["text"].as_str().or(point["plan"].as_str()).unwrap();
            let shares = plan
                .split(',')
                .filter(|s| s.starts_with("gpu") || s.starts_with("dla"));
            assert!(shares.into_iter().all(|s| s.contains("=2x")), "{line}: {plan}");
            assert!(plan.contains("suffix=2"), "{line}: {plan}");
        }
    }
}

#[test]
fn what_is_no_whole_number_of_units_is_refused_alike() {
    let folder = folder();
    for line in [
        "run net.dla --input three.npy",
        "bench net.dla --batch 3",
        "plan net.dla --batch 3",
        "tune net.dla --batch 3 --board xavier-nx",
        "tune net.dla --batch 2,3 --devices gpu",
        "simulate net.dla --batch 3 --board xavier-nx",
        "simulate net.dla --plan gpu=4x1 --board xavier-nx",
        "run net.dla --input four.npy --plan gpu=4x1",
    ] {
        let run = folder.run(line).expect(2);
        let want = "runs only in batches of 2";
        assert!(run.stderr.contains(want), "{line}: {}", run.stderr);
    }
    let stream = folder.run("stream net.dla --source three.npy").expect(1);
    assert!(stream.stderr.contains("no multiple"), "{}", stream.stderr);
}

/// The arrays of `y.npz`.
fn arrays(folder: &Folder) -> Vec<ndarray::ArrayD<f32>> {
    let mut file = NpzReader::new(File::open(folder.path("y.npz")).unwrap()).unwrap();
    let names = file.names().unwrap();
    let arrays = names.iter().map(|name| file.by_name(name).unwrap());
    arrays.collect()
}

#[test]
fn outputs_without_rows_are_those_of_one_execution_after_the_other() {
    for (name, graph, shapes) in elsewhere() {
        let folder = folder();
        folder.write("n.dla", &bundle(graph, "none").to_bytes());
        folder.npy("two.npy", &[2, 3, 6, 6]);
        let rows = folder.read("four.npy");
        let halves = [0..2, 2..4].map(|half| {
            let half = rows.slice_axis(ndarray::Axis(0), half.into());
            ndarray_npy::write_npy(folder.path("half.npy"), &half.to_owned()).unwrap();
            folder
                .run("run n.dla --input half.npy --precision fp32 --output y.npz")
                .expect(0);
            arrays(&folder)
        });
        for (one, shape) in halves[0].iter().zip(&shapes) {
            assert_eq!(one.shape(), shape, "{name}: as compiled");
        }
        for line in [
            "run n.dla --input four.npy --precision fp32 --output y.npz",
            "run n.dla --input four.npy --precision fp32 --output y.npz --plan gpu=2x2,suffix=2",
            "stream n.dla --source four.npy --precision fp32 --output y.npz",
        ] {
            folder.run(line).expect(0);
            for (at, both) in arrays(&folder).iter().enumerate() {
                let shape = &shapes[at];
                let want = if shape.first() == Some(&2) && name == "beside" {
                    [&[4], &shape[1..]].concat()
                } else {
                    [&[2], &shape[..]].concat()
                };
                assert_eq!(both.shape(), want, "{name}: {line}");
                let parts = halves.iter().flat_map(|half| half[at].iter());
                assert!(both.iter().eq(parts), "{name}: {line}");
            }
        }
        for line in [
            "bench n.dla --batch 4 --repeats 1",
            "plan n.dla --batch 4",
            "tune n.dla --batch 4 --devices gpu,dla0 --measure 1",
            "tune n.dla --batch 4 --board xavier-nx",
            "simulate n.dla --batch 4 --board xavier-nx",
            "calibrate n.dla --npz four.npy --output n.calib",
            "accuracy n.dla --npz four.npy",
            "accuracy n.dla --npz four.npy --calibration n.calib.json",
        ] {
            folder.run(line).expect(0);
        }
        let found = folder.run("--json accuracy n.dla --npz four.npy").json();
        let row = match name {
            "beside" => &shapes[0][1..],
            _ => &shapes[0][..],
        };
        let said = &found["precisions"][0]["outputs"][0];
        assert_eq!(said["shape"], serde_json::json!(row), "{name}: {said}");
        assert_eq!(said["fidelity"], "exact", "{name}: {said}");
        let half = &found["precisions"][2]["outputs"][0];
        assert_ne!(half["largest_difference"], 0.0, "{name}: INT8 is looked at");
        for line in [
            "run n.dla --input three.npy",
            "bench n.dla --batch 3",
            "plan n.dla --batch 3",
        ] {
            let run = folder.run(line).expect(2);
            let want = "runs only in batches of 2, and a batch of 3 rows is no multiple";
            assert!(run.stderr.contains(want), "{name}: {line}: {}", run.stderr);
        }
        for line in [
            "calibrate n.dla --npz three.npy --output m.calib",
            "accuracy n.dla --npz three.npy --calibration n.calib.json",
        ] {
            // Rows that are apart, wherever they end, can be looked at one by one.
            let run = folder.run(line);
            let apart = ["moved", "between", "merged"].contains(&name);
            let run = run.expect(if apart { 0 } else { 2 });
            let said = run.stderr.contains("3 rows do not fill batches of 2");
            assert_eq!(said, !apart, "{name}: {line}: {}", run.stderr);
        }
    }
}
