//! The JSON object of a plan: `{"version": 1, "prefix": [{"device": "gpu", "batch": 16, "rounds": 4}], "suffix_batch": 64}`,
//! and optionally `"cut": "NODE"`, `"mode": "pipelined"`, `"engines": 2`.

use serde::{Deserialize, Serialize};

use super::{Cut, Mode, Plan, PlanError, Share};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanObject {
    version: u32,
    prefix: Vec<Share>,
    suffix_batch: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cut: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    mode: Mode,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    engines: usize,
}

fn is_default(mode: &Mode) -> bool {
    *mode == Mode::default()
}

fn one() -> usize {
    1
}

fn is_one(engines: &usize) -> bool {
    *engines == 1
}

impl TryFrom<PlanObject> for Plan {
    type Error = PlanError;

    fn try_from(object: PlanObject) -> Result<Plan, PlanError> {
        if object.version != VERSION {
            return Err(PlanError::Version(object.version));
        }
        Ok(Plan {
            prefix: object.prefix,
            suffix_batch: object.suffix_batch,
            cut: object.cut.map_or(Cut::Longest, Cut::After),
            mode: object.mode,
            engines: object.engines,
        })
    }
}

impl From<Plan> for PlanObject {
    fn from(plan: Plan) -> PlanObject {
        PlanObject {
            version: VERSION,
            prefix: plan.prefix,
            suffix_batch: plan.suffix_batch,
            cut: match plan.cut {
                Cut::Longest => None,
                Cut::After(node) => Some(node),
            },
            mode: plan.mode,
            engines: plan.engines,
        }
    }
}
