//! The one-line form of a plan.

use std::fmt;
use std::str::FromStr;

use super::{Cut, Device, Mode, Plan, PlanError, Share, counted};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for share in &self.prefix {
            write!(f, "{}={}x{},", share.device, share.batch, share.rounds)?;
        }
        write!(f, "suffix={}", self.suffix_batch)?;
        match self.mode {
            Mode::Merged => {}
            Mode::Pipelined => f.write_str(",mode=pipelined")?,
        }
        if self.engines != 1 {
            write!(f, ",engines={}", self.engines)?;
        }
        match &self.cut {
            Cut::Longest => Ok(()),
            Cut::After(node) => write!(f, ",cut={node}"),
        }
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
            let how = match self.mode {
                Mode::Merged => "",
                Mode::Pipelined => " beside the prefix",
            };
            format!("suffix {runs} x {} on the gpu{how}", self.suffix_batch)
        };
        let cut = match &self.cut {
            Cut::Longest => String::new(),
            Cut::After(node) => format!("; cut after {node}"),
        };
        let engines = match self.engines {
            1 => String::new(),
            count => format!("; {count} engines of a kind per device"),
        };
        let (rows, shares) = (counted(self.total(), "row"), shares.join(", "));
        format!("{rows}: {shares}; {suffix}{cut}{engines}")
    }
}

/// Reads `gpu=16x12,dla0=16x10,suffix=352`, optionally with `mode=pipelined`, `engines=2` and `cut=NODE`; without
/// `suffix` the suffix runs once over all rows.
impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Plan, PlanError> {
        let mut plan = Plan::new(Vec::new(), 0);
        let mut seen: Vec<&str> = Vec::new();
        let mut suffix = None;
        for part in text.split(',').map(str::trim) {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| wrong(part, "expected device=BATCHxROUNDS or suffix=BATCH"))?;
            match name {
                "suffix" => suffix = Some(number(part, value)?),
                "mode" => plan.mode = mode(part, value)?,
                "engines" => plan.engines = number(part, value)?,
                "cut" => plan.cut = cut(part, value)?,
                device => {
                    plan.prefix.push(share(part, device, value)?);
                    continue;
                }
            }
            if seen.contains(&name) {
                return Err(wrong(part, &format!("{name} is given twice")));
            }
            seen.push(name);
        }
        plan.suffix_batch = suffix.unwrap_or_else(|| plan.total());
        Ok(plan)
    }
}

fn mode(part: &str, text: &str) -> Result<Mode, PlanError> {
    match text {
        "merged" => Ok(Mode::Merged),
        "pipelined" => Ok(Mode::Pipelined),
        other => {
            let reason = format!("`{other}` is not a mode: use merged or pipelined");
            Err(wrong(part, &reason))
        }
    }
}

fn cut(part: &str, node: &str) -> Result<Cut, PlanError> {
    if node.is_empty() {
        Err(wrong(part, "name the last node before the cut"))
    } else {
        Ok(Cut::After(node.to_string()))
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
