//! The figure of the paper, with its published values beside ours.
//!
//! Published: `images/result.pdf` of <https://github.com/sjlee25/nvdla-parallelization-readme> (commit a3e230b), bar
//! heights and curve decoded from the drawing's coordinates; MobileNet on a Jetson Xavier NX, TVM 0.9 with TensorRT.

use serde::Serialize;

use super::chart::{Series, Tone, bars, lines};
use super::page::Page;

const PUBLISHED: &str = include_str!("../../../../data/ksc2022.csv");

/// One batch size of the published figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PublishedBatch {
    pub batch: usize,
    /// Images per second of the GPU alone.
    pub gpu: f64,
    /// Images per second of GPU, DLA0 and DLA1.
    pub shared: f64,
    pub ratio: f64,
}

/// The nine batch sizes of the paper.
pub fn published() -> Vec<PublishedBatch> {
    PUBLISHED.lines().skip(1).filter_map(row).collect()
}

fn row(line: &str) -> Option<PublishedBatch> {
    let mut cells = line.split(',');
    let batch = cells.next()?.parse().ok()?;
    let mut number = || cells.next()?.parse().ok();
    Some(PublishedBatch {
        batch,
        gpu: number()?,
        shared: number()?,
        ratio: number()?,
    })
}

/// Our values at one batch size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bar {
    pub batch: usize,
    pub gpu: f64,
    pub shared: f64,
    pub plan: String,
}

impl Bar {
    pub fn ratio(&self) -> f64 {
        self.shared / self.gpu
    }
}

/// Relative errors against the published values: 0.05 is 5 % too high.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Error {
    pub batch: usize,
    pub gpu: f64,
    pub shared: f64,
    pub ratio: f64,
}

/// Ours beside the published values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// `simulated` or `measured`, for legends.
    pub origin: String,
    pub bars: Vec<Bar>,
    pub errors: Vec<Error>,
    /// What ours stands beside; empty for a network that the paper does not have.
    #[serde(skip)]
    theirs: Vec<PublishedBatch>,
}

impl Comparison {
    /// Batches that the paper does not have get no error.
    pub fn new(origin: &str, ours: Vec<Bar>) -> Comparison {
        let published = published();
        let error = |bar: &Bar| {
            let theirs = published.iter().find(|p| p.batch == bar.batch)?;
            Some(Error {
                batch: bar.batch,
                gpu: bar.gpu / theirs.gpu - 1.0,
                shared: bar.shared / theirs.shared - 1.0,
                ratio: bar.ratio() / theirs.ratio - 1.0,
            })
        };
        Comparison {
            origin: origin.to_string(),
            errors: ours.iter().filter_map(error).collect(),
            bars: ours,
            theirs: published,
        }
    }

    /// Values of a network that the paper does not have.
    pub fn alone(origin: &str, ours: Vec<Bar>) -> Comparison {
        Comparison {
            origin: origin.to_string(),
            bars: ours,
            errors: Vec::new(),
            theirs: Vec::new(),
        }
    }

    /// The largest error of a ratio at batches of at least `from` rows, without its sign.
    pub fn worst_ratio(&self, from: usize) -> Option<f64> {
        let errors = self.errors.iter().filter(|e| e.batch >= from);
        errors.map(|e| e.ratio.abs()).max_by(f64::total_cmp)
    }

    /// The neighbouring batches between which sharing begins to pay.
    pub fn break_even(&self) -> Option<(usize, usize)> {
        let pairs = self.bars.windows(2);
        let mut found = pairs.filter(|p| p[0].ratio() < 1.0 && p[1].ratio() >= 1.0);
        found.next().map(|p| (p[0].batch, p[1].batch))
    }

    /// One line per batch.
    pub fn to_csv(&self) -> String {
        let mut csv = String::from(
            "batch,origin,gpu,shared,ratio,published_gpu,published_shared,published_ratio,error_gpu,error_shared,error_ratio,plan\n",
        );
        for bar in &self.bars {
            let (theirs, error) = self.beside(bar);
            let number = |value: Option<f64>| value.map(|v| format!("{v:.4}")).unwrap_or_default();
            let cells = [
                bar.batch.to_string(),
                self.origin.clone(),
                format!("{:.2}", bar.gpu),
                format!("{:.2}", bar.shared),
                format!("{:.4}", bar.ratio()),
                number(theirs.map(|t| t.gpu)),
                number(theirs.map(|t| t.shared)),
                number(theirs.map(|t| t.ratio)),
                number(error.map(|e| e.gpu)),
                number(error.map(|e| e.shared)),
                number(error.map(|e| e.ratio)),
                format!("\"{}\"", bar.plan),
            ];
            csv += &cells.join(",");
            csv.push('\n');
        }
        csv
    }

    /// Bars, ratio curve and table; `label` goes under every figure.
    pub fn write(&self, page: &mut Page, label: &str) {
        let labels: Vec<String> = self.bars.iter().map(|b| b.batch.to_string()).collect();
        let theirs = |value: fn(&PublishedBatch) -> f64| -> Vec<Option<f64>> {
            let found = self.bars.iter().map(|b| self.beside(b).0);
            found.map(|p| p.as_ref().map(value)).collect()
        };
        let ours = |value: fn(&Bar) -> f64| self.bars.iter().map(|b| Some(value(b))).collect();
        let series = |name: String, tone, values| Series { name, tone, values };
        let origin = &self.origin;
        let mut throughput = vec![
            series("GPU, published".into(), Tone::GpuPublished, theirs(|p| p.gpu)),
            series(format!("GPU, {origin}"), Tone::Gpu, ours(|b| b.gpu)),
            series(
                "GPU + 2 DLA, published".into(),
                Tone::AllPublished,
                theirs(|p| p.shared),
            ),
            series(format!("GPU + 2 DLA, {origin}"), Tone::All, ours(|b| b.shared)),
        ];
        let mut ratios = vec![
            series("published".into(), Tone::AllPublished, theirs(|p| p.ratio)),
            series(origin.clone(), Tone::All, ours(Bar::ratio)),
        ];
        for list in [&mut throughput, &mut ratios] {
            list.retain(|s: &Series| s.values.iter().any(Option::is_some));
        }
        let title = "Images per second by batch size";
        let svg = bars(title, "batch size", "images/s", &labels, &throughput);
        page.figure(&svg, &format!("Throughput. {label}"));
        let svg = lines(
            "Speed-up over the GPU alone",
            ["batch size", "GPU + 2 DLA over GPU"],
            &labels,
            &ratios,
            Some(1.0),
        );
        page.figure(
            &svg,
            &format!("Speed-up; above the dashed line sharing pays. {label}"),
        );
        page.table(&self.table());
    }

    fn table(&self) -> Vec<Vec<String>> {
        let head = [
            "batch",
            "GPU",
            "error",
            "GPU + 2 DLA",
            "error",
            "ratio",
            "error",
            "plan",
        ];
        let mut rows = vec![head.map(str::to_string).to_vec()];
        let percent = |value: Option<f64>| value.map_or("-".into(), |v| format!("{:+.1} %", 100.0 * v));
        for bar in &self.bars {
            let (_, error) = self.beside(bar);
            rows.push(vec![
                bar.batch.to_string(),
                format!("{:.1}", bar.gpu),
                percent(error.map(|e| e.gpu)),
                format!("{:.1}", bar.shared),
                percent(error.map(|e| e.shared)),
                format!("{:.3}", bar.ratio()),
                percent(error.map(|e| e.ratio)),
                bar.plan.clone(),
            ]);
        }
        rows
    }

    fn beside(&self, bar: &Bar) -> (Option<PublishedBatch>, Option<&Error>) {
        let theirs = self.theirs.iter().find(|p| p.batch == bar.batch).copied();
        (theirs, self.errors.iter().find(|e| e.batch == bar.batch))
    }
}
