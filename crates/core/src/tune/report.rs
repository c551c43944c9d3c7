//! What `tune` found, for people: HTML with plots, and the same figures as CSV. Text in memory.

use crate::report::{Page, Series, Tone, lines};
use crate::trace::Timeline;

/// One batch with one strategy.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub batch: usize,
    pub strategy: String,
    pub plan: String,
    pub rows_per_second: f64,
    pub latency_ms: f64,
    pub joules_per_row: Option<f64>,
    pub bound: f64,
    pub over_gpu_only: f64,
}

/// Everything a report shows.
pub struct TuneReport {
    pub title: String,
    /// Whether figures are measured or simulated, and on what.
    pub label: String,
    pub goal: String,
    pub rows: Vec<Row>,
    /// A run of the chosen plan of the largest batch, where one was simulated.
    pub timeline: Option<Timeline>,
}

impl TuneReport {
    /// The rows that no other beats in throughput, latency and, where it is known, energy at the same time, by latency.
    pub fn pareto(&self) -> Vec<&Row> {
        let mut front: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| !self.rows.iter().any(|other| dominates(other, row)))
            .collect();
        front.sort_by(|a, b| a.latency_ms.total_cmp(&b.latency_ms));
        front.dedup_by(|a, b| a.plan == b.plan);
        front
    }

    /// Self-contained HTML.
    pub fn to_html(&self) -> String {
        let mut page = Page::new(&self.title, &self.label);
        page.text(&format!("Goal: {}.", self.goal));
        self.over_batch(&mut page);
        self.front(&mut page);
        if let Some(timeline) = &self.timeline {
            page.heading("The chosen plan of the largest batch");
            page.figure(
                &timeline.to_gantt(),
                &format!("{}. {}", timeline.title, self.label),
            );
        }
        page.heading("All plans");
        page.table(&self.table(&self.rows.iter().collect::<Vec<_>>()));
        page.finish()
    }

    fn over_batch(&self, page: &mut Page) {
        let mut batches: Vec<usize> = self.rows.iter().map(|row| row.batch).collect();
        batches.sort_unstable();
        batches.dedup();
        let mut strategies: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !strategies.contains(&row.strategy.as_str()) {
                strategies.push(&row.strategy);
            }
        }
        let tones = [Tone::All, Tone::Gpu, Tone::Third, Tone::AllPublished];
        let value = |batch: usize, strategy: &str, of: &dyn Fn(&Row) -> f64| {
            let found = self
                .rows
                .iter()
                .find(|r| r.batch == batch && r.strategy == strategy);
            found.map(of)
        };
        let mut series: Vec<Series> = strategies
            .iter()
            .zip(tones)
            .map(|(strategy, tone)| Series {
                name: strategy.to_string(),
                tone,
                values: batches
                    .iter()
                    .map(|b| value(*b, strategy, &|r| r.rows_per_second))
                    .collect(),
            })
            .collect();
        if let Some(first) = strategies.first() {
            series.push(Series {
                name: "the model's upper bound".to_string(),
                tone: Tone::GpuPublished,
                values: batches.iter().map(|b| value(*b, first, &|r| r.bound)).collect(),
            });
        }
        let labels: Vec<String> = batches.iter().map(usize::to_string).collect();
        page.heading("Throughput over batch");
        let plot = lines(
            "Throughput by strategy",
            ["batch size", "rows/s"],
            &labels,
            &series,
            None,
        );
        page.figure(&plot, &format!("Rows per second by strategy. {}", self.label));
    }

    fn front(&self, page: &mut Page) {
        let front = self.pareto();
        let labels: Vec<String> = front.iter().map(|row| format!("{:.1}", row.latency_ms)).collect();
        let rates = Series {
            name: "throughput".to_string(),
            tone: Tone::All,
            values: front.iter().map(|row| Some(row.rows_per_second)).collect(),
        };
        page.heading("Pareto front");
        let plot = lines(
            "Pareto front",
            ["latency in ms", "rows/s"],
            &labels,
            &[rates],
            None,
        );
        page.figure(
            &plot,
            &format!("No plan found beats these in everything. {}", self.label),
        );
        if front.iter().any(|row| row.joules_per_row.is_some()) {
            let energy = Series {
                name: "energy".to_string(),
                tone: Tone::Third,
                values: front
                    .iter()
                    .map(|row| row.joules_per_row.map(|j| j * 1e3))
                    .collect(),
            };
            let plot = lines(
                "Energy on the front",
                ["latency in ms", "mJ per row"],
                &labels,
                &[energy],
                None,
            );
            page.figure(&plot, &format!("Energy of the same plans. {}", self.label));
        }
        page.table(&self.table(&front));
    }

    fn table(&self, rows: &[&Row]) -> Vec<Vec<String>> {
        let head = [
            "batch",
            "strategy",
            "rows/s",
            "of the bound",
            "over the GPU alone",
            "ms",
            "J per row",
            "plan",
        ];
        let mut table = vec![head.map(str::to_string).to_vec()];
        table.extend(rows.iter().map(|row| {
            vec![
                row.batch.to_string(),
                row.strategy.clone(),
                format!("{:.1}", row.rows_per_second),
                format!("{:.1} %", 100.0 * row.rows_per_second / row.bound),
                format!("{:.3}", row.over_gpu_only),
                format!("{:.2}", row.latency_ms),
                row.joules_per_row.map_or("-".to_string(), |j| format!("{j:.4}")),
                row.plan.clone(),
            ]
        }));
        table
    }

    /// The rows as CSV.
    pub fn to_csv(&self) -> String {
        let mut text =
            "batch,strategy,rows_per_second,bound,over_gpu_only,latency_ms,joules_per_row,plan\n".to_string();
        for row in &self.rows {
            let joules = row.joules_per_row.map_or(String::new(), |j| j.to_string());
            text += &format!(
                "{},{},{:.3},{:.3},{:.4},{:.4},{joules},\"{}\"\n",
                row.batch,
                row.strategy,
                row.rows_per_second,
                row.bound,
                row.over_gpu_only,
                row.latency_ms,
                row.plan.replace('"', "\"\"")
            );
        }
        text
    }
}

/// Whether `a` is at least as good as `b` in everything and better in something.
fn dominates(a: &Row, b: &Row) -> bool {
    let joules = |row: &Row| row.joules_per_row.unwrap_or(0.0);
    let good =
        a.rows_per_second >= b.rows_per_second && a.latency_ms <= b.latency_ms && joules(a) <= joules(b);
    let better =
        a.rows_per_second > b.rows_per_second || a.latency_ms < b.latency_ms || joules(a) < joules(b);
    good && better
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(batch: usize, rate: f64, ms: f64, joules: Option<f64>) -> Row {
        Row {
            batch,
            strategy: "search".into(),
            plan: format!("gpu={batch}x1"),
            rows_per_second: rate,
            latency_ms: ms,
            joules_per_row: joules,
            bound: 500.0,
            over_gpu_only: 1.0,
        }
    }

    fn report(rows: Vec<Row>) -> TuneReport {
        TuneReport {
            title: "net <tuned>".into(),
            label: "Made-up figures.".into(),
            goal: "throughput".into(),
            rows,
            timeline: Some(Timeline {
                title: "gpu=4x1, simulated".into(),
                spans: Vec::new(),
            }),
        }
    }

    #[test]
    fn the_front_has_what_nothing_beats_in_everything() {
        let rows = vec![
            row(1, 100.0, 10.0, None),
            row(4, 90.0, 40.0, None),
            row(8, 200.0, 40.0, None),
            row(64, 300.0, 200.0, None),
        ];
        let front = |rows| report(rows).pareto().iter().map(|r| r.batch).collect::<Vec<_>>();
        assert_eq!(
            front(rows.clone()),
            [1, 8, 64],
            "4 rows are slower than 8 in the same time"
        );
        let mut rows = rows;
        rows.iter_mut().for_each(|row| row.joules_per_row = Some(0.5));
        rows[1].joules_per_row = Some(0.1);
        assert_eq!(front(rows), [1, 4, 8, 64], "but they need least energy");
    }

    #[test]
    fn pages_say_where_figures_come_from_and_ask_nobody() {
        let report = report(vec![
            row(1, 100.0, 10.0, Some(0.5)),
            row(4, 200.0, 20.0, Some(0.4)),
        ]);
        let html = report.to_html();
        assert_eq!(
            html.matches("Made-up figures.").count(),
            1 + 4,
            "on the page and at every figure"
        );
        assert!(html.contains("net &lt;tuned&gt;") && !html.contains("<tuned>"));
        for mark in ["https:", "src=", "url(", "@import", "<script"] {
            assert!(!html.contains(mark), "{mark}");
        }
        let csv = report.to_csv();
        assert_eq!(csv.lines().count(), 3);
        assert!(
            csv.ends_with("4,search,200.000,500.000,1.0000,20.0000,0.4,\"gpu=4x1\"\n"),
            "{csv}"
        );
    }
}
