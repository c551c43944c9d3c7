//! What running at the same time costs, and the runtime's own time.

use std::error::Error;

use serde::Serialize;

use super::bench::{MeasuredRow, Row, Spread, in_turn, noise, spread};
use super::output::Output;
use crate::plan::{Device, PlanError};
use crate::session::{PlanOrigin, Session};

#[derive(Serialize)]
pub struct Costs {
    /// Rate of gpu and dla0 at the same time over the sum of their rates alone.
    pub co_execution: f64,
    /// Microseconds of a run outside its engine, one row and 64 rows.
    pub overhead_us_1: Spread,
    pub overhead_us_64: Spread,
    /// The latter over the run's time.
    pub overhead_share_64: f64,
}

pub fn costs(session: &Session, repeats: u32, output: &Output) -> Result<Costs, Box<dyn Error>> {
    if !session.devices().contains(&Device::Dla(0)) {
        return Err("--costs needs the devices gpu and dla0".into());
    }
    output.say("measuring costs");
    let plans: Result<Vec<Row>, _> = [
        "gpu=16x8,dla0=16x8,suffix=256",
        "gpu=16x16,suffix=256",
        "dla0=16x16,suffix=256",
    ]
    .iter()
    .map(|text| Ok::<Row, PlanError>(Row::Fixed(text.parse()?, PlanOrigin::Asked)))
    .collect();
    let plans: [Row; 3] = plans?.try_into().map_err(|_| "three plans")?;
    let [both, gpu, dla] = in_turn(session, &plans, &noise(session, 256), repeats, || ())?;
    let rate = |measured: &MeasuredRow| measured.images_per_second.median;
    let (one, _) = overhead(session, 1, 50 * repeats)?;
    let (many, share) = overhead(session, 64, repeats)?;
    Ok(Costs {
        co_execution: rate(&both) / (rate(&gpu) + rate(&dla)),
        overhead_us_1: one,
        overhead_us_64: many,
        overhead_share_64: share,
    })
}

/// Microseconds of one uncut execution on the GPU that its engine was not busy, and their share of the run.
fn overhead(session: &Session, rows: usize, runs: u32) -> Result<(Spread, f64), Box<dyn Error>> {
    let plan = match session.fixed_because() {
        None => format!("gpu={rows}x1").parse()?,
        Some(_) => session.gpu_alone(rows)?,
    };
    let inputs = noise(session, rows);
    session.run_with(&plan, &inputs)?;
    let (mut micros, mut shares) = (Vec::new(), Vec::new());
    for _ in 0..runs.max(3) {
        let stats = session.run_with(&plan, &inputs)?.stats;
        let idle = stats.seconds - stats.devices["gpu"].busy;
        micros.push(idle * 1e6);
        shares.push(idle / stats.seconds);
    }
    Ok((spread(micros), spread(shares).median))
}
