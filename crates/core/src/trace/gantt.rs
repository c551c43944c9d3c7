//! The timeline as a picture: a line per track, time from left to right.

use std::fmt::Write;

use super::{Span, Timeline, track_name};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 44.0;
const LANE: f64 = 34.0;

/// Colours for light and dark surroundings; categories differ in lightness too, for print and for the colour-blind.
const STYLE: &str = "svg.gantt{background:#fff;font:13px system-ui,sans-serif}.gantt text{fill:#1b1f24}\
.gantt .soft{fill:#59636e}.gantt line{stroke:#d1d9e0}.gantt rect{stroke:#fff;stroke-width:.6}\
.gantt .prefix{fill:#2f81f7}.gantt .network{fill:#1f6f4a}.gantt .suffix{fill:#e8912d}.gantt .runtime{fill:#8b949e}\
@media(prefers-color-scheme:dark){svg.gantt{background:#14181d}.gantt text{fill:#e6edf3}.gantt .soft{fill:#9aa4af}\
.gantt line{stroke:#343b44}.gantt rect{stroke:#14181d}.gantt .network{fill:#3fb27f}}";

impl Timeline {
    /// A self-contained SVG.
    pub fn to_gantt(&self) -> String {
        let tracks = self.tracks();
        let bottom = TOP + LANE * tracks.len() as f64;
        let scale = (WIDTH - LEFT - RIGHT) / self.end_us().max(f64::MIN_POSITIVE);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"gantt\" role=\"img\" viewBox=\"0 0 {WIDTH} {}\">\
             <style>{STYLE}</style><title>{title}</title><text x=\"{LEFT}\" y=\"20\">{title}</text>\n",
            bottom + 46.0,
            title = escaped(&self.title),
        );
        self.axis(&mut svg, scale, bottom);
        for (index, track) in tracks.iter().enumerate() {
            let y = TOP + LANE * index as f64;
            put(
                &mut svg,
                format_args!(
                    "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                    LEFT - 8.0,
                    y + 21.0,
                    track_name(*track)
                ),
            );
            for span in self.spans.iter().filter(|s| s.track == *track) {
                bar(&mut svg, span, scale, y);
            }
        }
        self.legend(&mut svg, bottom + 38.0);
        svg.push_str("</svg>\n");
        svg
    }

    fn axis(&self, svg: &mut String, scale: f64, bottom: f64) {
        let step = tick(self.end_us() / 6.0);
        let mut at = 0.0;
        while at <= self.end_us() {
            let x = LEFT + at * scale;
            put(
                svg,
                format_args!(
                    "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\"/>\
                 <text class=\"soft\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                    TOP - 6.0,
                    bottom + 16.0,
                    time(at)
                ),
            );
            at += step;
        }
    }

    fn legend(&self, svg: &mut String, y: f64) {
        let mut categories: Vec<&str> = self.spans.iter().map(Span::category).collect();
        categories.sort_unstable();
        categories.dedup();
        for (index, category) in categories.iter().enumerate() {
            let x = LEFT + 90.0 * index as f64;
            put(
                svg,
                format_args!(
                    "<rect class=\"{category}\" x=\"{x}\" y=\"{:.1}\" width=\"11\" height=\"11\"/>\
                 <text x=\"{:.1}\" y=\"{y:.1}\">{category}</text>\n",
                    y - 10.0,
                    x + 16.0
                ),
            );
        }
    }
}

fn bar(svg: &mut String, span: &Span, scale: f64, y: f64) {
    put(
        svg,
        format_args!(
            "<rect class=\"{}\" x=\"{:.2}\" y=\"{:.1}\" width=\"{:.2}\" height=\"{:.1}\"><title>{}, {}</title></rect>\n",
            span.category(),
            LEFT + span.start_us * scale,
            y + 4.0,
            (span.duration_us * scale).max(0.4),
            LANE - 8.0,
            span.name(),
            time(span.duration_us)
        ),
    );
}

/// The next of 1, 2, 5, 10, 20, ... from `least` on.
fn tick(least: f64) -> f64 {
    let least = least.max(1e-3);
    let decade = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
    steps.into_iter().find(|s| *s >= least).unwrap_or(least)
}

fn time(us: f64) -> String {
    match us {
        us if us >= 1e6 => format!("{} s", short(us / 1e6)),
        us if us >= 1e3 => format!("{} ms", short(us / 1e3)),
        us => format!("{} us", short(us)),
    }
}

fn short(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text).expect("a String takes everything");
}
