//! The trace event format ("Trace Event Format", Google, 2016): an object with `traceEvents`, complete events (`ph: X`)
//! with times in microseconds, and metadata events (`ph: M`) that name processes and threads.

use serde::Serialize;

use super::{Timeline, Track, Work, track_name};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    display_time_unit: &'static str,
    other_data: Other<'a>,
    trace_events: Vec<Event>,
}

#[derive(Serialize)]
struct Other<'a> {
    title: &'a str,
    version: u32,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Event {
    Name {
        ph: &'static str,
        name: &'static str,
        pid: usize,
        tid: usize,
        args: TrackName,
    },
    Complete {
        ph: &'static str,
        name: String,
        cat: &'static str,
        pid: usize,
        tid: usize,
        ts: f64,
        dur: f64,
        args: Detail,
    },
}

#[derive(Serialize)]
struct TrackName {
    name: String,
}

#[derive(Serialize, Default)]
struct Detail {
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    padding: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dram_bytes: Option<u64>,
}

/// All tracks are threads of one process.
const PID: usize = 1;

impl Timeline {
    /// The timeline as trace events in JSON; times are rounded to nanoseconds.
    pub fn to_trace_events(&self) -> String {
        let tracks = self.tracks();
        let mut events = vec![name("process_name", 0, self.title.clone())];
        for (index, track) in tracks.iter().enumerate() {
            events.push(name("thread_name", index + 1, track_name(*track)));
        }
        events.extend(self.complete(&tracks));
        let file = File {
            display_time_unit: "ms",
            other_data: Other {
                title: &self.title,
                version: 1,
            },
            trace_events: events,
        };
        serde_json::to_string(&file).expect("plain numbers and text")
    }

    fn complete<'a>(&'a self, tracks: &'a [Track]) -> impl Iterator<Item = Event> + 'a {
        self.spans.iter().map(|span| Event::Complete {
            ph: "X",
            name: span.name(),
            cat: span.category(),
            pid: PID,
            tid: 1 + tracks.iter().position(|t| *t == span.track).unwrap_or(0),
            ts: nanoseconds(span.start_us),
            dur: nanoseconds(span.duration_us),
            args: detail(&span.work),
        })
    }
}

fn name(what: &'static str, tid: usize, name: String) -> Event {
    Event::Name {
        ph: "M",
        name: what,
        pid: PID,
        tid,
        args: TrackName { name },
    }
}

fn detail(work: &Work) -> Detail {
    match work {
        Work::Runtime(_) => Detail::default(),
        Work::Stage {
            rows, padding, bytes, ..
        } => Detail {
            rows: Some(rows.len()),
            padding: Some(*padding),
            dram_bytes: *bytes,
        },
    }
}

fn nanoseconds(us: f64) -> f64 {
    (us * 1e3).round() / 1e3
}
