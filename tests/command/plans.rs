//! Which plan every command takes: the one asked for, else one from the file beside the artifact, else the embedded one.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::cli_support::Folder;
use serde_json::Value;
use tvm_dla::bundle::{Bundle, digest};
use tvm_dla::plan::{Plan, PlanFile};

const ASKED: &str = "gpu=4x1,dla0=2x4,suffix=12";
const BESIDE: &str = "gpu=6x1,dla1=3x2,suffix=6";
const EMBEDDED: &str = "gpu=4x2,dla0=2x2,suffix=12";

/// A file of a tuning with these plans, for this network on this board.
fn tuning(network: &str, board: &str, plans: &[&str]) -> String {
    let plans: Vec<Plan> = plans.iter().map(|plan| plan.parse().unwrap()).collect();
    let goal = "throughput".to_string();
    let file = PlanFile::new(network.to_string(), board.to_string(), goal, plans);
    serde_json::to_string(&file).unwrap()
}

/// A folder with `net.dla`, 12 rows in `x.npy`, tunings for it, for another board and for another network; `places` says
/// where it has plans of its own.
fn folder(places: &[&str]) -> Folder {
    let folder = Folder::new();
    folder.npy("x.npy", &[12, 3, 6, 6]);
    let bytes = std::fs::read(folder.path("net.dla")).unwrap();
    let network = digest(&Bundle::from_bytes(&bytes).unwrap().graph);
    for (name, network, board) in [
        ("ours.json", network.as_str(), "cpu"),
        ("board.json", &network, "Jetson Xavier NX, 15W"),
        ("other.json", "0123", "cpu"),
    ] {
        folder.write(name, tuning(network, board, &[BESIDE, "gpu=3x1"]).as_bytes());
    }
    for place in places {
        match *place {
            "beside" => copy(&folder, "ours.json"),
            "embedded" => drop(
                folder
                    .run(&format!("embed-plan net.dla --plan {EMBEDDED}"))
                    .expect(0),
            ),
            other => panic!("{other}"),
        }
    }
    folder
}

fn copy(folder: &Folder, file: &str) {
    std::fs::copy(folder.path(file), folder.path("net.plan.json")).unwrap();
}

/// The plan that `run` and `plan` report, and where it is from.
fn used(folder: &Folder, options: &str) -> (String, String) {
    let run = folder
        .run(&format!("--json run net.dla --input x.npy {options}"))
        .json();
    let planned = folder
        .run(&format!("--json plan net.dla --batch 12 {options}"))
        .json();
    let text = |value: &Value| value.as_str().unwrap().to_string();
    assert_eq!(run["plan"], planned["text"], "{options}");
    assert_eq!(run["plan_from"], planned["plan_from"], "{options}");
    (text(&run["plan"]), text(&run["plan_from"]))
}

#[test]
fn a_plan_asked_for_wins_over_the_file_beside_which_wins_over_the_embedded_one() {
    let both = ["beside", "embedded"];
    for (places, options, plan, origin) in [
        (&both[..], &format!("--plan {ASKED}"), ASKED, "as asked for"),
        (&both, &"--plan ours.json".to_string(), BESIDE, "from ours.json"),
        (&both, &String::new(), BESIDE, "from net.plan.json"),
        (&both[1..], &String::new(), EMBEDDED, "embedded in the artifact"),
        (&[], &String::new(), "gpu=12x1,suffix=12", "an equal deal"),
    ] {
        let folder = folder(places);
        let got = used(&folder, options);
        assert_eq!(
            got,
            (plan.to_string(), origin.to_string()),
            "{places:?} {options}"
        );
    }
    let folder = folder(&both);
    let json = folder.run("--json run net.dla --input x.npy --batch 3").json();
    assert_eq!(json["plan"], "gpu=3x1,suffix=3", "the file's other plan");
    folder.run("embed-plan net.dla --plan none").expect(0);
    std::fs::remove_file(folder.path("net.plan.json")).unwrap();
    assert_eq!(used(&folder, "").1, "an equal deal", "a plan can be taken out");
}

#[test]
fn what_tune_writes_is_found_beside_the_artifact_and_can_be_embedded() {
    let folder = folder(&[]);
    let json = folder.run("--json tune net.dla --batch 12 --measure 1").json();
    let plan = json["points"][0]["text"].as_str().unwrap().to_string();
    assert_eq!(
        used(&folder, ""),
        (plan.clone(), "from net.plan.json".to_string())
    );
    folder.run("embed-plan net.dla --plan net.plan.json").expect(0);
    std::fs::remove_file(folder.path("net.plan.json")).unwrap();
    assert_eq!(used(&folder, ""), (plan, "embedded in the artifact".to_string()));
    folder
        .run("run net.dla --input x.npy --adapt --repeat 3")
        .expect(0);
}

#[test]
fn plans_for_something_else_are_refused_and_never_used() {
    let folder = folder(&[]);
    for (file, want) in [
        (
            "board.json",
            "for another board: `Jetson Xavier NX, 15W`, not `cpu`",
        ),
        ("other.json", "for another network (digest 0123, not "),
    ] {
        for command in [
            "run net.dla --input x.npy",
            "plan net.dla --batch 12",
            "bench net.dla --batch 12",
            "build net.dla",
            "stream net.dla --source x.npy",
            "serve net.dla --http-port 0 --grpc-port 0",
        ] {
            let run = folder.run(&format!("{command} --plan {file}")).expect(2);
            let said = run.stderr.contains(want) && run.stderr.contains("help:");
            assert!(said, "{command}: {}", run.stderr);
        }
        // Nobody asked for the one beside the artifact: it is passed over, with a remark.
        copy(&folder, file);
        let run = folder.run("--json run net.dla --input x.npy").expect(0);
        assert!(
            run.stderr.contains("net.plan.json is not used: these plans are"),
            "{}",
            run.stderr
        );
        assert_eq!(run.json()["plan_from"], "an equal deal");
        std::fs::remove_file(folder.path("net.plan.json")).unwrap();
    }
    for (plan, want) in [
        ("other.json", "for another network"),
        (
            "ours.json --batch 7",
            "no plan has 7 rows\nhelp: there are plans for 12, 3",
        ),
        ("none.json", "cannot read none.json"),
        ("x.npy.json", "cannot read x.npy.json"),
    ] {
        let run = folder.run(&format!("embed-plan net.dla --plan {plan}")).expect(2);
        assert!(run.stderr.contains(want), "{plan}: {}", run.stderr);
    }
    let run = folder.run("embed-plan net.dla --plan board.json").expect(0);
    assert!(
        run.stderr.contains("was tuned for Jetson Xavier NX, 15W"),
        "{}",
        run.stderr
    );
}

/// Device and batch of every engine, in order.
fn engines(list: &Value) -> Vec<(String, u64)> {
    let engine = |e: &Value| {
        let device = e["device"].as_str().unwrap().to_string();
        (device, e["batch"].as_u64().unwrap())
    };
    list.as_array().unwrap().iter().map(engine).collect()
}

#[test]
fn build_prepares_every_plan_there_is() {
    for (places, options, want) in [
        (&["beside", "embedded"][..], "", vec![BESIDE, "gpu=3x1,suffix=3"]),
        (&["embedded"], "", vec![EMBEDDED]),
        (
            &["embedded"],
            "--plan ours.json",
            vec![BESIDE, "gpu=3x1,suffix=3"],
        ),
        (&["beside"], "--batch 3", vec!["gpu=3x1,suffix=3"]),
        (&["beside"], &format!("--plan {ASKED}"), vec![ASKED]),
    ] {
        let folder = folder(places);
        let report = folder.run(&format!("--json build net.dla {options}")).json();
        let plans = report["plans"].as_array().unwrap().iter();
        let plans: Vec<&str> = plans.map(|p| p["plan"].as_str().unwrap()).collect();
        assert_eq!(plans, want, "{places:?} {options}");
        let mut built = engines(&report["engines"]);
        let all = built.len();
        built.dedup();
        assert_eq!(built.len(), all, "no engine is built twice: {built:?}");
    }
}

#[test]
fn a_stream_takes_the_devices_and_batches_of_a_plan() {
    let powers = |device: &str, most: u64| {
        let all = [1, 2, 4, 8].into_iter().filter(|n| *n < most).chain([most]);
        all.map(|n| (device.to_string(), n)).collect::<Vec<_>>()
    };
    for (places, options, want, origin) in [
        (
            &["beside", "embedded"][..],
            "",
            [powers("gpu", 6), powers("dla1", 3)].concat(),
            "those of a plan, from net.plan.json",
        ),
        (
            &["embedded"],
            "",
            [powers("gpu", 4), powers("dla0", 2)].concat(),
            "those of a plan, embedded in the artifact",
        ),
        (
            &["beside"],
            "--max-batch 2",
            [powers("gpu", 2), powers("dla1", 2)].concat(),
            "those of a plan, from net.plan.json",
        ),
        (
            &["beside"],
            "--plan gpu=4x1,dla0=2x4",
            vec![("gpu".to_string(), 4), ("dla0".to_string(), 2)],
            "those of a plan, as asked for",
        ),
        (
            &["beside"],
            "--devices gpu",
            powers("gpu", 3),
            "those of a plan, from net.plan.json",
        ),
        (
            &[],
            "--devices gpu --max-batch 2",
            powers("gpu", 2),
            "the usual ones on every device",
        ),
    ] {
        let folder = folder(places);
        let line = format!("--json stream net.dla --source x.npy {options}");
        let report = folder.run(&line).json();
        assert_eq!(report["computed"], 12);
        assert_eq!(engines(&report["engines"]), want, "{places:?} {options}");
        assert_eq!(report["batches_from"], origin, "{places:?} {options}");
    }
}

#[test]
fn a_server_takes_the_plan_of_every_model() {
    let folder = folder(&["beside"]);
    std::fs::copy(folder.path("net.dla"), folder.path("second.dla")).unwrap();
    folder
        .run(&format!("embed-plan second.dla --plan {EMBEDDED}"))
        .expect(0);
    std::fs::copy(folder.path("board.json"), folder.path("second.plan.json")).unwrap();
    let line = "--json serve net.dla second.dla --http-port 0 --grpc-port 0";
    let mut child = folder
        .command(line)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    while !text.ends_with("}\n") && stdout.read_line(&mut text).unwrap() > 0 {}
    child.kill().unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    let serving: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(serving["models"], serde_json::json!(["net", "second"]));
    assert_eq!(
        serving["batches_from"],
        serde_json::json!([
            "those of a plan, from net.plan.json",
            "those of a plan, embedded in the artifact"
        ])
    );
    assert!(
        said.contains("second.plan.json is not used: these plans are for another board"),
        "{said}"
    );
}

#[test]
fn a_plan_is_judged_in_simulation() {
    let folder = folder(&[]);
    for (plan, loses, why) in [
        ("gpu=66x1", false, "as good as the GPU alone can be"),
        ("dla0=1x66,suffix=66", true, "row by row on one DLA"),
        ("gpu=1x66", true, "row by row on the GPU"),
    ] {
        let line = format!("--json simulate net.dla --board orin-nx --plan {plan}");
        let json = folder.run(&line).json();
        let figure = |name: &str| json[name].as_f64().unwrap();
        assert_eq!(json["loses"], loses, "{plan}: {why}: {json}");
        assert_eq!(json["rows"], 66, "{plan}");
        assert_eq!(figure("over_gpu_only") < 0.9995, loses, "{plan}");
        assert!(figure("over_best") <= 1.0, "{plan}");
        let text = folder.run(&line.replace("--json ", "")).expect(0).stdout;
        assert_eq!(text.contains("LOSES to the GPU alone"), loses, "{text}");
        for part in ["this plan", "GPU only", "best found", "simulated, not measured"] {
            assert!(text.contains(part), "`{part}` in:\n{text}");
        }
    }
    for (options, want) in [
        (
            "--board orin-nx-8gb --plan gpu=1x1,dla1=1x1",
            "dla1, which is not available here",
        ),
        ("--board orin-nx --plan dla0=9000x1", "dla0 batches of 9000 rows"),
        ("--board orin-nx --plan gpu=4", "expected BATCHxROUNDS"),
        ("--board orin-nx --plan gpu=4x1 --batch 4", "cannot be used with"),
        ("--board orin-nx --plan gpu=4x1,dla0=4x1,cut=nowhere", "nowhere"),
        ("--board orin-nx", "--batch"),
    ] {
        let run = folder.run(&format!("simulate net.dla {options}")).expect(2);
        assert!(run.stderr.contains(want), "{options}: {}", run.stderr);
    }
}
