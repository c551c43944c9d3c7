use serde_json::Value;

use super::*;

fn span(device: Device, stage: StageKind, rows: Range<usize>, start: f64, us: f64) -> Span {
    Span {
        track: Track::Device(device),
        work: Work::Stage {
            stage,
            rows,
            padding: 1,
            bytes: Some(4096),
        },
        start_us: start,
        duration_us: us,
    }
}

fn timeline() -> Timeline {
    Timeline {
        title: "two <devices> & a merge, simulated".to_string(),
        spans: vec![
            span(Device::Dla(0), StageKind::Prefix, 4..8, 0.0, 2.5),
            span(Device::Gpu, StageKind::Prefix, 0..4, 0.0, 4.0),
            Span {
                track: Track::Host,
                work: Work::Runtime("merge"),
                start_us: 4.0,
                duration_us: 1.0,
            },
            span(Device::Gpu, StageKind::Suffix, 0..8, 5.0, 1.0005),
        ],
    }
}

/// The rules of the format for the two kinds of event used here.
fn check_event(event: &Value) {
    let number = |key: &str| event[key].as_f64().filter(|n| n.is_finite() && *n >= 0.0);
    assert!(event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
    assert!(event["name"].is_string() && event["args"].is_object());
    match event["ph"].as_str() {
        Some("X") => {
            assert!(number("ts").is_some() && number("dur").is_some(), "{event}");
            assert!(event["cat"].is_string());
        }
        Some("M") => {
            let known = ["process_name", "thread_name"];
            assert!(known.contains(&event["name"].as_str().unwrap()));
            assert!(event["args"]["name"].is_string());
        }
        other => panic!("unknown phase {other:?}"),
    }
}

#[test]
fn trace_events_follow_the_format() {
    let file: Value = serde_json::from_str(&timeline().to_trace_events()).unwrap();
    assert_eq!(file["displayTimeUnit"], "ms");
    let events = file["traceEvents"].as_array().unwrap();
    events.iter().for_each(check_event);
    let names: Vec<&str> = events
        .iter()
        .filter(|e| e["name"] == "thread_name")
        .map(|e| e["args"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["gpu", "dla0", "host"]);
    let first = events.iter().find(|e| e["ph"] == "X").unwrap();
    assert_eq!(first["name"], "prefix 4..8");
    assert_eq!(
        (first["tid"].as_u64(), first["dur"].as_f64()),
        (Some(2), Some(2.5))
    );
    assert_eq!(first["args"]["dram_bytes"], 4096);
}

#[test]
fn the_picture_has_a_bar_per_span_inside_its_frame() {
    let svg = timeline().to_gantt();
    assert_eq!(svg.matches("<title>").count(), 1 + 4, "{svg}");
    assert!(svg.contains("two &lt;devices> &amp; a merge, simulated"));
    for part in svg.split("<rect ").skip(1) {
        let value = |key: &str| -> f64 {
            let text = part.split(&format!(" {key}=\"")).nth(1).unwrap();
            text.split('"').next().unwrap().parse().unwrap()
        };
        assert!(
            value("x") >= 56.0 && value("x") + value("width") <= 945.0,
            "{part}"
        );
    }
    assert!(
        !svg.contains("http://") || svg.matches("http").count() == 1,
        "only the namespace"
    );
}

#[test]
fn nothing_ran_is_a_picture_too() {
    let empty = Timeline {
        title: String::new(),
        spans: Vec::new(),
    };
    assert!(empty.to_gantt().ends_with("</svg>\n"));
    assert!(serde_json::from_str::<Value>(&empty.to_trace_events()).is_ok());
}
