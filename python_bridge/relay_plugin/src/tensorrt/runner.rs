//! A network in the arithmetic that TVM's options and variables ask for.

use std::collections::BTreeMap;
use std::env;
use std::sync::{Mutex, PoisonError};

use crate::run::{inputs, run, run_over};
use crate::settings::{RequestDefaults, Settings, say_once};
use tvm_dla::bundle::Bundle;
use tvm_dla::engine::{Numerics, Precision};
use tvm_dla::quantise::{Batch, Method, Runs, collect, crossing, int8, probed};
use tvm_dla::relay::json::{Arithmetic, Request};
use tvm_dla::session::Session;
use tvm_dla::tvm::{Arguments, CallError, Value};

pub enum Runner {
    Fixed(Box<Session>),
    Learning(Box<Mutex<Learning>>),
}

/// Float32 until enough runs have shown what flows through the network, then INT8. TVM's own backend leaves the outputs
/// of such runs unwritten; here they hold float32 results.
pub struct Learning {
    bundle: Bundle,
    settings: Settings,
    asked: RequestDefaults,
    session: Session,
    seen: Vec<Batch>,
    /// Runs that are still to be seen.
    missing: usize,
}

impl Runner {
    /// `options` are those of the graph.
    pub fn new(bundle: Bundle, options: &BTreeMap<String, String>) -> Result<Runner, CallError> {
        let mut settings = Settings::from_environment()?;
        // TVM's backend knows the GPU only.
        settings.devices.get_or_insert_with(|| "gpu".to_string());
        let variables = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let request = Request::read(options, &variables.collect(), settings.computed()?)?;
        for text in &request.unheeded {
            say_once(&format!("not heeded: {text}"));
        }
        let arithmetic = if settings.names_precision() {
            Arithmetic::Float
        } else {
            request.arithmetic
        };
        if arithmetic != request.arithmetic {
            say_once(
                "not heeded: TVM's options for FP16 and INT8, since TVM_DLA_PRECISION or TVM_DLA_CALIBRATION is set",
            );
        }
        let precision = match arithmetic {
            Arithmetic::Half => Precision::F16,
            Arithmetic::Float | Arithmetic::Int8 { .. } => Precision::F32,
        };
        let asked = RequestDefaults {
            numerics: Some(Numerics::of(precision)),
            workspace: request.workspace,
            cache: request.cache,
        };
        let session = settings.session(bundle.clone(), None, asked.clone())?;
        match arithmetic {
            Arithmetic::Float | Arithmetic::Half => Ok(Runner::Fixed(Box::new(session))),
            Arithmetic::Int8 { runs } => {
                in_rows(&bundle)?;
                Ok(Runner::Learning(Box::new(Mutex::new(Learning {
                    bundle,
                    settings,
                    asked,
                    session,
                    seen: Vec::new(),
                    missing: runs,
                }))))
            }
        }
    }

    pub fn run(&self, arguments: &Arguments<'_>) -> Result<Value, CallError> {
        match self {
            Runner::Fixed(session) => run(session, arguments),
            Runner::Learning(learning) => {
                let mut learning = learning.lock().unwrap_or_else(PoisonError::into_inner);
                learning.run(arguments)
            }
        }
    }
}

/// Calibration counts by rows, which every input has equally many of.
fn in_rows(bundle: &Bundle) -> Result<(), CallError> {
    let graph = &bundle.graph;
    let rows = graph.batch();
    for id in &graph.inputs {
        let tensor = graph.tensor(*id);
        if tensor.shape.first() != Some(&rows) {
            let (name, shape) = (&tensor.name, &tensor.shape);
            return Err(format!("TVM_TENSORRT_USE_INT8: input `{name}` of the shape {shape:?} does not have {rows} rows, as the network has; unset it, or give ranges with TVM_DLA_CALIBRATION").into());
        }
    }
    if graph.inputs.is_empty() {
        Err("TVM_TENSORRT_USE_INT8: the network has no inputs to calibrate with".into())
    } else {
        Ok(())
    }
}

impl Learning {
    fn run(&mut self, arguments: &Arguments<'_>) -> Result<Value, CallError> {
        if self.missing == 0 {
            return run(&self.session, arguments);
        }
        let arrays = inputs(&self.session, arguments)?;
        let value = run_over(&self.session, &arrays, arguments)?;
        self.seen.push(arrays);
        if self.seen.len() == self.missing {
            // A failure leaves nothing seen: the next runs calibrate anew.
            let seen = std::mem::take(&mut self.seen);
            let numerics = Some(self.calibrated(seen)?);
            let asked = RequestDefaults {
                numerics,
                ..self.asked.clone()
            };
            self.session = self.settings.session(self.bundle.clone(), None, asked)?;
            self.missing = 0;
        }
        Ok(value)
    }

    /// As TensorRT's entropy calibrator 2, which TVM uses.
    fn calibrated(&self, seen: Vec<Batch>) -> Result<Numerics, CallError> {
        let graph = probed(&self.bundle.graph, &crossing(&self.bundle)?);
        let runs = Runs {
            rows: graph.batch(),
            engines: 1,
        };
        let backend = self.settings.emulated(Numerics::default())?;
        let mut seen = seen.into_iter();
        let found = collect(&backend, &graph, runs, || Ok(seen.next()), |_| ())?;
        let ranges = found.choose(Method::Entropy)?.ranges;
        Ok(int8(&self.bundle, &ranges, &[])?.0)
    }
}
