//! Reads a table of measured times.

use std::collections::BTreeMap;

/// Which of a table's times count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Execution and input/output.
    Total,
    /// Execution alone.
    Execution,
}

/// The measured times of one network.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The table's name for it; empty when the table has no column `model`.
    pub model: String,
    /// In the order of the table; at least one.
    pub units: Vec<Unit>,
}

/// The measured times of one unit: a CPU, a GPU, a DLA core.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    pub name: String,
    /// Milliseconds per row by rows per execution; at least one.
    per_row: BTreeMap<usize, f64>,
}

impl Unit {
    /// From rows per execution and milliseconds per row; at least one point.
    pub fn new(name: String, points: impl IntoIterator<Item = (usize, f64)>) -> Unit {
        Unit {
            name,
            per_row: points.into_iter().collect(),
        }
    }

    /// Milliseconds of one execution of `rows` rows.
    ///
    /// What was not measured is estimated as KCC 2020 does: the time per row is linear between two measured batches, and
    /// that of the largest one beyond it. Fewer rows than the smallest one take as long as the smallest.
    pub fn ms(&self, rows: usize) -> f64 {
        let below = self.per_row.range(..=rows).next_back();
        let above = self.per_row.range(rows..).next();
        match (below, above) {
            (Some((n, ms)), _) if *n == rows => ms * rows as f64,
            (Some((n0, ms0)), Some((n1, ms1))) => {
                let share = (rows - n0) as f64 / (n1 - n0) as f64;
                (ms0 + share * (ms1 - ms0)) * rows as f64
            }
            (Some((_, ms)), None) => ms * rows as f64,
            (None, Some((n, ms))) => ms * *n as f64,
            (None, None) => f64::INFINITY,
        }
    }

    pub fn is_measured(&self, rows: usize) -> bool {
        self.per_row.contains_key(&rows)
    }

    /// The batches that were measured, ascending.
    pub fn measured(&self) -> impl Iterator<Item = usize> + '_ {
        self.per_row.keys().copied()
    }
}

/// A table that cannot be read; says where and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    #[error("the table has no column `{column}`: its columns are {found}")]
    Column { column: String, found: String },
    #[error("line {line}: {reason}")]
    Row { line: u64, reason: String },
    #[error("the table has no rows")]
    Empty,
}

/// Reads CSV with a head: `device`, `batch`, a time per row in milliseconds (`time_per_item_ms`, or
/// `exec_time_per_item_ms` and optionally `io_time_per_item_ms`), and optionally `model`. Lines that start with `#` are
/// remarks; other columns are not looked at.
///
/// # Errors
/// A missing column, a cell that is no number of rows or no time, or the same batch of a device twice.
pub fn read(text: &str, measure: Measure) -> Result<Vec<Profile>, ProfileError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let remark = |record: &csv::Result<csv::StringRecord>| {
        let first = record.as_ref().ok().and_then(|record| record.get(0));
        first.is_some_and(|cell| cell.starts_with('#'))
    };
    let mut records = reader.records().filter(|record| !remark(record));
    let head = records.next().transpose().map_err(wrong)?;
    let columns = Columns::of(&head.ok_or(ProfileError::Empty)?, measure)?;
    let mut profiles: Vec<Profile> = Vec::new();
    for record in records {
        let record = record.map_err(wrong)?;
        let line = record.position().map_or(0, csv::Position::line);
        let row = columns
            .row(&record)
            .map_err(|reason| ProfileError::Row { line, reason })?;
        let unit = unit(&mut profiles, row.model, row.device);
        if unit.per_row.insert(row.batch, row.ms).is_some() {
            let reason = format!("{} has batch {} twice", row.device, row.batch);
            return Err(ProfileError::Row { line, reason });
        }
    }
    if profiles.is_empty() {
        Err(ProfileError::Empty)
    } else {
        Ok(profiles)
    }
}

fn wrong(error: csv::Error) -> ProfileError {
    let line = error.position().map_or(1, csv::Position::line);
    ProfileError::Row {
        line,
        reason: error.to_string(),
    }
}

/// Where a table's columns are.
struct Columns {
    model: Option<usize>,
    device: usize,
    batch: usize,
    times: Vec<usize>,
}

struct Row<'a> {
    model: &'a str,
    device: &'a str,
    batch: usize,
    ms: f64,
}

impl Columns {
    fn of(head: &csv::StringRecord, measure: Measure) -> Result<Columns, ProfileError> {
        let find = |name: &str| head.iter().position(|column| column == name);
        let need = |name: &str| {
            find(name).ok_or_else(|| ProfileError::Column {
                column: name.to_string(),
                found: head.iter().collect::<Vec<_>>().join(", "),
            })
        };
        let execution = find("exec_time_per_item_ms").or(find("time_per_item_ms"));
        let mut times = vec![execution.map_or_else(|| need("time_per_item_ms"), Ok)?];
        if measure == Measure::Total {
            times.extend(find("io_time_per_item_ms"));
        }
        Ok(Columns {
            model: find("model"),
            device: need("device")?,
            batch: need("batch")?,
            times,
        })
    }

    fn row<'a>(&self, record: &'a csv::StringRecord) -> Result<Row<'a>, String> {
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let device = cell(self.device);
        if device.is_empty() {
            return Err("the device has no name".to_string());
        }
        let batch = cell(self.batch);
        let rows = batch.parse().ok().filter(|rows| *rows > 0);
        let rows = rows.ok_or_else(|| format!("`{batch}` is not a number of rows"))?;
        let mut ms = 0.0;
        for &column in &self.times {
            ms += time(cell(column))?;
        }
        if ms <= 0.0 {
            return Err(format!("{ms} ms is not a time"));
        }
        Ok(Row {
            model: self.model.map_or("", cell),
            device,
            batch: rows,
            ms,
        })
    }
}

fn time(text: &str) -> Result<f64, String> {
    let ms = text.parse::<f64>().ok();
    ms.filter(|ms| ms.is_finite() && *ms >= 0.0)
        .ok_or_else(|| format!("`{text}` is not a time in milliseconds"))
}

fn unit<'a>(profiles: &'a mut Vec<Profile>, model: &str, device: &str) -> &'a mut Unit {
    let at = match profiles.iter().position(|p| p.model == model) {
        Some(at) => at,
        None => {
            profiles.push(Profile {
                model: model.to_string(),
                units: Vec::new(),
            });
            profiles.len() - 1
        }
    };
    let units = &mut profiles[at].units;
    let at = match units.iter().position(|u| u.name == device) {
        Some(at) => at,
        None => {
            units.push(Unit {
                name: device.to_string(),
                per_row: BTreeMap::new(),
            });
            units.len() - 1
        }
    };
    &mut units[at]
}
