//! The plans of a network: those it was given, else those in the file beside its artifact.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bundle::{Bundle, digest};
use crate::plan::{Plan, PlanError, PlanFile, TunedPlans};

/// What a JSON file of plans holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plans {
    One(Plan),
    Tuned(PlanFile),
}

/// The plans of one network on one board.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GivenPlans {
    /// For every batch.
    pub plan: Option<Plan>,
    /// For the batches they add up to.
    pub tuned: TunedPlans,
    /// Why a file beside the artifact is not used.
    pub passed_over: Option<String>,
}

/// Plans that cannot be had. Names the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlansError {
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} is not a plan: {reason}", path.display())]
    NoPlan { path: PathBuf, reason: String },
    #[error("{}: {source}", path.display())]
    Other { path: PathBuf, source: PlanError },
    #[error(transparent)]
    Text(#[from] PlanError),
}

impl Plans {
    /// Reads a plan, what `tvm-dla plan --json` prints, or what `tvm-dla tune` writes.
    ///
    /// # Errors
    /// [`PlansError`] naming the file.
    pub fn read(path: &Path) -> Result<Plans, PlansError> {
        let json = fs::read_to_string(path).map_err(|error| PlansError::Unreadable {
            path: path.to_path_buf(),
            reason: error.to_string(),
        })?;
        Plans::parse(&json).map_err(|error| PlansError::NoPlan {
            path: path.to_path_buf(),
            reason: error.to_string(),
        })
    }

    fn parse(json: &str) -> Result<Plans, serde_json::Error> {
        let mut value: serde_json::Value = serde_json::from_str(json)?;
        if value.get("plans").is_some() {
            return Ok(Plans::Tuned(serde_json::from_value(value)?));
        }
        // What `tvm-dla plan --json` prints has the plan inside.
        let inner = value.get_mut("plan").map(serde_json::Value::take);
        Ok(Plans::One(serde_json::from_value(inner.unwrap_or(value))?))
    }
}

impl GivenPlans {
    /// The plans that `asked` names, a text or a JSON file; without it those in `MODEL.plan.json` beside the artifact
    /// `MODEL.tar`. A file that was named must be for this network on this board; one beside the artifact is passed over
    /// when it is not.
    ///
    /// # Errors
    /// [`PlansError`]: no such file, no plan, or, where the file was named, plans for another network or board.
    pub fn find(
        asked: Option<&str>,
        artifact: &Path,
        bundle: &Bundle,
        board: &str,
    ) -> Result<GivenPlans, PlansError> {
        match asked {
            Some(text) if !is_file(text) => Ok(GivenPlans::all(text.parse()?)),
            Some(text) => {
                let path = Path::new(text);
                GivenPlans::from_file(path, bundle, board)?.map_err(|source| PlansError::Other {
                    path: path.to_path_buf(),
                    source,
                })
            }
            None => GivenPlans::beside(artifact, bundle, board),
        }
    }

    /// The plans in the file beside the artifact, if there is one.
    ///
    /// # Errors
    /// [`PlansError`] when it is no file of plans.
    pub fn beside(artifact: &Path, bundle: &Bundle, board: &str) -> Result<GivenPlans, PlansError> {
        let path = beside(artifact);
        if !path.is_file() {
            return Ok(GivenPlans::default());
        }
        let found = match GivenPlans::from_file(&path, bundle, board)? {
            Ok(found) => found,
            Err(error) => GivenPlans {
                passed_over: Some(format!("{} is not used: {error}", path.display())),
                ..GivenPlans::default()
            },
        };
        // One plan that nobody asked for is for the batch it adds up to.
        let mut tuned = found.tuned;
        if let Some(plan) = found.plan {
            tuned = TunedPlans {
                plans: vec![plan],
                from: path.display().to_string(),
            };
        }
        Ok(GivenPlans {
            plan: None,
            tuned,
            passed_over: found.passed_over,
        })
    }

    /// The inner error says that the plans are for something else; one plan alone does not say what it is for.
    fn from_file(
        path: &Path,
        bundle: &Bundle,
        board: &str,
    ) -> Result<Result<GivenPlans, PlanError>, PlansError> {
        let file = match Plans::read(path)? {
            Plans::One(plan) => return Ok(Ok(GivenPlans::all(plan))),
            Plans::Tuned(file) => file,
        };
        let checked = file.check(&digest(&bundle.graph), board);
        let from = path.display().to_string();
        Ok(checked.map(|()| GivenPlans {
            tuned: TunedPlans {
                plans: file.plans,
                from,
            },
            ..GivenPlans::default()
        }))
    }

    fn all(plan: Plan) -> GivenPlans {
        GivenPlans {
            plan: Some(plan),
            ..GivenPlans::default()
        }
    }
}

/// Where a tuning of `artifact` writes its plans.
pub fn beside(artifact: &Path) -> PathBuf {
    artifact.with_extension("plan.json")
}

/// Whether `text` names a file of plans, and is no plan itself.
pub fn is_file(text: &str) -> bool {
    Path::new(text).extension().is_some_and(|e| e == "json")
}
