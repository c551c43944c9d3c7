//! Runs what stands around a model's network: TVM's head and tail at the batch they were compiled for, as often as the
//! rows need.

use super::error::ArtifactError;
use super::executor::Library;
use super::graph_json::{DeclaredTensor, GraphJson};
use super::layout::{Feed, Layout, PlacedTensor, Source};
use super::part::Part;
use super::rounds::{Deal, Piece, cut};
use crate::bundle::{Affine, Origin, Port};
use crate::engine::Array;
use crate::plan::counted;

/// The ends of a model where they are not those of its network.
pub struct Around {
    layout: Layout,
    head: Option<Piece>,
    tail: Option<Piece>,
}

impl Around {
    /// `library` is what computes the head and the tail; a model without either needs none.
    pub(super) fn new(
        graph: &GraphJson,
        layout: Layout,
        library: Option<&Library>,
    ) -> Result<Around, ArtifactError> {
        let params = &graph.params().bytes;
        let piece = |part: &Option<Part>| match (part, library) {
            (Some(part), Some(library)) => Piece::new(library, part, params, layout.feeds(part)).map(Some),
            _ => Ok(None),
        };
        Ok(Around {
            head: piece(&layout.head)?,
            tail: piece(&layout.tail)?,
            layout,
        })
    }

    /// The model's inputs, in its own order of axes, each with how it is passed.
    pub fn inputs(&self, origin: Option<&Origin>) -> Vec<(DeclaredTensor, Port)> {
        let inputs = self.layout.inputs.iter().enumerate();
        inputs
            .map(|(at, declared)| (declared.clone(), self.port(at, origin)))
            .collect()
    }

    /// The model's outputs.
    pub fn outputs(&self) -> &[PlacedTensor] {
        &self.layout.outputs
    }

    /// Whether TVM computes something in front of the network or behind it.
    pub fn needs_tvm(&self) -> bool {
        self.layout.needs_tvm()
    }

    /// Whether outputs need the model's inputs once more, behind the network.
    pub fn needs_inputs_again(&self) -> bool {
        let mut fed = self.tail.iter().flat_map(|tail| &tail.feeds);
        let mut outputs = self.layout.outputs.iter();
        fed.any(|feed| matches!(feed, Feed::Input(_)))
            || outputs.any(|output| matches!(output.source, Source::Input(_)))
    }

    /// Why rows cannot come and go one by one; `None` when they can.
    pub(super) fn not_by_row(&self) -> Option<String> {
        let compiled = self.compiled();
        let enters = self.layout.enters.iter();
        let computed = enters.filter(|e| matches!(e.source, Source::Part(_)));
        let mut ends = computed
            .map(|placed| &placed.declared)
            .chain(self.tail.iter().flat_map(|tail| &tail.inputs));
        let other = ends.find(|end| end.shape.first() != Some(&compiled))?;
        Some(format!(
            "between TVM's part and the network, `{}` {:?} has no rows of the batch",
            other.name, other.shape
        ))
    }

    /// How an input is passed: as the network takes it, unless something else takes it too.
    fn port(&self, at: usize, origin: Option<&Origin>) -> Port {
        let taken = self.layout.enters.iter();
        let taken = taken.into_iter().position(|e| e.source == Source::Input(at));
        match taken.filter(|_| !self.layout.input_is_shared(at)) {
            Some(index) => Origin::input(origin, index).clone(),
            None => Port {
                integer: self.layout.inputs[at].integer.map(Affine::plain),
                axes: None,
            },
        }
    }

    /// The network's inputs for these of the model, with the model's rows.
    pub(super) fn enter_rows(
        &self,
        inputs: &[Array],
        origin: Option<&Origin>,
    ) -> Result<Vec<Array>, ArtifactError> {
        let deal = self.deal(inputs)?;
        let computed = match &self.head {
            Some(head) => head.run(inputs, &[], deal)?,
            None => Vec::new(),
        };
        let enters = self.layout.enters.iter().enumerate();
        enters
            .map(|(index, placed)| {
                let port = Origin::input(origin, index);
                match &placed.source {
                    Source::Input(at) if !self.layout.input_is_shared(*at) => Ok(inputs[*at].clone()),
                    Source::Input(at) => Ok(entered(port, inputs[*at].clone())),
                    Source::Part(at) => {
                        let array = cut(computed[*at].clone(), &placed.declared, deal)?;
                        Ok(entered(port, array))
                    }
                    Source::Constant(constant) => {
                        let array = Array {
                            shape: constant.shape.clone(),
                            data: constant.numbers()?.into(),
                        };
                        Ok(entered(port, array))
                    }
                    Source::Network(_) => Err(ArtifactError::Input {
                        name: placed.declared.name.clone(),
                        reason: "the network feeds itself".to_string(),
                    }),
                }
            })
            .collect()
    }

    /// The model's outputs for what its network gave; `inputs` are the model's, `rows` how many they are.
    ///
    /// # Errors
    /// An output that has no rows where there is more than one execution; TVM's own errors.
    pub fn leave(
        &self,
        inputs: &[Array],
        outputs: &[Array],
        rows: usize,
        origin: Option<&Origin>,
    ) -> Result<Vec<Array>, ArtifactError> {
        if self.needs_inputs_again() && inputs.is_empty() {
            return Err(ArtifactError::InputsGone);
        }
        let deal = Deal {
            rows,
            compiled: self.compiled(),
        };
        let computed = match &self.tail {
            Some(tail) => {
                let given = outputs.iter().enumerate();
                let given: Vec<Array> = given.map(|(at, a)| left(a, at, origin)).collect();
                tail.run(inputs, &given, deal)?
            }
            None => Vec::new(),
        };
        let placed = self.layout.outputs.iter();
        placed
            .map(|placed| match &placed.source {
                Source::Input(at) => Ok(inputs[*at].clone()),
                Source::Network(at) => Ok(outputs[*at].clone()),
                Source::Part(at) => cut(computed[*at].clone(), &placed.declared, deal),
                Source::Constant(constant) => Ok(Array {
                    shape: constant.shape.clone(),
                    data: constant.numbers()?.into(),
                }),
            })
            .collect()
    }

    /// The batch that the model was compiled for.
    pub fn compiled(&self) -> usize {
        let first = self.layout.inputs.first();
        first
            .and_then(|input| input.shape.first())
            .map_or(1, |rows| (*rows).max(1))
    }

    /// How the rows of `inputs` are dealt; where a head takes them, they are checked here.
    fn deal(&self, inputs: &[Array]) -> Result<Deal, ArtifactError> {
        let wrong = |input: &DeclaredTensor, reason: String| {
            let name = input.name.clone();
            Err(ArtifactError::Input { name, reason })
        };
        let declared = &self.layout.inputs;
        if inputs.len() != declared.len() {
            let names: Vec<&str> = declared.iter().map(|d| d.name.as_str()).collect();
            return Err(ArtifactError::Input {
                name: names.join(", "),
                reason: format!("{} given for {}", counted(inputs.len(), "array"), declared.len()),
            });
        }
        let compiled = self.compiled();
        let rows = inputs.first().and_then(|a| a.shape.first()).copied();
        let rows = rows.unwrap_or(1);
        for (at, (input, array)) in declared.iter().zip(inputs).enumerate() {
            if !self.layout.input_is_shared(at) {
                continue;
            }
            let dealt = rows != compiled;
            if dealt && input.shape.first() != Some(&compiled) {
                return wrong(
                    input,
                    format!("it has no rows, so the model runs {compiled} at a time, not {rows}"),
                );
            }
            let mut want = input.shape.clone();
            if let Some(first) = want.first_mut().filter(|_| dealt) {
                *first = rows;
            }
            let count: usize = want.iter().product();
            if array.shape != want || array.data.len() != count || rows == 0 {
                return wrong(
                    input,
                    format!("shape {:?}, but the model takes {want:?}", array.shape),
                );
            }
        }
        Ok(Deal { rows, compiled })
    }
}

/// An array as TVM passes it -> as a session takes it: real numbers, in the model's order of axes.
fn entered(port: &Port, array: Array) -> Array {
    match port.integer {
        Some(affine) => Array {
            data: affine
                .reals(&Affine::plain(affine.dtype).bytes(&array.data))
                .into(),
            shape: array.shape,
        },
        None => array,
    }
}

/// Output number `at` of the network, in the model's order of axes -> as TVM passes it on.
fn left(array: &Array, at: usize, origin: Option<&Origin>) -> Array {
    match Origin::output(origin, at).integer {
        None => array.clone(),
        Some(affine) => Array {
            shape: array.shape.clone(),
            data: Affine::plain(affine.dtype)
                .reals(&affine.bytes(&array.data))
                .into(),
        },
    }
}
