//! How long an execution of an engine takes.

use std::time::{Duration, Instant};

use super::error::PipelineError;
use super::order::{End, EngineKey, Ticket};
use super::workers::{Next, Workers};
use crate::engine::Rows;
use crate::plan::Device;
use crate::schedule::TaskId;

/// Executions that count at least, after one that warms the engine up.
const COUNTED: u32 = 2;

/// The mean time of an execution with the devices to itself, of as many as take `long`.
pub(super) fn measure(
    workers: &mut Workers,
    run: u64,
    device: Device,
    key: EngineKey,
    inputs: &[Rows],
    long: Duration,
) -> Result<Duration, PipelineError> {
    workers.open(run);
    let mut once = |round: u32| {
        let task = TaskId(round.into());
        let busy = execute(workers, device, key, inputs, Ticket { run, task });
        busy.map_err(|reason| PipelineError::Measure {
            stage: key.stage,
            batch: key.batch,
            device,
            reason,
        })
    };
    once(0)?;
    let (start, mut total, mut count) = (Instant::now(), Duration::ZERO, 0);
    while count < COUNTED || start.elapsed() < long {
        count += 1;
        total += once(count)?;
    }
    workers.open(0);
    Ok(total / count)
}

fn execute(
    workers: &mut Workers,
    device: Device,
    key: EngineKey,
    inputs: &[Rows],
    ticket: Ticket,
) -> Result<Duration, String> {
    if !workers.run(device, ticket, key, inputs.to_vec(), false) {
        return Err("its worker takes no orders".to_string());
    }
    loop {
        match workers.next() {
            Next::Report(report) if report.ticket == ticket => match report.end {
                End::Done { busy, .. } => return Ok(busy),
                End::Failed { message, .. } => return Err(message),
                End::Skipped => return Err("the execution was skipped".to_string()),
            },
            Next::Hung(hung) if hung == device => {
                return Err("did not finish within the time limit".to_string());
            }
            Next::Report(_) | Next::Hung(_) | Next::Tick => {}
        }
    }
}
