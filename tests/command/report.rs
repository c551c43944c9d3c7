//! The report as a reader gets it: what it says, that it asks nobody for anything, and how it looks in a browser.
//!
//! The browser is `chromium` (`TVM_DLA_CHROMIUM` names another); without one the test says so and ends, unless
//! `REQUIRE_CHROMIUM=1`. `KEEP_SCREENSHOTS=folder` keeps the pictures.

use std::path::Path;

use crate::browser_support::{browse, is_there, light_and_dark, phone};
use crate::cli_support::Folder;

use tvm_dla::engine::StageKind;
use tvm_dla::plan::Device;
use tvm_dla::report::{Bar, Comparison, Page, Series, Tone, lines, published};
use tvm_dla::sim::{
    Arriving, Choice, Costs, ExecutionCost, HostCosts, Load, Network, Noise, arrivals, crossover, sweep,
};

const LABEL: &str = "Made-up costs for a test of the report; not figures of a board.";

/// A GPU of 432 and DLAs of 100 images/s each, a fixed cost per run.
struct Linear;

impl Costs for Linear {
    fn execution(&self, stage: StageKind, device: Device, batch: usize) -> Result<ExecutionCost, String> {
        let row = match (stage, device) {
            (StageKind::Suffix, _) => 20.0,
            (_, Device::Gpu) => 2300.0,
            (_, Device::Dla(_)) => 9500.0,
        };
        Ok(ExecutionCost {
            alone_us: row * batch as f64 + 60.0,
            submit_us: 30.0,
            bytes: 10_000_000 * batch as u64,
        })
    }

    fn slow_down(&self, loads: &[Load]) -> Vec<f64> {
        vec![1.0 + 0.02 * (loads.len() - 1) as f64; loads.len()]
    }

    fn host(&self, shared: bool) -> HostCosts {
        HostCosts {
            run_us: if shared { 9000.0 } else { 5000.0 },
            merge_us: if shared { 6000.0 } else { 0.0 },
        }
    }
}

fn network() -> Network {
    Network {
        prefix: true,
        suffix: true,
        dlas: vec![Device::Dla(0), Device::Dla(1)],
        dla_rows: 64,
        unit: None,
    }
}

fn comparison() -> Comparison {
    let batches: Vec<usize> = published().iter().map(|p| p.batch).collect();
    let points = sweep(&network(), &batches, &Linear, Noise::NONE).unwrap();
    let bars = batches.iter().map(|batch| {
        let at = |choice| {
            points
                .iter()
                .find(|p| p.batch == *batch && p.choice == choice)
                .unwrap()
        };
        Bar {
            batch: *batch,
            gpu: at(Choice::GpuOnly).images_per_second,
            shared: at(Choice::Shared).images_per_second,
            plan: at(Choice::Shared).plan.clone(),
        }
    });
    Comparison::new("simulated", bars.collect())
}

fn report() -> String {
    let mut page = Page::new("GPU and DLA on a Jetson Xavier NX", LABEL);
    page.heading("MobileNet, all data resident");
    comparison().write(&mut page, LABEL);
    page.heading("Data over a network");
    let data = Arriving {
        rows: 512,
        bytes_per_row: 150_528,
    };
    let rates: Vec<f64> = (0..9).map(|i| 10.0 * 2f64.powi(i)).collect();
    let arrivals = arrivals(&network(), &Linear, data, &rates, &[4, 16, 64]).unwrap();
    let labels: Vec<String> = rates.iter().map(f64::to_string).collect();
    let series = |name: &str, tone, value: fn(&tvm_dla::sim::Arrival) -> f64| Series {
        name: name.into(),
        tone,
        values: arrivals.iter().map(|a| Some(value(a))).collect(),
    };
    let svg = lines(
        "Stream and offline",
        ["MB/s", "images/s"],
        &labels,
        &[
            series("offline", Tone::Gpu, |a| a.offline),
            series("stream", Tone::All, |a| a.stream),
        ],
        None,
    );
    page.figure(&svg, LABEL);
    page.finish()
}

#[test]
fn the_best_plan_respects_batch_and_limits() {
    for batch in [1, 2, 3, 4, 7, 16, 32, 100, 513, 2048] {
        for point in sweep(&network(), &[batch], &Linear, Noise::NONE).unwrap() {
            let plan: tvm_dla::plan::Plan = point.plan.parse().unwrap();
            let all = [Device::Gpu, Device::Dla(0), Device::Dla(1)];
            assert_eq!(plan.validate(batch, &all), Ok(()), "{}", point.plan);
            let fits = |s: &tvm_dla::plan::Share| s.device == Device::Gpu || s.batch <= 64;
            assert!(plan.prefix.iter().all(fits), "{}", point.plan);
            let busy: f64 = point.devices.values().map(|d| d.busy_share).sum();
            assert!(busy <= point.devices.len() as f64 + 1e-9);
        }
    }
}

#[test]
fn errors_are_against_the_published_bars() {
    let exact = published().into_iter().map(|p| Bar {
        batch: p.batch,
        gpu: p.gpu,
        shared: p.shared,
        plan: "gpu=1x1".into(),
    });
    let exact = Comparison::new("copied", exact.collect());
    assert_eq!(exact.errors.len(), 9);
    assert!(
        exact.worst_ratio(4).unwrap() < 0.005,
        "ratios were read off the curve"
    );
    assert_eq!(exact.break_even(), Some((16, 32)));
    let mut off = exact.bars.clone();
    off[3].gpu *= 1.1;
    off[3].batch = 65;
    let off = Comparison::new("copied", off);
    assert_eq!(off.errors.len(), 8, "the paper has no batch 65");
    assert_eq!(off.to_csv().lines().count(), 10);
    assert!(
        off.to_csv()
            .contains("\n65,copied,455.84,493.90,1.0835,,,,,,,\"gpu=1x1\"\n"),
        "{}",
        off.to_csv()
    );
}

#[test]
fn streams_win_on_slow_networks_and_whole_batches_on_fast_ones() {
    let data = Arriving {
        rows: 512,
        bytes_per_row: 100_000,
    };
    let rates: Vec<f64> = (0..14).map(|i| 5.0 * 2f64.powi(i)).collect();
    let got = arrivals(&network(), &Linear, data, &rates, &[4, 16, 64, 3]).unwrap();
    assert!(got[0].stream > got[0].offline, "{:?}", got[0]);
    let last = got.last().unwrap();
    assert!(last.offline > last.stream, "{last:?}");
    let at = crossover(&got).unwrap();
    assert!(at > rates[0] && at < rates[13]);
    let bound = 5.0 * 1e6 / data.bytes_per_row as f64;
    assert!(got[0].stream <= bound, "no faster than the data comes");
    assert!(got.iter().all(|a| a.stream_batch != 3), "3 does not divide 512");
}

#[test]
fn a_report_asks_nobody_for_anything() {
    let html = report();
    for mark in ["http:", "https:", "src=", "url(", "@import", "<script", "//cdn"] {
        assert!(!html.contains(mark), "{mark}");
    }
    assert_eq!(html.matches("href=").count(), 1, "the empty icon");
    assert_eq!(
        html.matches(LABEL).count(),
        1 + 3,
        "on the page and under every figure"
    );
    let evil = Page::new("<b>&", "\"x\"").finish();
    assert!(!evil.contains("<b>") && evil.contains("&lt;b&gt;&amp;"));
}

/// What `scripts/reproduce_ksc2022` calls, for a small network at three batch sizes.
fn reproduced() -> Folder {
    let folder = Folder::new();
    let line = "reproduce-ksc2022 net.dla --model Other=net.dla --batch 4,16,32 --out made";
    let run = folder.run(line).expect(0);
    assert!(
        run.stdout
            .starts_with("Simulated on a model of a Jetson Xavier NX, 20W; not measured."),
        "{}",
        run.stdout
    );
    folder
}

#[test]
fn the_papers_experiments_are_made_in_one_page_and_as_csv() {
    let folder = reproduced();
    let read = |name: &str| std::fs::read_to_string(folder.path("made").join(name)).unwrap();
    let html = read("report.html");
    for heading in [
        "MobileNet, all data resident",
        "data arriving over a network",
        "Other, all data resident",
        "Constants of the model",
    ] {
        assert!(html.contains(heading), "{heading}");
    }
    assert!(
        html.matches("not measured.").count() > 5,
        "the label is at every figure"
    );
    let csv = read("throughput.csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + 3 + 3, "{csv}");
    let cells = |line: &str| line.split(',').map(str::to_string).collect::<Vec<_>>();
    assert_eq!(
        cells(lines[1])[6],
        "625.7000",
        "the published bar of the GPU at batch 4"
    );
    assert_ne!(cells(lines[1])[9], "", "and the error against it");
    assert_eq!(cells(lines[4])[6], "", "the paper has no other network");
    assert_eq!(read("network.csv").lines().count(), 1 + 14);
}

#[test]
fn the_papers_experiments_can_be_measured_too() {
    let folder = Folder::new();
    let line = "reproduce-ksc2022 net.dla --backend cpu --batch 4,16 --repeats 1 --out made";
    let run = folder.run(line).expect(0);
    assert!(
        run.stdout
            .starts_with("Measured on this machine: gpu + dla0 + dla1 emulated on the CPU"),
        "{}",
        run.stdout
    );
    let html = std::fs::read_to_string(folder.path("made/report.html")).unwrap();
    assert!(html.contains("emulated on the CPU") && html.contains("measured"));
}

#[test]
fn bad_arguments_for_the_papers_experiments_are_refused() {
    let folder = Folder::new();
    let cases = [
        ("none.tar --out made", "none.tar"),
        ("net.dla --model Other --out made", "expected NAME=ARTIFACT"),
        ("net.dla --out net.dla", "cannot make net.dla"),
        ("net.dla --batch 0 --out made", "invalid value '0'"),
    ];
    for (options, why) in cases {
        let run = folder.run(&format!("reproduce-ksc2022 {options}")).expect(2);
        assert!(run.stderr.contains(why), "{options}: {}", run.stderr);
    }
}

/// How many requests a page made, by the browser's own count.
fn requests(folder: &Path, html: &str) -> String {
    let count = "<script>addEventListener('load',()=>{document.title='requests '+performance.getEntriesByType('resource').length})</script></body>";
    let file = folder.join("counted.html");
    std::fs::write(&file, html.replace("</body>", count)).unwrap();
    let url = format!("file://{}", file.display());
    let dom = browse(
        folder,
        &["--virtual-time-budget=2000".into(), "--dump-dom".into(), url],
    );
    let dom = String::from_utf8_lossy(&dom.stdout).into_owned();
    let title = dom
        .split("<title>")
        .nth(1)
        .and_then(|t| t.split("</title>").next());
    title.unwrap_or_default().to_string()
}

#[test]
fn no_request_leaves_the_page() {
    if !is_there() {
        return;
    }
    let folder = reproduced();
    let html = std::fs::read_to_string(folder.path("made/report.html")).unwrap();
    assert_eq!(requests(folder.0.path(), &html), "requests 0");
    let greedy = html.replace("</body>", "<img src='http://127.0.0.1:9/x.png'></body>");
    assert_eq!(
        requests(folder.0.path(), &greedy),
        "requests 1",
        "the count counts"
    );
}

/// Says so when there is no browser.
#[test]
fn a_browser_shows_it_in_light_dark_and_on_a_phone() {
    if !is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    std::fs::write(&file, report()).unwrap();
    light_and_dark(folder.path(), &file, 1900);
    phone(folder.path(), &report());
    let made = reproduced();
    let html = std::fs::read_to_string(made.path("made/report.html")).unwrap();
    phone(folder.path(), &html);
    let line = "tune net.dla --board xavier-nx --batch 4,16,64,256 --strategy search,paper,kcc2020,single --goal energy --power idle=3,gpu=6,dla=2 --report tune.html";
    made.run(line).expect(0);
    let tuned = made.path("tune.html");
    light_and_dark(folder.path(), &tuned, 1900);
    phone(folder.path(), &std::fs::read_to_string(tuned).unwrap());
}
