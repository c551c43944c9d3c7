//! `tvm-dla stream`: every source, every way in which one can end, and nothing lost or out of order.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::cli_support::{Folder, Run, bundle, picture, slow, sum};
use serde_json::Value;

/// The lines of `--results`.
fn lines(folder: &Folder, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.path(name)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A folder with `x.npy` of so many rows, and `y.npy`, what `run` gives for them.
fn with_rows(rows: usize) -> Folder {
    let folder = Folder::new();
    folder.npy("x.npy", &[rows, 3, 6, 6]);
    folder
        .run("run net.dla --input x.npy --devices gpu --output y.npy")
        .expect(0);
    folder
}

#[test]
fn a_stream_gives_what_a_run_gives_in_the_same_order() {
    let folder = with_rows(150);
    let want = folder.read("y.npy");
    for (options, why) in [
        ("", "as fast as they are taken"),
        ("--max-latency 400ms", "batches that wait"),
        ("--rate poisson:3000 --seed 7 --max-latency 500ms", "at random"),
        ("--capacity 3 --max-batch 2", "a narrow stream"),
        ("--devices gpu", "one device"),
        ("--plan gpu=3x1,dla1=5x1", "padded batches"),
    ] {
        let line = format!("--json stream net.dla --source x.npy --output z.npy --results r {options}");
        let answer = folder.run(&line).json();
        assert_eq!(folder.read("z.npy"), want, "{why}");
        assert_eq!(answer["source"]["how"], "complete");
        assert_eq!(
            (&answer["received"], &answer["computed"]),
            (&150.into(), &150.into()),
            "{why}"
        );
        let items: Vec<u64> = lines(&folder, "r")
            .iter()
            .map(|l| l["item"].as_u64().unwrap())
            .collect();
        assert_eq!(items, (0..150).collect::<Vec<_>>(), "{why}");
        let devices = answer["stats"].as_object().unwrap();
        let rows: u64 = devices.values().map(|d| d["rows"].as_u64().unwrap()).sum();
        assert_eq!(rows, 150);
        assert!(answer["latency_ms"]["p99"].as_f64() >= answer["latency_ms"]["p50"].as_f64());
    }
}

#[test]
fn a_long_stream_at_random_loses_and_reorders_nothing() {
    let folder = Folder::new();
    folder.npy("x.npy", &[40, 3, 6, 6]);
    let line = "--json stream net.dla --source x.npy --count 12000 --rate poisson:4000 --max-latency 250ms --results r";
    let answer = folder.run(line).json();
    assert_eq!(answer["computed"], 12000);
    let lines = lines(&folder, "r");
    let order = lines
        .iter()
        .enumerate()
        .all(|(at, line)| line["item"] == at as u64);
    assert!(order && lines.len() == 12000);
    let first = |n: usize| lines[n]["top"].clone();
    assert!((0..12000).all(|n| first(n) == first(n % 40)), "the rows repeat");
}

#[test]
fn folders_sequences_and_archives_are_sources() {
    let folder = Folder::new();
    for number in 1..=12 {
        picture(
            &folder.path(&format!("cam-{number:03}.png")),
            [20 * number as u8, 9, 9],
        );
    }
    std::fs::create_dir(folder.path("pictures")).unwrap();
    picture(&folder.path("pictures/b.png"), [1, 2, 3]);
    picture(&folder.path("pictures/a.png"), [3, 2, 1]);
    folder.write("sum.dla", &bundle(sum(), "none").to_bytes());
    let mut npz = ndarray_npy::NpzWriter::new(std::fs::File::create(folder.path("two.npz")).unwrap());
    for (name, value) in [("right", 2.0f32), ("left", 40.0)] {
        npz.add_array(name, &ndarray::Array2::from_elem((3, 2), value))
            .unwrap();
    }
    npz.finish().unwrap();
    for (line, want, why) in [
        ("net.dla --source cam-%03d.png", 12, "numbered from 1"),
        ("net.dla --source pictures --count 9", 9, "a folder, repeated"),
        ("net.dla --source pictures cam-001.png", 3, "several places"),
        ("sum.dla --source two.npz --output z.npy", 3, "inputs by name"),
    ] {
        let answer = folder.run(&format!("--json stream {line} --results r")).json();
        assert_eq!(answer["computed"], want, "{why}");
    }
    assert!(folder.read("z.npy").iter().all(|v| *v == 42.0));
    let names: Vec<Value> = {
        folder
            .run("stream net.dla --source pictures --results r")
            .expect(0);
        lines(&folder, "r").iter().map(|l| l["name"].clone()).collect()
    };
    assert_eq!(names, ["pictures/a.png", "pictures/b.png"]);
}

#[test]
fn a_camera_that_is_still_writing_is_followed_until_it_stalls() {
    let folder = Folder::new();
    let place = folder.path("");
    let camera = thread::spawn(move || {
        for number in 0..6 {
            let file = place.join(format!("cam{number}.png"));
            picture(&file, [40 * number, 9, 9]);
            let whole = std::fs::read(&file).unwrap();
            // Half a file for a while, as a camera may leave it.
            std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
            thread::sleep(Duration::from_millis(20));
            let bytes: &[u8] = if number == 3 { b"never a picture" } else { &whole };
            std::fs::write(&file, bytes).unwrap();
        }
    });
    let run = folder.run("--json stream net.dla --source cam%d.png --follow --stall 2s --results r");
    camera.join().unwrap();
    let run = run.expect(1);
    let answer: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(answer["source"]["how"], "stalled", "{}", run.stdout);
    assert_eq!((&answer["computed"], &answer["refused"]), (&5.into(), &1.into()));
    assert!(run.stderr.contains("cam3.png is not a picture"), "{}", run.stderr);
    assert_eq!(lines(&folder, "r").len(), 5);
}

/// Serves one connection, and returns its address.
fn server(behave: impl FnOnce(TcpStream) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || behave(listener.accept().unwrap().0));
    (address, thread)
}

fn framed(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_le_bytes(), payload].concat()
}

fn npy(rows: std::ops::Range<usize>, whole: &ndarray::ArrayD<f32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let part = whole.slice_axis(ndarray::Axis(0), rows.into()).to_owned();
    ndarray_npy::WriteNpyExt::write_npy(&part, &mut bytes).unwrap();
    bytes
}

#[test]
fn frames_come_over_the_network() {
    let folder = with_rows(30);
    let x = folder.read("x.npy");
    picture(&folder.path("red.png"), [200, 0, 0]);
    let red = std::fs::read(folder.path("red.png")).unwrap();
    let (address, thread) = server(move |mut stream| {
        for at in 0..10 {
            let frame = framed(&npy(3 * at..3 * at + 3, &x));
            // In two parts, so that a frame does not come in one piece.
            stream.write_all(&frame[..frame.len() / 3]).unwrap();
            stream.flush().unwrap();
            thread::sleep(Duration::from_millis(2));
            stream.write_all(&frame[frame.len() / 3..]).unwrap();
        }
        stream.write_all(&framed(&red)).unwrap();
        stream.write_all(&framed(&[])).unwrap();
    });
    let line = format!("--json stream net.dla --source tcp://{address} --output z.npy --max-latency 400ms");
    let answer = folder.run(&line).json();
    thread.join().unwrap();
    assert_eq!(answer["computed"], 31);
    let got = folder.read("z.npy");
    let arrays = got.slice_axis(ndarray::Axis(0), (0..30).into()).to_owned();
    assert_eq!(arrays, folder.read("y.npy"));
    folder
        .run("run net.dla --input red.png --output red.npy")
        .expect(0);
    let last = got.slice_axis(ndarray::Axis(0), (30..31).into()).to_owned();
    assert_eq!(last, folder.read("red.npy"), "a frame may be a picture");
}

#[test]
fn however_a_network_source_ends_what_came_before_is_answered() {
    let folder = with_rows(4);
    let x = folder.read("x.npy");
    let good = framed(&npy(0..4, &x));
    let cut = good[..good.len() / 2].to_vec();
    let mut other = Vec::new();
    let wide = ndarray::Array2::<f32>::zeros((2, 7));
    ndarray_npy::WriteNpyExt::write_npy(&wide, &mut other).unwrap();
    let end = framed(&[]);
    let cases = [
        (end.clone(), 0, "complete", 0, "", false),
        (vec![], 0, "lost", 0, "without an end frame", false),
        (
            good.clone(),
            4,
            "lost",
            0,
            "after 1 frames: it ended without an end frame",
            false,
        ),
        (
            [good.clone(), cut].concat(),
            4,
            "lost",
            0,
            "in the middle of a frame",
            false,
        ),
        (
            [good.clone(), b"GET / HTTP/1.1\r\n\r\n".to_vec()].concat(),
            4,
            "garbage",
            0,
            "--max-frame",
            false,
        ),
        (
            [framed(b"no array at all"), good.clone(), end.clone()].concat(),
            4,
            "complete",
            1,
            "frame 0 is not a picture",
            false,
        ),
        (
            [framed(&other), good.clone(), end.clone()].concat(),
            4,
            "complete",
            1,
            "`x` has the shape [2, 7] but must be [N, 3, 6, 6]",
            false,
        ),
        (
            [framed(&good[4..40]), good.clone(), end].concat(),
            4,
            "complete",
            1,
            "frame 0 is not a NumPy file",
            false,
        ),
        (good.clone(), 4, "stalled", 0, r#""seconds": 0.3"#, true),
        (
            [good.clone(), good[..9].to_vec()].concat(),
            4,
            "stalled",
            0,
            r#""seconds": 0.3"#,
            true,
        ),
    ];
    for (bytes, computed, how, refused, says, hang) in cases {
        let (address, thread) = server(move |mut stream| {
            stream.write_all(&bytes).unwrap();
            if hang {
                // Until the other side gives up.
                let _ = std::io::Read::read(&mut stream, &mut [0]);
            }
        });
        let line = format!("stream net.dla --source tcp://{address} --stall 300ms --output z.npy");
        let run = folder.run(&format!("--json {line}"));
        thread.join().unwrap();
        let clean = how == "complete" && refused == 0;
        let run = run.expect(i32::from(!clean));
        let answer: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(answer["source"]["how"], how, "{says}");
        assert_eq!(
            (&answer["computed"], &answer["refused"]),
            (&computed.into(), &refused.into()),
            "{says}"
        );
        let said = run.stderr + &run.stdout;
        assert!(said.contains(says), "{says}: {said}");
        if computed > 0 {
            assert_eq!(folder.read("z.npy"), folder.read("y.npy"));
        }
    }
}

#[test]
fn a_stream_that_is_too_fast_drops_only_when_asked() {
    let folder = Folder::new();
    folder.write("slow.dla", &bundle(slow(), "none").to_bytes());
    folder.npy("x.npy", &[8, 3, 48, 48]);
    for (options, drops) in [("", false), ("--drop newest", true), ("--drop oldest", true)] {
        let line = format!(
            "--json stream slow.dla --source x.npy --count 150 --rate 100000 --capacity 8 --results r {options}"
        );
        let answer = folder.run(&line).json();
        let number = |key: &str| answer[key].as_u64().unwrap();
        assert_eq!(number("computed") + number("dropped"), 150, "{options}");
        assert_eq!(number("dropped") > 0, drops, "{options}");
        let lines = lines(&folder, "r");
        assert!(
            lines
                .iter()
                .enumerate()
                .all(|(at, line)| line["item"] == at as u64)
        );
        let errors = lines
            .iter()
            .filter(|l| l["error"] == "dropped: the stream was full")
            .count();
        assert_eq!(errors as u64, number("dropped"));
    }
}

#[test]
fn people_read_how_it_went() {
    let folder = with_rows(20);
    let run = folder
        .run("stream net.dla --source x.npy --max-latency 300ms")
        .expect(0);
    for part in [
        "20 items; it ended",
        "20 computed",
        "p99",
        "bound    300 ms",
        "items/s",
        "gpu",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
}

#[test]
fn an_interrupted_stream_answers_what_it_took() {
    let folder = Folder::new();
    folder.npy("x.npy", &[8, 3, 6, 6]);
    let line = "--json stream net.dla --source x.npy --count 1000000 --rate 200 --results r";
    let mut command = folder.command(line);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while std::fs::metadata(folder.path("r")).map_or(0, |m| m.len()) == 0 {
        thread::sleep(Duration::from_millis(10));
    }
    // SAFETY: the child has not been waited for, so the number is still its own.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let run = Run::of(line, child.wait_with_output().unwrap()).expect(130);
    let answer: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(answer["source"]["how"], "interrupted");
    assert_eq!(answer["received"], answer["computed"]);
    assert_eq!(
        lines(&folder, "r").len() as u64,
        answer["computed"].as_u64().unwrap()
    );
}

#[test]
fn what_cannot_be_streamed_says_why() {
    let folder = with_rows(2);
    folder.write("slow.dla", &bundle(slow(), "none").to_bytes());
    folder.npy("s.npy", &[1, 3, 48, 48]);
    folder.write("bad.png", b"no picture");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = format!("net.dla --source tcp://{closed}");
    for (line, parts) in [
        ("net.dla", vec!["--source"]),
        ("net.dla --source gone.npy", vec!["gone.npy"]),
        ("net.dla --source gone-%d.png", vec!["gone-0.png", "--follow"]),
        ("net.dla --source x%dy%d.png", vec!["once"]),
        ("net.dla --source tcp://nowhere", vec!["tcp://HOST:PORT"]),
        (refused.as_str(), vec!["cannot connect", "help:"]),
        (
            "net.dla --source tcp://127.0.0.1:1 --rate 3",
            vec!["its own pace"],
        ),
        ("net.dla --source tcp://127.0.0.1:1 x.npy", vec!["mixed"]),
        ("net.dla --source x.npy --follow", vec!["numbered sequence"]),
        ("net.dla --source x.npy --rate 0", vec!["poisson:30"]),
        ("net.dla --source x.npy --rate poisson:x", vec!["poisson:30"]),
        ("net.dla --source x.npy --max-latency 30", vec!["30ms"]),
        (
            "net.dla --source x.npy --max-latency 0ms",
            vec!["longer than nothing"],
        ),
        (
            "net.dla --source bad.png --count 3",
            vec!["bad.png", "not a picture"],
        ),
        ("net.dla --source x.npy --results gone/r", vec!["gone/r"]),
        ("net.dla --source x.npy --plan gpu=4x1,dla7=1x1", vec!["dla7"]),
        (
            "slow.dla --source s.npy --max-latency 1us",
            vec!["cannot be kept", "fastest device", "ask for at least"],
        ),
    ] {
        let run = folder.run(&format!("stream {line}")).expect(2);
        for part in parts {
            assert!(run.stderr.contains(part), "{line}: {part}: {}", run.stderr);
        }
        assert_eq!(run.stdout, "", "{line}");
    }
    let run = folder
        .run("--json stream net.dla --source bad.png x.npy")
        .expect(1);
    let answer: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&answer["computed"], &answer["refused"]), (&2.into(), &1.into()));
    assert!(run.stderr.contains("bad.png is not a picture"), "{}", run.stderr);
}
