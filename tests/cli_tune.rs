//! `tvm-dla tune` as a user calls it.

mod cli_support;

use cli_support::Folder;

const TABLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/kcc2020_profiles.csv");

#[test]
fn a_table_of_measured_times_is_split_better_than_by_the_greedy() {
    let folder = Folder::new();
    let line = format!(
        "tune --profile {TABLES} --model mobilenet --batch 1-64,512 --strategy search,kcc2020,single --json"
    );
    let json = folder.run(&line).json();
    let points = json["points"].as_array().unwrap();
    assert_eq!(points.len(), 65 * 3);
    for point in points.chunks(3) {
        let ms = |at: usize| point[at]["ms"].as_f64().unwrap();
        assert_eq!(point[0]["strategy"], "search");
        assert!(ms(0) <= ms(1) && ms(0) <= ms(2), "{point:?}");
        let parts = point[0]["parts"].as_array().unwrap();
        let rows: u64 = parts.iter().map(|p| p["rows"].as_u64().unwrap()).sum();
        assert_eq!(Some(rows), point[0]["batch"].as_u64());
    }
    assert_eq!(json["units"].as_array().unwrap().len(), 3);
}

#[test]
fn tables_and_batches_that_are_wrong_are_refused() {
    let folder = Folder::new();
    folder.write("empty.csv", b"");
    folder.write("bad.csv", b"device,batch,time_per_item_ms\ngpu,1,x\n");
    for (line, want) in [
        (
            format!("--profile {TABLES} --batch 4"),
            "3 models: mobilenet, resnet-50, vgg-16\nhelp: choose one with --model",
        ),
        (
            format!("--profile {TABLES} --batch 4 --model vgg16"),
            "help: the nearest is --model vgg-16",
        ),
        (
            format!("--profile {TABLES} --model vgg-16 --batch 0"),
            "`0` is not a batch",
        ),
        (
            format!("--profile {TABLES} --model vgg-16 --batch 9-4"),
            "ends before it starts",
        ),
        (
            format!("--profile {TABLES} --model vgg-16 --batch 9000"),
            "use at most 8192",
        ),
        (
            "--profile none.csv --batch 4".to_string(),
            "cannot read none.csv",
        ),
        (
            "--profile empty.csv --batch 4".to_string(),
            "empty.csv: the table has no rows\nhelp: the columns are",
        ),
        (
            "--profile bad.csv --batch 4".to_string(),
            "bad.csv: line 2: `x` is not a time",
        ),
    ] {
        let run = folder.run(&format!("tune {line}")).expect(2);
        assert!(run.stderr.contains(want), "{line}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}
