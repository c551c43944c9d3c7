//! Errors of the command line itself, and the form in which every error is shown.

use std::error::Error;
use std::path::PathBuf;

use crate::bundle::Preprocess;
use crate::pipeline::PipelineError;
use crate::session::SessionError;

/// What the user gave and we cannot use.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} is not an image that can be decoded: {reason}", path.display())]
    NotAnImage { path: PathBuf, reason: String },
    #[error("{} holds no images (jpg, png, bmp)", .0.display())]
    EmptyFolder(PathBuf),
    #[error("images and arrays are mixed in --input: {} and {}", image.display(), array.display())]
    Mixed { image: PathBuf, array: PathBuf },
    #[error("the artifact does not say how an image becomes input `{input}`")]
    NoPreprocess { input: String },
    #[error("images cannot be the input of this network: {0}")]
    NoImageInput(String),
    #[error("{}: {reason}", path.display())]
    Array { path: PathBuf, reason: String },
    #[error("{}: input `{input}` has the shape {have:?}, and the network takes {want}", path.display())]
    Shape {
        path: PathBuf,
        input: String,
        have: Vec<usize>,
        want: String,
    },
    #[error("{given} array files are given for {} inputs ({})", names.len(), names.join(", "))]
    Count { given: usize, names: Vec<String> },
    #[error("input `{input}` has {have} rows and input `{first}` has {want}")]
    RowCount {
        input: String,
        have: usize,
        first: String,
        want: usize,
    },
    #[error("the inputs have {rows} rows, and --batch {batch} is fewer")]
    SmallBatch { rows: usize, batch: usize },
    #[error("cannot write {}: {reason}", path.display())]
    Unwritable { path: PathBuf, reason: String },
    #[error("{} has {labels} labels, and output `{output}` has {classes} classes", path.display())]
    Labels {
        path: PathBuf,
        labels: usize,
        output: String,
        classes: usize,
    },
    #[error("cannot run the Python of TVM at {}: {reason}", path.display())]
    Python { path: PathBuf, reason: String },
    #[error("{}: {reason}", path.display())]
    Relay { path: PathBuf, reason: String },
    #[error("no {what} found (looked in {places})")]
    Missing { what: &'static str, places: String },
    #[error(
        "TVM drives this model, because it keeps a part of it: --plan and --devices have no effect"
    )]
    Driven,
    #[error("this model does not take rows of a batch on its first axis, so only one run of the shape it was compiled for is possible")]
    NoBatch,
    #[error("interrupted")]
    Interrupted,
}

impl CliError {
    fn help(&self) -> Option<String> {
        let text = match self {
            CliError::NotAnImage { .. } => "give jpg, png or bmp files, or raw arrays as .npy or .npz".into(),
            CliError::EmptyFolder(_) => "name the files, or another folder".into(),
            CliError::Mixed { .. } => "give either images or arrays".into(),
            CliError::NoPreprocess { .. } => format!(
                "give one with --preprocess {} (or compile it in: --target \"dla -preprocess=..., llvm\")",
                Preprocess::PRESETS.join("|")
            ),
            CliError::NoImageInput(_) => "give its inputs as .npy or .npz".into(),
            CliError::Count { .. } => "give one .npy per input, in this order, or one .npz with these names".into(),
            CliError::SmallBatch { rows, .. } => format!("use --batch {rows} or more, or give fewer inputs"),
            CliError::Unwritable { .. } => "name a file in a folder that exists and is writable".into(),
            CliError::Labels { .. } => "give the label file that belongs to this model, one label per line".into(),
            CliError::Python { .. } => "run scripts/setup, or name a Python that has TVM and the plugin with --python".into(),
            CliError::Driven => "leave them out; `tvm-dla inspect` shows what stays with TVM and why".into(),
            CliError::Missing { .. } => "run scripts/setup, or see `tvm-dla doctor`".into(),
            CliError::Unreadable { .. }
            | CliError::Array { .. }
            | CliError::Shape { .. }
            | CliError::RowCount { .. }
            | CliError::Relay { .. }
            | CliError::NoBatch
            | CliError::Interrupted => return None,
        };
        Some(text)
    }
}

/// Any error on its way to the user: what happened, because of what, and what to do.
#[derive(Debug)]
pub struct Failure {
    pub message: String,
    pub causes: Vec<String>,
    pub help: Option<String>,
    interrupted: bool,
}

impl Failure {
    pub fn interrupted() -> Failure {
        CliError::Interrupted.into()
    }

    /// 130 as a shell reports Ctrl-C, otherwise 2.
    pub fn exit_code(&self) -> u8 {
        if self.interrupted {
            130
        } else {
            2
        }
    }

    pub fn with_help(mut self, help: impl Into<String>) -> Failure {
        self.help.get_or_insert(help.into());
        self
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Failure {
        let known = (&error as &dyn Error).downcast_ref::<CliError>();
        let (message, written) = split_help(&error.to_string());
        Failure {
            help: known.and_then(CliError::help).or(written),
            interrupted: is_interrupt(&error),
            causes: causes(&error, &message),
            message,
        }
    }
}

/// Whether the user ended it, here or inside a run.
fn is_interrupt(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(CliError::Interrupted))
        || matches!(
            error.downcast_ref(),
            Some(SessionError::Run(PipelineError::Cancelled))
        )
}

/// The `help:` line that some messages bring with them.
fn split_help(text: &str) -> (String, Option<String>) {
    match text.split_once("\nhelp: ") {
        Some((message, help)) => (message.to_string(), Some(help.trim().to_string())),
        None => (text.to_string(), None),
    }
}

/// The chain of sources, without those that the text before them already quotes.
fn causes(error: &dyn Error, message: &str) -> Vec<String> {
    let mut said = message.to_string();
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !said.contains(&text) {
            said.push_str(&text);
            causes.push(text);
        }
        next = error.source();
    }
    causes
}
