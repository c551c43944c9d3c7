//! What TVM's TensorRT backend is told beside the graph itself: options in the graph, variables in the environment.
//!
//! As `tensorrt_runtime.cc` reads them, in TVM 0.9 to 0.19. What has no effect here is said, not passed over.

use std::collections::BTreeMap;
use std::path::PathBuf;

const PREFIX: &str = "TVM_TENSORRT_";
const FP16: &str = "TVM_TENSORRT_USE_FP16";
const INT8: &str = "TVM_TENSORRT_USE_INT8";
const RUNS: &str = "TENSORRT_NUM_CALI_INT8";
const MULTI_ENGINE: &str = "TVM_TENSORRT_MULTI_ENGINE";
const WORKSPACE: &str = "TVM_TENSORRT_MAX_WORKSPACE_SIZE";
const CACHE: &str = "TVM_TENSORRT_CACHE_DIR";
const KNOWN: [&str; 5] = [FP16, INT8, MULTI_ENGINE, WORKSPACE, CACHE];

/// The workspace of a graph whose author named none: 1 GiB.
const USUAL_WORKSPACE: u64 = 1 << 30;

/// What a network is computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Float,
    Half,
    /// INT8 with ranges from the first runs.
    Int8 {
        runs: usize,
    },
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub arithmetic: Arithmetic,
    /// Scratch memory of an engine in bytes.
    pub workspace: Option<u64>,
    /// Where built engines are kept.
    pub cache: Option<PathBuf>,
    /// What has no effect, and why, each a sentence.
    pub unheeded: Vec<String>,
}

/// Who computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendKind {
    ByTensorRt,
    OnCpu,
}

/// A variable with a value that it cannot have, or that another forbids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("{name} is `{value}`, which is not {wanted}")]
    Value {
        name: String,
        value: String,
        wanted: &'static str,
    },
    #[error(
        "{INT8} needs {RUNS}: how many of the first runs show what flows through the network; set it to 1 or more"
    )]
    NoRuns,
    #[error(
        "{INT8} and {MULTI_ENGINE} exclude each other, since one engine is calibrated: unset one of them"
    )]
    ManyEngines,
}

impl Request {
    /// From the `options` of a graph and all `variables` of the environment; empty variables count as unset.
    ///
    /// # Errors
    /// [`RequestError`] names the variable.
    pub fn read(
        options: &BTreeMap<String, String>,
        variables: &BTreeMap<String, String>,
        computed: BackendKind,
    ) -> Result<Request, RequestError> {
        let variables = Variables(variables);
        let flag = |name: &str| options.get(name).is_some_and(|value| value == "1");
        let half = variables.flag(FP16)?.unwrap_or(false) || flag("use_fp16");
        let many = variables.flag(MULTI_ENGINE)?;
        let runs = variables.number(RUNS)?;
        let int8 = variables.flag(INT8)?.unwrap_or(false);
        let arithmetic = match (int8, runs, many) {
            (true, _, Some(true)) => return Err(RequestError::ManyEngines),
            (true, None | Some(0), _) => return Err(RequestError::NoRuns),
            (true, Some(runs), _) => Arithmetic::Int8 { runs: runs as usize },
            (false, ..) if half => Arithmetic::Half,
            (false, ..) => Arithmetic::Float,
        };
        let size = variables.number(WORKSPACE)?.filter(|size| *size > 0);
        let option = options.get("max_workspace_size");
        let option: Option<u64> = option.and_then(|size| size.parse().ok());
        let workspace = size.or(option);
        let cache = variables.get(CACHE).map(PathBuf::from);
        let mut unheeded = variables.unknown();
        let mut note = |applies: bool, text: &str| {
            if applies {
                unheeded.push(text.to_string());
            }
        };
        let on_cpu = computed == BackendKind::OnCpu;
        let sized = size.is_some() || option.is_some_and(|size| size != USUAL_WORKSPACE);
        note(
            on_cpu && sized,
            "max_workspace_size: the CPU backend has no workspace; it is passed on with TVM_DLA_BACKEND=tensorrt",
        );
        note(
            on_cpu && cache.is_some(),
            "TVM_TENSORRT_CACHE_DIR: the CPU backend builds no engines to keep; it is used with TVM_DLA_BACKEND=tensorrt",
        );
        note(
            flag("use_uint8"),
            "use_uint8: TVM's backend does not read it either; INT8 is TVM_TENSORRT_USE_INT8=1 with TENSORRT_NUM_CALI_INT8",
        );
        note(
            many == Some(false),
            "TVM_TENSORRT_MULTI_ENGINE=0: every batch size keeps an engine of its own; results are the same",
        );
        note(
            !int8 && runs.is_some(),
            "TENSORRT_NUM_CALI_INT8: nothing is calibrated without TVM_TENSORRT_USE_INT8=1",
        );
        Ok(Request {
            arithmetic,
            workspace,
            cache,
            unheeded,
        })
    }
}

struct Variables<'a>(&'a BTreeMap<String, String>);

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, RequestError> {
        match self.get(name) {
            None => Ok(None),
            Some("0" | "false") => Ok(Some(false)),
            Some("1" | "true") => Ok(Some(true)),
            Some(other) => Err(wrong(name, other, "0 or 1")),
        }
    }

    fn number(&self, name: &str) -> Result<Option<u64>, RequestError> {
        let value = self.get(name);
        let number = value.map(|value| {
            let parsed = value.parse();
            parsed.map_err(|_| wrong(name, value, "a number from 0 on"))
        });
        number.transpose()
    }

    /// Variables that look like one of TVM's.
    fn unknown(&self) -> Vec<String> {
        let names = self.0.keys().filter(|name| name.starts_with(PREFIX));
        let unknown = names.filter(|name| !KNOWN.contains(&name.as_str()));
        let said = unknown.map(|name| {
            let distance = |known: &&str| strsim::levenshtein(known, name);
            let nearest = KNOWN.into_iter().min_by_key(distance).unwrap_or_default();
            format!("{name}: TVM's TensorRT backend has no such variable; the nearest is {nearest}")
        });
        said.collect()
    }
}

fn wrong(name: &str, value: &str, wanted: &'static str) -> RequestError {
    RequestError::Value {
        name: name.to_string(),
        value: value.to_string(),
        wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    const GIB: &str = "1073741824";

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    fn read(
        options: &[(&str, &str)],
        variables: &[(&str, &str)],
        computed: BackendKind,
    ) -> Result<Request, RequestError> {
        Request::read(&map(options), &map(variables), computed)
    }

    #[test]
    fn arithmetic_is_what_tvm_would_compute_in() {
        use Arithmetic::{Float, Half, Int8};
        let int8 = [(INT8, "1"), (RUNS, "3")];
        let cases: [(Pairs, Pairs, Arithmetic, &str); 8] = [
            (&[], &[], Float, "nothing said"),
            (&[("use_fp16", "0")], &[], Float, "the default, written out"),
            (&[("use_fp16", "1")], &[], Half, "the option"),
            (&[("use_fp16", "0")], &[(FP16, "1")], Half, "the variable"),
            (&[("use_fp16", "1")], &[(FP16, "0")], Half, "either is enough"),
            (&[], &[(FP16, "")], Float, "an empty variable is unset"),
            (&[], &int8, Int8 { runs: 3 }, "calibrated by three runs"),
            (&[("use_fp16", "1")], &int8, Int8 { runs: 3 }, "fp16 besides"),
        ];
        for (options, variables, want, why) in cases {
            for computed in [BackendKind::OnCpu, BackendKind::ByTensorRt] {
                let request = read(options, variables, computed).unwrap();
                assert_eq!(request.arithmetic, want, "{why}");
                assert_eq!(request.unheeded, Vec::<String>::new(), "{why}");
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let cases: [(Pairs, &str); 5] = [
            (
                &[(FP16, "yes")],
                "TVM_TENSORRT_USE_FP16 is `yes`, which is not 0 or 1",
            ),
            (&[(WORKSPACE, "1G")], "TVM_TENSORRT_MAX_WORKSPACE_SIZE is `1G`"),
            (&[(INT8, "1")], "needs TENSORRT_NUM_CALI_INT8"),
            (&[(INT8, "1"), (RUNS, "0")], "set it to 1 or more"),
            (
                &[(INT8, "1"), (RUNS, "2"), (MULTI_ENGINE, "1")],
                "unset one of them",
            ),
        ];
        for (variables, want) in cases {
            let error = read(&[], variables, BackendKind::OnCpu).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn what_has_no_effect_is_named() {
        use BackendKind::{ByTensorRt, OnCpu};
        let cases: [(Pairs, Pairs, BackendKind, &[&str], &str); 10] = [
            (
                &[("max_workspace_size", GIB)],
                &[],
                OnCpu,
                &[],
                "nobody asked for the default",
            ),
            (
                &[("max_workspace_size", "4096")],
                &[],
                OnCpu,
                &["max_workspace_size"],
                "no workspace",
            ),
            (
                &[("max_workspace_size", "4096")],
                &[],
                ByTensorRt,
                &[],
                "passed on",
            ),
            (
                &[],
                &[(WORKSPACE, "4096")],
                OnCpu,
                &["max_workspace_size"],
                "the variable too",
            ),
            (&[], &[(CACHE, "/c")], OnCpu, &[CACHE], "no engines"),
            (&[], &[(CACHE, "/c")], ByTensorRt, &[], "engines are kept there"),
            (
                &[("use_uint8", "1")],
                &[],
                ByTensorRt,
                &["use_uint8"],
                "nor does TVM read it",
            ),
            (
                &[],
                &[(MULTI_ENGINE, "0")],
                ByTensorRt,
                &[MULTI_ENGINE],
                "always many",
            ),
            (
                &[],
                &[(MULTI_ENGINE, "1"), (RUNS, "2")],
                OnCpu,
                &[RUNS],
                "runs without int8",
            ),
            (
                &[],
                &[("TVM_TENSORRT_USE_FP61", "1")],
                OnCpu,
                &["TVM_TENSORRT_USE_FP16"],
                "misspelt",
            ),
        ];
        for (options, variables, computed, want, why) in cases {
            let said = read(options, variables, computed).unwrap().unheeded;
            assert_eq!(said.len(), want.len(), "{why}: {said:?}");
            let all = said.iter().zip(want);
            all.for_each(|(said, want)| assert!(said.contains(want), "{why}: {said}"));
        }
    }

    #[test]
    fn workspace_and_cache_are_passed_on() {
        let options = [("max_workspace_size", "4096")];
        let cases: [(Pairs, u64, &str); 3] = [
            (&[], 4096, "the graph's"),
            (&[(WORKSPACE, "8192")], 8192, "the variable overrides it"),
            (&[(WORKSPACE, "0")], 4096, "unless it is zero"),
        ];
        for (variables, want, why) in cases {
            let request = read(&options, variables, BackendKind::ByTensorRt).unwrap();
            assert_eq!(request.workspace, Some(want), "{why}");
        }
        let request = read(&[], &[(CACHE, "/c")], BackendKind::ByTensorRt).unwrap();
        assert_eq!(request.cache, Some(PathBuf::from("/c")));
    }
}
