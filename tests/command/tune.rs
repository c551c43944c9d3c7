//! `tvm-dla tune` as a user calls it.

use crate::cli_support::Folder;

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
        ("--profile none.csv --batch 4".to_string(), "cannot read none.csv"),
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

/// An option that changes nothing is a mistake of whoever gives it.
#[test]
fn a_table_without_an_artifact_takes_only_what_it_uses() {
    let folder = Folder::new();
    let table = format!("tune --profile {TABLES} --model vgg-16 --batch 4-8");
    let points = folder.run(&format!("{table} --json --time execution")).json();
    assert_eq!(points["points"].as_array().unwrap().len(), 5, "a range");
    for option in [
        "--goal energy",
        "--goal throughput",
        "--output p.json",
        "--measure 2",
        "--memory 2GiB",
        "--log l.jsonl",
        "--report r.html",
        "--backend cpu",
        "--threads 1",
        "--precision fp16",
    ] {
        let run = folder.run(&format!("{table} {option}")).expect(2);
        let name = option.split(' ').next().unwrap();
        let want = format!("{name} says nothing where a table");
        assert!(run.stderr.contains(&want), "{option}: {}", run.stderr);
    }
    let mut command = folder.command(&table);
    command.env("TVM_DLA_THREADS", "2");
    assert!(
        command.output().unwrap().status.success(),
        "what the environment says is not for this command alone"
    );
}

#[test]
fn one_batch_is_wanted_where_one_is_run() {
    let folder = Folder::new();
    folder.npy("x.npy", &[2, 3, 6, 6]);
    for line in ["run net.dla --input x.npy", "plan net.dla", "bench net.dla"] {
        let run = folder.run(&format!("{line} --batch 4-8")).expect(2);
        assert!(
            run.stderr.contains("`4-8` names several batches"),
            "{line}: {}",
            run.stderr
        );
    }
    let json = folder
        .run("--json simulate net.dla --board xavier-nx --batch 4-6,8")
        .json();
    let batches = json["points"].as_array().unwrap().iter();
    let mut batches: Vec<u64> = batches.map(|p| p["batch"].as_u64().unwrap()).collect();
    batches.dedup();
    assert_eq!(batches, [4, 5, 6, 8]);
}

/// A disk without room ends a tuning in words, and what was there before stays.
#[test]
fn a_plan_file_is_written_whole_or_not_at_all() {
    let folder = Folder::new();
    let line = "tune net.dla --board xavier-nx --batch 1-64 --output plans.json";
    folder
        .run("tune net.dla --board xavier-nx --batch 2 --output plans.json")
        .expect(0);
    let before = std::fs::read(folder.path("plans.json")).unwrap();
    let call = folder.command(line);
    let mut shell = std::process::Command::new("bash");
    // A file of more than 1 KiB cannot be written; 64 plans are larger.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "bash"]);
    shell.arg(call.get_program()).args(call.get_args());
    shell.current_dir(folder.path(""));
    let run = crate::cli_support::Run::of(line, shell.output().unwrap()).expect(2);
    for part in ["cannot write plans.json", "make room"] {
        assert!(run.stderr.contains(part), "`{part}` in {}", run.stderr);
    }
    assert_eq!(std::fs::read(folder.path("plans.json")).unwrap(), before);
    assert_eq!(
        folder.files(),
        ["net.dla", "plans.json"],
        "nothing half-written is left"
    );
}

#[test]
fn a_tuning_without_a_plan_for_this_batch_says_so() {
    let folder = Folder::new();
    folder.npy("x.npy", &[7, 3, 6, 6]);
    folder
        .run("tune net.dla --batch 12 --measure 1 --output tuned.json")
        .expect(0);
    for line in ["run net.dla --input x.npy", "plan net.dla --batch 7"] {
        let said = folder.run(&format!("{line} --plan tuned.json")).expect(0).stderr;
        for part in ["tuned.json has no plan for 7 rows, but plans for 12", "--batch 7"] {
            assert!(said.contains(part), "{line}: `{part}` in {said}");
        }
    }
    let none = folder
        .run("plan net.dla --batch 12 --plan tuned.json")
        .expect(0)
        .stderr;
    assert!(!none.contains("has no plan"), "{none}");
}

const CPU: &str = "tune net.dla --goal throughput";

#[test]
fn measured_plans_are_written_and_the_log_is_resumed() {
    let folder = Folder::new();
    let json = folder
        .run(&format!(
            "{CPU} --batch 12 --strategy search,paper,kcc2020,single --json"
        ))
        .json();
    let points = json["points"].as_array().unwrap();
    assert_eq!(points.len(), 4);
    let search = points.iter().find(|p| p["strategy"] == "search").unwrap();
    let measured = search["measured"].as_array().unwrap();
    let rate = |m: &serde_json::Value| m["rows_per_second"].as_f64().unwrap();
    assert!(measured.len() > 1 && measured.iter().all(|m| rate(m) <= rate(&measured[0])));
    assert!(
        search["over_gpu_only"].as_f64().unwrap() >= 1.0,
        "the GPU alone ran too: {search}"
    );
    let log = std::fs::read_to_string(folder.path("net.tune.jsonl")).unwrap();
    let lines = log.lines().count();
    assert!(lines > 20, "{log}");
    // Interrupted while a line was written: the rest stands, and nothing that was measured is measured again.
    folder.write("net.tune.jsonl", &log.as_bytes()[..log.len() - 9]);
    folder.run(&format!("{CPU} --batch 12")).expect(0);
    let again = std::fs::read_to_string(folder.path("net.tune.jsonl")).unwrap();
    let engines = |log: &str| log.lines().filter(|l| l.contains("{\"engine\"")).count();
    assert_eq!(engines(&again), engines(&log));
    let cut = &log[..log[..log.len() - 9].rfind('\n').unwrap() + 1];
    assert!(again.starts_with(cut));
    // Races go on from what earlier ones showed: the same log gives the same plans, all of which have run.
    folder.run(&format!("{CPU} --batch 12")).expect(0);
    let third = std::fs::read_to_string(folder.path("net.tune.jsonl")).unwrap();
    assert_eq!(third, again);
}

#[test]
fn logs_and_goals_that_do_not_fit_are_refused() {
    let folder = Folder::new();
    folder.write(
        "other.dla",
        &crate::cli_support::bundle(crate::cli_support::slow(), "none").to_bytes(),
    );
    folder.run("tune other.dla --batch 2 --measure 1").expect(0);
    for (line, want) in [
        ("--batch 4 --log other.tune.jsonl", "is a log of the artifact"),
        (
            "--batch 4 --threads 2 --log net2.jsonl --goal fast",
            "`fast` is not a goal",
        ),
        (
            "--batch 4 --goal energy --sysfs none",
            "there is no power monitor in none/bus/i2c/drivers/ina3221",
        ),
        (
            "--batch 4 --goal energy --board xavier-nx",
            "give --power idle=W,gpu=W,dla=W",
        ),
        (
            "--batch 4 --goal latency:0.0001ms",
            "help: the nearest bound that can be kept is",
        ),
        (
            "--batch 64 --memory 1KiB",
            "no plan for 64 rows fits in 1024 bytes of memory",
        ),
        (
            "--batch 64 --max-engines 0",
            "no plan for 64 rows needs 0 engines or fewer",
        ),
        ("--batch 4 --plan gpu=4x1", "tune finds a plan, and takes none"),
        ("--batch 4 --profile x.csv", "cannot read x.csv"),
        ("--batch any --strategy paper", "--strategy paper needs a batch"),
    ] {
        let run = folder.run(&format!("tune net.dla {line}")).expect(2);
        assert!(run.stderr.contains(want), "{line}: {}", run.stderr);
    }
    let run = folder.run("tune --batch 4").expect(2);
    assert!(
        run.stderr.contains("name an artifact, or a table with --profile"),
        "{}",
        run.stderr
    );
}

#[test]
fn batches_that_keep_a_bound_have_a_plan_where_others_have_none() {
    let folder = Folder::new();
    let tune = "tune net.dla --board xavier-nx --batch 1,2000 --json";
    let json = folder.run(tune).json();
    let ms = |at: usize| json["points"][at]["latency_ms"].as_f64().unwrap();
    assert!(ms(1) > 2.5 * ms(0), "{json}");
    let between = 1.5 * ms(0);
    let bounded = folder.run(&format!("{tune} --goal latency:{between}ms"));
    let json = bounded.json();
    let batches: Vec<_> = json["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["batch"])
        .collect();
    assert_eq!(batches, [1], "{json}");
    let reasons = json["infeasible"].as_array().unwrap();
    assert_eq!(reasons.len(), 1, "{json}");
    assert!(reasons[0].as_str().unwrap().contains("2000 rows"), "{json}");
    assert!(bounded.expect(0).stderr.contains("no plan for 2000 rows"));
}

#[test]
fn plans_for_a_board_are_simulated_and_never_worse_than_the_gpu_alone() {
    let folder = Folder::new();
    let line = "tune net.dla --board xavier-nx --power-mode 15W --batch 1-9,64 --strategy search,paper,kcc2020,single --json";
    let json = folder.run(line).json();
    assert!(
        json["origin"]
            .as_str()
            .unwrap()
            .starts_with("simulated, not measured: Jetson Xavier NX")
    );
    let points = json["points"].as_array().unwrap();
    assert_eq!(points.len(), 40);
    let rate = |p: &serde_json::Value| p["rows_per_second"].as_f64().unwrap();
    for point in points.iter().filter(|p| p["strategy"] == "search") {
        assert!(point["over_gpu_only"].as_f64().unwrap() >= 1.0, "{point}");
        assert!(point["of_bound"].as_f64().unwrap() <= 1.0 + 1e-9, "{point}");
        let same = points.iter().filter(|p| p["batch"] == point["batch"]);
        assert!(same.clone().count() == 4 && same.clone().all(|p| rate(p) <= rate(point) * (1.0 + 1e-6)));
    }
    let text = std::fs::read_to_string(folder.path("net.plan.json")).unwrap();
    let file: tvm_dla::plan::PlanFile = serde_json::from_str(&text).unwrap();
    assert_eq!(file.plans.len(), 10);
    for (line, want) in [
        ("--batch 4 --board none", "none"),
        ("--batch 4 --power-mode 15W", "--board"),
        (
            "--batch 16 --board xavier-nx --goal latency:0.001ms",
            "the nearest bound that can be kept is",
        ),
        (
            "--batch any --board xavier-nx --goal latency:0.001ms",
            "no plan for 1 row answers",
        ),
        (
            "--batch 16 --board xavier-nx --memory 1KiB",
            "fits in 1024 bytes of memory",
        ),
    ] {
        let run = folder.run(&format!("tune net.dla {line}")).expect(2);
        assert!(run.stderr.contains(want), "{line}: {}", run.stderr);
    }
    let any = "tune net.dla --board xavier-nx --batch any --goal latency:1ms --json";
    let json = folder.run(any).json();
    assert!(json["points"][0]["p99_ms"].as_f64().unwrap() <= 1.0);
}

#[test]
fn reports_are_written_as_a_page_and_as_csv() {
    let folder = Folder::new();
    let line = "tune net.dla --board xavier-nx --batch 4,16,64 --strategy search,paper,single --goal energy --power idle=3,gpu=6,dla=2 --report r.html --csv r.csv";
    folder.run(line).expect(0);
    let html = std::fs::read_to_string(folder.path("r.html")).unwrap();
    for part in [
        "Throughput over batch",
        "Pareto front",
        "mJ per row",
        "class=\"gantt\"",
        "simulated, not measured: Jetson Xavier NX",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("<script") && !html.contains("src="));
    let csv = std::fs::read_to_string(folder.path("r.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 9, "{csv}");
}

/// A sysfs in which a monitor always shows 5 V and 1.2 A.
fn sysfs(folder: &Folder) {
    let monitor = folder.path("sys/bus/i2c/drivers/ina3221x/7-0040/iio:device0");
    std::fs::create_dir_all(&monitor).unwrap();
    for (file, content) in [
        ("rail_name_0", "VDD_IN\n"),
        ("in_voltage0_input", "5000\n"),
        ("in_current0_input", "1200\n"),
    ] {
        std::fs::write(monitor.join(file), content).unwrap();
    }
}

#[test]
fn energy_is_measured_by_the_boards_sensors() {
    let folder = Folder::new();
    sysfs(&folder);
    let line = "tune net.dla --batch 4 --goal energy --sysfs sys --measure 1 --json";
    let json = folder.run(line).json();
    assert_eq!(
        json["goal"], "energy at 6 W idle, 0 W gpu, 0 W per dla",
        "nothing takes more than doing nothing here"
    );
    let measured = json["points"][0]["measured"].as_array().unwrap();
    let figure = |plan: &serde_json::Value, key: &str| plan[key].as_f64().unwrap();
    for plan in measured {
        let least = 6.0 / figure(plan, "rows_per_second");
        let joules = figure(plan, "joules_per_row");
        assert!(
            joules > 0.9 * least,
            "6 W for at least as long as a row takes: {plan}"
        );
        assert!(
            joules >= figure(&measured[0], "joules_per_row"),
            "best first: {plan}"
        );
    }
    assert_eq!(json["points"][0]["joules_per_row"], measured[0]["joules_per_row"]);
    let log = std::fs::read_to_string(folder.path("net.energy.jsonl")).unwrap();
    assert!(
        log.contains("power of VDD_IN") && log.contains("{\"power\":{\"idle\":6.0"),
        "{log}"
    );
    assert!(log.contains("\"joules\":"), "{log}");
    // Resumed, nothing is measured again.
    folder.run(line).expect(0);
    let again = std::fs::read_to_string(folder.path("net.energy.jsonl")).unwrap();
    let engines = |log: &str| log.lines().filter(|l| !l.contains("{\"run\"")).count();
    assert_eq!(engines(&again), engines(&log));
    for (options, want) in [
        (
            "--sysfs none",
            "there is no power monitor in none/bus/i2c/drivers/ina3221/*/hwmon/hwmon*",
        ),
        (
            "--sysfs sys --rails VDD_GPU",
            "have no rail `VDD_GPU`: they have VDD_IN\nhelp: name the rails",
        ),
    ] {
        let run = folder
            .run(&format!("tune net.dla --batch 4 --goal energy {options}"))
            .expect(2);
        assert!(run.stderr.contains(want), "{options}: {}", run.stderr);
    }
}

#[test]
fn what_a_boards_model_predicts_is_measured_when_asked() {
    let folder = Folder::new();
    let line = "tune net.dla --board xavier-nx --batch 12 --measure 3 --json";
    let json = folder.run(line).json();
    let origin = json["origin"].as_str().unwrap();
    let said = "measured, after a prediction by Jetson Xavier NX";
    assert!(
        origin.starts_with(said) && origin.contains("emulated on the CPU"),
        "{origin}"
    );
    let point = &json["points"][0];
    let measured = point["measured"].as_array().unwrap();
    assert!(
        (2..=4).contains(&measured.len()),
        "the best three and the GPU alone: {point}"
    );
    assert_eq!(point["text"], measured[0]["plan"]);
    let log = std::fs::read_to_string(folder.path("net.tune.jsonl")).unwrap();
    assert!(
        log.contains("{\"run\"") && !log.contains("{\"engine\""),
        "only plans run: {log}"
    );
    folder.npy("x.npy", &[12, 3, 6, 6]);
    let run = folder.run("run net.dla --input x.npy --json").json();
    assert_eq!(
        run["plan_from"], "from net.plan.json",
        "it is a plan for what measured it"
    );
    assert_eq!(run["plan"], point["text"]);
}

#[test]
fn an_artifact_is_tuned_by_a_table_of_times() {
    let folder = Folder::new();
    folder.npy("x.npy", &[12, 3, 6, 6]);
    let table = |rows: &str| format!("device,batch,time_per_item_ms\n{rows}");
    let all = "gpu,1,1.0\ngpu,12,1.0\ngpu:whole,1,1.1\ngpu:whole,12,1.1\ngpu:suffix,1,0.1\n";
    let dla = "dla0,1,1.0\ndla0,12,1.0\n";
    for (dlas, want, why) in [
        ("", "gpu=12x1,suffix=12", "no DLA has times"),
        (
            "dla0,1,9.0\ndla0,12,9.0\n",
            "gpu=11x1,dla0=1x1,suffix=12",
            "a DLA row costs nine of the GPU's",
        ),
        (
            "dla0,1,50.0\n",
            "gpu=12x1,suffix=12",
            "a DLA row costs more than all on the GPU",
        ),
    ] {
        folder.write("t.csv", table(&format!("{all}{dlas}")).as_bytes());
        let json = folder
            .run("tune net.dla --profile t.csv --batch 12 --json")
            .json();
        let plan: tvm_dla::plan::Plan = json["points"][0]["text"].as_str().unwrap().parse().unwrap();
        let wanted: tvm_dla::plan::Plan = want.parse().unwrap();
        let rows = |plan: &tvm_dla::plan::Plan| {
            plan.prefix
                .iter()
                .map(|s| (s.device, s.rows()))
                .collect::<Vec<_>>()
        };
        assert_eq!(rows(&plan), rows(&wanted), "{why}: {plan}");
        assert!(
            json["origin"]
                .as_str()
                .unwrap()
                .starts_with("by the times in t.csv")
        );
    }
    folder.write("t.csv", table(&format!("{all}{dla}")).as_bytes());
    let json = folder
        .run("tune net.dla --profile t.csv --batch 12 --measure 2 --json")
        .json();
    assert!(json["points"][0]["measured"].as_array().unwrap().len() >= 2);
    let run = folder.run("run net.dla --input x.npy --json").json();
    assert_eq!(run["plan_from"], "from net.plan.json");
    for (rows, want) in [
        (
            dla,
            "t.csv: the table has no times of gpu\nhelp: for an artifact the column device has gpu",
        ),
        ("gpu,1,1.0\ndla0,1,1.0\n", "the table has no times of gpu:suffix"),
        (
            "gpu,1,1.0\ngpu:suffix,1,1.0\n",
            "the table has no times of gpu:whole",
        ),
        ("gpu,1,1.0\nnpu,1,1.0\n", "`npu` is no device of a plan"),
        ("gpu,1,x\n", "t.csv: line 2: `x` is not a time"),
    ] {
        folder.write("t.csv", table(rows).as_bytes());
        let run = folder.run("tune net.dla --profile t.csv --batch 12").expect(2);
        assert!(run.stderr.contains(want), "{rows}: {}", run.stderr);
    }
    let run = folder
        .run("tune net.dla --profile t.csv --board xavier-nx --batch 4")
        .expect(2);
    assert!(run.stderr.contains("cannot be used with"), "{}", run.stderr);
}
