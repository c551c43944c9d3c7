//! What commands say of their work: which devices and rounds, for how many rows, and how far they are.

use crate::cli_support::Folder;

#[test]
fn a_run_names_what_it_did_without_and_counts_the_suffix_apart() {
    let folder = Folder::new();
    folder.npy("x.npy", &[8, 3, 6, 6]);
    let said = |plan: &str| {
        let line = format!("run net.dla --input x.npy --plan {plan}");
        folder.run(&line).expect(0).stdout
    };
    let part = said("gpu=2x2,dla0=4x1,suffix=4");
    assert!(
        part.contains("unused   dla1: the plan for 8 rows does not take it"),
        "{part}"
    );
    let gpu = "gpu      4 rows in 2 rounds, the suffix of 8 rows in 2, busy";
    assert!(part.contains(gpu), "{part}");
    assert!(part.contains("dla0     4 rows in 1 round, busy"), "{part}");
    let alone = said("gpu=8x1,suffix=8");
    let unused = "unused   dla0, dla1: the plan for 8 rows does not take them";
    assert!(alone.contains(unused), "{alone}");
    let all = said("gpu=2x2,dla0=2x1,dla1=2x1,suffix=8");
    assert!(!all.contains("unused"), "{all}");
}

#[test]
fn a_stream_counts_the_suffix_apart() {
    let folder = Folder::new();
    folder.npy("x.npy", &[8, 3, 6, 6]);
    let stream = folder.run("stream net.dla --source x.npy --plan dla0=1x8,suffix=1");
    let stream = stream.expect(0).stdout;
    let gpu = "gpu      0 rows in 0 rounds, the suffix of 8 rows in 8, busy";
    assert!(stream.contains(gpu), "{stream}");
}

#[test]
fn an_embedded_plan_is_named_with_its_rows() {
    let folder = Folder::new();
    let line = "embed-plan net.dla --plan gpu=2x2,dla0=4x1,suffix=4";
    let said = folder.run(line).expect(0).stdout;
    assert!(said.contains("suffix=4, for batches of 8 rows"), "{said}");
    let line = format!("--json {line}");
    assert_eq!(folder.run(&line).json()["rows"], 8);
}

#[test]
fn what_takes_long_says_what_it_begins_where_there_is_no_terminal() {
    let folder = Folder::new();
    folder.npy("x.npy", &[2, 3, 6, 6]);
    for (line, begun) in [
        (
            "tune net.dla --batch 4 --devices gpu,dla0 --measure 2",
            ["measuring ", "in up to"],
        ),
        ("stream net.dla --source x.npy", ["streaming", ""]),
    ] {
        let said = folder.run(line).expect(0).stderr;
        let both = begun.iter().all(|text| said.contains(text));
        assert!(both, "{line}: {said}");
        let quiet = folder.run(&format!("--quiet {line}")).expect(0).stderr;
        assert!(!quiet.contains(begun[0]), "{line}: {quiet}");
    }
}
