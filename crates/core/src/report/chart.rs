//! Bars and lines as SVG under a legend; colours come from the page.

use super::page::escaped;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 46.0;

/// How a series looks: the solid tones are ours, the light ones of the same hue what they are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Gpu,
    GpuPublished,
    All,
    AllPublished,
    Third,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Tone::Gpu => "gpu",
            Tone::GpuPublished => "gpu2",
            Tone::All => "all",
            Tone::AllPublished => "all2",
            Tone::Third => "third",
        }
    }
}

/// One value per label; `None` leaves a gap.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub name: String,
    pub tone: Tone,
    pub values: Vec<Option<f64>>,
}

struct Frame {
    svg: String,
    low: f64,
    high: f64,
}

/// Groups of bars, one group per label.
pub fn bars(title: &str, x: &str, y: &str, labels: &[String], series: &[Series]) -> String {
    let mut frame = Frame::new(title, y, series, 0.0);
    frame.labels(labels, x);
    let group = (WIDTH - LEFT - RIGHT) / labels.len().max(1) as f64;
    let bar = group * 0.8 / series.len().max(1) as f64;
    for (place, one) in series.iter().enumerate() {
        for (index, value) in one.values.iter().enumerate() {
            let Some(value) = value else { continue };
            let left = LEFT + group * (index as f64 + 0.1) + bar * place as f64;
            let top = frame.y(*value);
            frame.svg += &format!(
                "<rect class=\"{}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}, {}: {value:.1}</title></rect>\n",
                one.tone.class(),
                (bar - 1.5).max(0.5),
                HEIGHT - BOTTOM - top,
                escaped(&one.name),
                escaped(labels.get(index).map_or("", String::as_str)),
            );
        }
    }
    frame.finish(series)
}

/// Lines over evenly spaced labels; `unit` draws a dashed line at this value.
pub fn lines(
    title: &str,
    [x, y]: [&str; 2],
    labels: &[String],
    series: &[Series],
    unit: Option<f64>,
) -> String {
    let mut frame = Frame::new(title, y, series, unit.unwrap_or(0.0));
    frame.labels(labels, x);
    let step = (WIDTH - LEFT - RIGHT) / labels.len().max(1) as f64;
    if let Some(unit) = unit {
        let at = frame.y(unit);
        frame.svg += &format!(
            "<line class=\"unit\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\n",
            WIDTH - RIGHT
        );
    }
    for one in series {
        let points: Vec<(f64, f64)> = one
            .values
            .iter()
            .enumerate()
            .filter_map(|(i, v)| Some((LEFT + step * (i as f64 + 0.5), frame.y((*v)?))))
            .collect();
        let text: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let class = one.tone.class();
        frame.svg += &format!(
            "<polyline class=\"{class} line\" points=\"{}\"/>\n",
            text.join(" ")
        );
        for (x, y) in points {
            frame.svg += &format!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>\n");
        }
    }
    frame.finish(series)
}

impl Frame {
    fn new(title: &str, unit: &str, series: &[Series], at_least: f64) -> Frame {
        let values = series.iter().flat_map(|s| s.values.iter().flatten());
        let top = values.copied().fold(at_least, f64::max);
        let step = tick(top / 5.0);
        let high = (top / step).ceil().max(1.0) * step;
        let title = escaped(title);
        let mut frame = Frame {
            svg: format!(
                "<svg class=\"plot\" role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\">\n"
            ),
            low: 0.0,
            high,
        };
        frame.svg += &format!(
            "<text class=\"soft\" x=\"4\" y=\"{}\">{}</text>\n",
            TOP - 10.0,
            escaped(unit)
        );
        let count = (high / step).round() as usize;
        for at in (0..=count).map(|i| i as f64 * step) {
            let y = frame.y(at);
            frame.svg += &format!(
                "<line class=\"rule\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"soft\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                (at * 1e6).round() / 1e6
            );
        }
        frame
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn labels(&mut self, labels: &[String], axis: &str) {
        let step = (WIDTH - LEFT - RIGHT) / labels.len().max(1) as f64;
        for (index, label) in labels.iter().enumerate() {
            self.svg += &format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                LEFT + step * (index as f64 + 0.5),
                HEIGHT - BOTTOM + 16.0,
                escaped(label)
            );
        }
        self.svg += &format!(
            "<text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 8.0,
            escaped(axis)
        );
    }

    /// The legend as text that wraps, then the picture.
    fn finish(self, series: &[Series]) -> String {
        let mut html = String::from("<div class=\"legend\">");
        for one in series {
            html += &format!(
                "<span><svg width=\"12\" height=\"12\" aria-hidden=\"true\"><rect class=\"{}\" x=\".5\" y=\".5\" width=\"11\" height=\"11\"/></svg> {}</span>",
                one.tone.class(),
                escaped(&one.name)
            );
        }
        html + "</div>\n" + &self.svg + "</svg>"
    }
}

/// The next of 1, 2, 5, 10, 20, ... from `least` on.
fn tick(least: f64) -> f64 {
    let least = least.max(1e-9);
    let decade = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
    steps.into_iter().find(|s| *s >= least * 0.999).unwrap_or(least)
}
