//! A network whose rows depend on each other: every command takes what it was compiled for, once or several times, and says
//! the same of anything else.

use crate::cli_support::{bundle, mixing, Folder};

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
        folder
            .run(&format!("{run} other.npy --plan {plan}"))
            .expect(0);
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
        (
            "tune net.dla --batch 4 --devices gpu,dla0 --measure 1",
            "points",
        ),
    ] {
        let found = folder.run(&format!("--json {line}")).json();
        assert!(!found[key].is_null(), "{line}: {found}");
        for point in found["points"].as_array().into_iter().flatten() {
            let plan = point["text"].as_str().or(point["plan"].as_str()).unwrap();
            let shares = plan
                .split(',')
                .filter(|s| s.starts_with("gpu") || s.starts_with("dla"));
            assert!(
                shares.into_iter().all(|s| s.contains("=2x")),
                "{line}: {plan}"
            );
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
