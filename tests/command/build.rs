//! `tvm-dla build` builds what a plan needs, and says what it built.

use crate::cli_support::Folder;

#[test]
fn every_engine_of_a_plan_is_built_once() {
    let folder = Folder::new();
    let plan = "gpu=4x1,dla0=2x2,suffix=8";
    let cases = [
        (
            format!("--json build net.dla --plan {plan}"),
            vec![("prefix", "gpu", 4), ("prefix", "dla0", 2), ("suffix", "gpu", 8)],
            "the plan's devices, and the suffix",
        ),
        (
            "--json build net.dla --batch 3 --devices gpu".to_string(),
            vec![("whole", "gpu", 3)],
            "the gpu alone runs the network uncut",
        ),
    ];
    for (line, want, why) in cases {
        let report = folder.run(&line).json();
        let engines = report["engines"].as_array().unwrap();
        let got: Vec<(&str, &str, u64)> = engines
            .iter()
            .map(|e| {
                assert!(e["seconds"].as_f64().unwrap() > 0.0, "{e}");
                let text = |key: &str| e[key].as_str().unwrap();
                (text("stage"), text("device"), e["batch"].as_u64().unwrap())
            })
            .collect();
        assert_eq!(got, want, "{why}");
    }
}

#[test]
fn a_plan_that_is_not_possible_is_refused_before_anything_is_built() {
    let folder = Folder::new();
    let cases = [
        ("build net.dla", "--batch"),
        ("build net.dla --batch 0", "0"),
        ("build net.dla --plan gpu=1x1,dla1=1x1,suffix=3", "suffix"),
    ];
    for (line, part) in cases {
        let run = folder.run(line).expect(2);
        assert!(run.stderr.contains(part), "{line}: {}", run.stderr);
    }
}
