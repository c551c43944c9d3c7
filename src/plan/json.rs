//! The JSON object of a plan: `{"version": 1, "prefix": [{"device": "gpu", "batch": 16, "rounds": 4}], "suffix_batch": 64}`.

use serde::{Deserialize, Serialize};

use super::{Plan, PlanError, Share};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanObject {
    version: u32,
    prefix: Vec<Share>,
    suffix_batch: usize,
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
        })
    }
}

impl From<Plan> for PlanObject {
    fn from(plan: Plan) -> PlanObject {
        PlanObject {
            version: VERSION,
            prefix: plan.prefix,
            suffix_batch: plan.suffix_batch,
        }
    }
}
