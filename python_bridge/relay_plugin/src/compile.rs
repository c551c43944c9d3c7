//! The functions of compile time: what the Python bridge asks, and TVM's code generator for `dla`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use super::ffi::make_module;
use super::run::DlaModule;
use tvm_dla::board::named;
use tvm_dla::bundle::{Bundle, Options, Origin};
use tvm_dla::graph::{Graph, TensorId};
use tvm_dla::plan::Device;
use tvm_dla::planner::{Forecast, Planner, Terms};
use tvm_dla::relay::{self, CallTensors, Conversion};
use tvm_dla::split::{self, Chip, Side, Stages, Version};
use tvm_dla::tune::Sites;
use tvm_dla::tvm::{Arguments, CallError, Function, Object, TvmError, Value, register as global};

pub fn register() -> Result<(), CallError> {
    global("tvm_dla.version", |_| Ok(env!("CARGO_PKG_VERSION").into()))?;
    global("tvm_dla.built_for", |_| Ok(env!("TVM_DLA_BUILT_FOR").into()))?;
    global("tvm_dla.op_names", |_| json(&relay::op_names()))?;
    global("tvm_dla.parse_options", parse_options)?;
    global("tvm_dla.supported", supported)?;
    global("tvm_dla.check_scales", check_scales)?;
    global("tvm_dla.quantised_constant", quantised_constant)?;
    global("tvm_dla.cut", cut)?;
    global("tvm_dla.describe", describe)?;
    global("relay.ext.dla", code_generator)?;
    // Weights travel in the bundle: TVM need not keep them a second time.
    global("relay.ext.dla.constant_updater", |_| {
        Ok(Function::global("runtime.Map")?.call(&[])?)
    })?;
    Ok(())
}

fn json<T: Serialize>(value: &T) -> Result<Value, CallError> {
    Ok(serde_json::to_string(value)?.into())
}

/// Options as a JSON object of texts -> the canonical options.
fn parse_options(arguments: &Arguments<'_>) -> Result<Value, CallError> {
    let mut given: BTreeMap<String, String> = serde_json::from_str(&arguments.text(0)?)?;
    of_board(&mut given)?;
    json(&Options::parse(&given)?)
}

/// A board has a chip, which need not be named too, but must not be another one.
fn of_board(given: &mut BTreeMap<String, String>) -> Result<(), CallError> {
    let text = |name: &str| given.get(name).filter(|value| !value.is_empty()).cloned();
    let Some(board) = text("board") else {
        return Ok(());
    };
    let machine = named(board.trim())?.machine(text("power").as_deref().map(str::trim))?;
    let chip = machine.board.chip;
    match text("chip").map(|chip| chip.parse::<Chip>()).transpose()? {
        Some(other) if other != chip => Err(format!(
            "option `chip` of target dla is {other}, but the board `{board}` is of the chip {chip}: leave chip out"
        )
        .into()),
        Some(_) => Ok(()),
        None => {
            let tensorrt = text("tensorrt");
            given.insert("chip".into(), chip.to_string());
            let last = || Version::last_with_dla(chip).to_string();
            given.insert("tensorrt".into(), tensorrt.unwrap_or_else(last));
            Ok(())
        }
    }
}

/// A type-checked call -> empty when it is taken, otherwise the reason why it stays with TVM.
fn supported(arguments: &Arguments<'_>) -> Result<Value, CallError> {
    let call = arguments.get(0)?.object()?;
    Ok(match relay::supported(&call) {
        Ok(()) => "".into(),
        Err(reason) => reason.to_string().into(),
    })
}

/// A type-checked call of a `qnn` operator -> empty when it can be spelled out in float32, otherwise the reason not to.
fn check_scales(arguments: &Arguments<'_>) -> Result<Value, CallError> {
    let call = arguments.get(0)?.object()?;
    Ok(match relay::check_scales(&call) {
        Ok(()) => "".into(),
        Err(reason) => reason.to_string().into(),
    })
}

/// A type-checked `qnn` call of constants -> its value, or nothing where it has none here: it then stays, and
/// `supported` says why.
fn quantised_constant(arguments: &Arguments<'_>) -> Result<Value, CallError> {
    let call = arguments.get(0)?.object()?;
    let value = relay::quantised_constant(&call).ok().flatten();
    Ok(value.map_or(Value::Null, Value::NDArray))
}

#[derive(Serialize)]
struct CutAnswer {
    sides: Vec<Side>,
    verdicts: Vec<String>,
}

/// A region and its calls -> the side of the cut of each call.
fn cut(arguments: &Arguments<'_>) -> Result<Value, CallError> {
    let region = arguments.get(0)?.object()?;
    let calls = arguments.get(1)?.object()?.array()?;
    let options: Options = serde_json::from_str(&arguments.text(2)?)?;
    let converted = relay::convert(&region, "region")?;
    let stages = split::cut(&converted.graph, &options.target, &options.gpu_only)?;
    let mut sides = Sides::new(&converted, &stages);
    let mut answer = CutAnswer {
        sides: Vec::new(),
        verdicts: Vec::new(),
    };
    for call in calls {
        let found = converted.calls.get(&call.object()?.id());
        let found = found.ok_or("a call that is not part of the region")?;
        let nodes = sides.nodes(found);
        let verdict = nodes.first().map(|node| stages.verdicts[*node].to_string());
        answer.verdicts.push(verdict.unwrap_or_default());
        answer.sides.push(sides.of(found, &nodes));
    }
    json(&answer)
}

/// Finds the side of calls, which come operands first.
struct Sides<'a> {
    stages: &'a Stages,
    producer: HashMap<TensorId, usize>,
    /// What calls on the suffix's side return, as calls number it.
    suffix: HashSet<TensorId>,
}

impl<'a> Sides<'a> {
    fn new(converted: &Conversion, stages: &'a Stages) -> Sides<'a> {
        let nodes = converted.graph.nodes.iter().enumerate();
        Sides {
            stages,
            producer: nodes.map(|(index, node)| (node.output, index)).collect(),
            suffix: HashSet::new(),
        }
    }

    /// The nodes that compute a call's results; none when those are inputs, or part of another layer.
    fn nodes(&self, call: &CallTensors) -> Vec<usize> {
        let tensors = call.tensors.iter();
        let found = tensors.filter_map(|tensor| self.producer.get(tensor));
        found.copied().collect()
    }

    /// A call is in the suffix when one of its nodes is, or one that it reads from. What has no node belongs to
    /// whoever comes first.
    fn of(&mut self, call: &CallTensors, nodes: &[usize]) -> Side {
        let behind = call.operands.iter().any(|id| self.suffix.contains(id));
        let mut sides = nodes.iter().map(|node| self.stages.side[*node]);
        if behind || self.stages.prefix.is_none() || sides.any(|side| side == Side::Suffix) {
            self.suffix.extend(&call.results);
            return Side::Suffix;
        }
        Side::Prefix
    }
}

/// A region -> what `inspect` reports about it.
fn describe(arguments: &Arguments<'_>) -> Result<Value, CallError> {
    let region = arguments.get(0)?.object()?;
    let options: Options = serde_json::from_str(&arguments.text(1)?)?;
    let name = attribute(&region, "global_symbol")?.unwrap_or_else(|| "region".to_string());
    let Conversion { graph, origin, .. } = relay::convert(&region, &name)?;
    let stages = split::cut(&graph, &options.target, &options.gpu_only)?;
    let mut report = split::report(&graph, &stages);
    Origin::declare(origin.as_ref(), &mut report);
    json(&report)
}

/// TVM's hook: an external function -> the module that runs it.
fn code_generator(arguments: &Arguments<'_>) -> Result<Value, CallError> {
    let function = arguments.get(0)?.object()?;
    let symbol =
        attribute(&function, "global_symbol")?.ok_or("an external function without global_symbol")?;
    let mut options = match attribute(&function, "dla_options")? {
        Some(text) => serde_json::from_str(&text)?,
        None => Options::default(),
    };
    let kept = match attribute(&function, "dla_kept")? {
        Some(text) => serde_json::from_str(&text)?,
        None => Vec::new(),
    };
    let converted = relay::convert(&function, &symbol)?;
    simulate_plans(&mut options, &converted.graph)?;
    let bundle = Bundle {
        graph: converted.graph,
        options,
        plan: None,
        origin: converted.origin,
        kept,
    };
    // The cut is made again where the network runs; a network it cannot be made for must not get that far.
    split::cut(&bundle.graph, &bundle.options.target, &bundle.options.gpu_only)?;
    Ok(make_module(Box::new(DlaModule::new(bundle)))?.into())
}

/// Batches that plans are simulated for.
const USUAL: [usize; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048];

/// Fills in the plans for the board that the options name, for usual batches and the network's own. A network that runs
/// only in its own batch has no plans.
fn simulate_plans(options: &mut Options, graph: &Graph) -> Result<(), CallError> {
    let Some(mut asked) = options.board.take() else {
        return Ok(());
    };
    let machine = named(&asked.name)?.machine(asked.power.as_deref())?;
    asked.title = machine.title();
    if graph.apart().is_ok() {
        let precision = options.target.precision;
        let stages = split::cut(graph, &options.target, &options.gpu_only)?;
        let sites = Sites::of(graph, options, precision.bytes(), false)?;
        let cores = options.cores.iter().copied().map(Device::Dla);
        let there = |device: &Device| *device < Device::Dla(machine.board.dla.cores.0);
        let devices: Vec<Device> = std::iter::once(Device::Gpu).chain(cores).collect();
        let devices: Vec<Device> = devices.into_iter().filter(there).collect();
        let terms = Terms::new(sites, &devices, None, false);
        let (target, gpu) = (&options.target, precision.into());
        let forecast = Forecast::new(graph, &stages, machine, target, gpu, &terms.dlas);
        asked.error = forecast.error[0].max(forecast.error[1]);
        let planner = Planner::new(terms, Some(Arc::new(forecast)));
        let mut rows: Vec<usize> = USUAL.to_vec();
        rows.push(graph.batch());
        rows.sort_unstable();
        rows.dedup();
        let plans = rows.into_iter().filter_map(|rows| planner.plan(rows));
        asked.plans = plans.map(|(plan, _)| plan).collect();
    }
    options.board = Some(asked);
    Ok(())
}

/// A text attribute of a Relay function.
pub fn attribute(function: &Object, name: &str) -> Result<Option<String>, TvmError> {
    let attrs = Function::global("ir.BaseFunc_Attrs")?.call(&[function.clone().into()])?;
    let Value::Object(attrs) = attrs else {
        return Ok(None);
    };
    let map = Function::global("ir.DictAttrsGetDict")?.call(&[attrs.into()])?;
    let key = Function::global("runtime.String")?.call(&[name.into()])?;
    let count = Function::global("runtime.MapCount")?.call(&[map.clone(), key.clone()])?;
    match count.int()? {
        0 => Ok(None),
        _ => {
            let value = Function::global("runtime.MapGetItem")?.call(&[map, key])?;
            value.text().map(Some)
        }
    }
}
