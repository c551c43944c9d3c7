//! The operator that hands tensors to a watcher.

use std::sync::Arc;

use ort::operator::{
    BoxedKernel, ComputeContext, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput,
};
use ort::value::TensorElementType;

use super::onnx::{DOMAIN, OUTPUT, WATCH};
use crate::engine::Watcher;

struct Watch(Arc<dyn Watcher>);

/// What a session over a watched model needs to know.
pub(super) fn operators(watcher: Arc<dyn Watcher>) -> Result<OperatorDomain, ort::Error> {
    OperatorDomain::new(DOMAIN)?.add(Watch(watcher))
}

impl Operator for Watch {
    type Kernel<'attr> = BoxedKernel<'attr>;

    fn name(&self) -> &str {
        WATCH
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [OperatorInput::required(TensorElementType::Float32)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> Result<BoxedKernel<'attr>, ort::Error> {
        let missing = || ort::Error::new(format!("{WATCH} has no attribute `{OUTPUT}`"));
        let output: i64 = context.get(OUTPUT).ok_or_else(missing)?;
        let watcher = self.0.clone();
        Ok(Box::new(move |context: &ComputeContext| {
            let missing = || ort::Error::new(format!("{WATCH} has no operand"));
            let operand = context.input(0)?.ok_or_else(missing)?;
            let (_, values) = operand.try_extract_tensor::<f32>()?;
            watcher.see(output as usize, values);
            if let Some(mut token) = context.output(0, [1i64])? {
                token.try_extract_tensor_mut::<f32>()?.1.fill(0.0);
            }
            Ok(())
        }))
    }
}
