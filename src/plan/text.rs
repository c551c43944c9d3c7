//! The one-line form of a plan.

use std::fmt;
use std::str::FromStr;

use super::{Device, Plan, PlanError, Share};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for share in &self.prefix {
            write!(f, "{}={}x{},", share.device, share.batch, share.rounds)?;
        }
        write!(f, "suffix={}", self.suffix_batch)
    }
}

impl Plan {
    /// The plan in words, for reports.
    pub fn summary(&self) -> String {
        let shares: Vec<String> = self
            .prefix
            .iter()
            .map(|s| format!("{} {} x {}", s.device, s.rounds, s.batch))
            .collect();
        let suffix = if self.gpu_alone() {
            "network uncut".to_string()
        } else {
            let runs = self.total() / self.suffix_batch.max(1);
            format!("suffix {runs} x {} on the gpu", self.suffix_batch)
        };
        format!("{} rows: {}; {suffix}", self.total(), shares.join(", "))
    }
}

/// Reads `gpu=16x12,dla0=16x10,suffix=352`; without `suffix` the suffix runs once over all rows.
impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Plan, PlanError> {
        let mut plan = Plan {
            prefix: Vec::new(),
            suffix_batch: 0,
        };
        let mut suffix = None;
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                Some(("suffix", value)) => {
                    if suffix.replace(number(part, value)?).is_some() {
                        return Err(wrong(part, "suffix is given twice"));
                    }
                }
                Some((device, rounds)) => plan.prefix.push(share(part, device, rounds)?),
                None => return Err(wrong(part, "expected device=BATCHxROUNDS or suffix=BATCH")),
            }
        }
        plan.suffix_batch = suffix.unwrap_or_else(|| plan.total());
        Ok(plan)
    }
}

fn share(part: &str, device: &str, rounds: &str) -> Result<Share, PlanError> {
    let device: Device = device
        .trim()
        .parse()
        .map_err(|reason: String| wrong(part, &reason))?;
    let (batch, rounds) = rounds
        .split_once('x')
        .ok_or_else(|| wrong(part, "expected BATCHxROUNDS, as in 16x4"))?;
    Ok(Share {
        device,
        batch: number(part, batch)?,
        rounds: number(part, rounds)?,
    })
}

fn number(part: &str, text: &str) -> Result<usize, PlanError> {
    let text = text.trim();
    text.parse()
        .map_err(|_| wrong(part, &format!("`{text}` is not a number of rows or rounds")))
}

fn wrong(part: &str, reason: &str) -> PlanError {
    PlanError::Text {
        part: part.to_string(),
        reason: reason.to_string(),
    }
}
