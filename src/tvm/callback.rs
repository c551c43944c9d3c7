//! Functions that TVM calls in Rust. Nothing unwinds into TVM: every entry goes through [`guard`].

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::ndarray::{Tensor, TensorMut};
use super::sys::{self, RawValue, code};
use super::value::Keep;
use super::{TvmError, Value, c_text, check};

/// What a callback fails with; its text becomes TVM's error.
pub type CallError = Box<dyn std::error::Error + Send + Sync>;

type Callback = dyn Fn(&Arguments<'_>) -> Result<Value, CallError> + Send + Sync;

/// The arguments of one call from TVM, borrowed for its length.
pub struct Arguments<'a> {
    values: &'a [RawValue],
    codes: &'a [c_int],
}

impl<'a> Arguments<'a> {
    /// # Safety
    /// Both pointers have `count` elements that TVM keeps alive for `'a`.
    pub unsafe fn from_raw(values: *const RawValue, codes: *const c_int, count: c_int) -> Arguments<'a> {
        if count <= 0 {
            return Arguments {
                values: &[],
                codes: &[],
            };
        }
        // SAFETY: promised by the caller.
        unsafe {
            Arguments {
                values: std::slice::from_raw_parts(values, count as usize),
                codes: std::slice::from_raw_parts(codes, count as usize),
            }
        }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The argument at `index`, owned.
    pub fn get(&self, index: usize) -> Result<Value, TvmError> {
        let (value, code) = self.raw(index)?;
        Value::from_argument(value, code)
    }

    pub fn text(&self, index: usize) -> Result<String, TvmError> {
        self.get(index)?.text()
    }

    /// A tensor argument, borrowed.
    pub fn tensor(&self, index: usize) -> Result<Tensor<'a>, TvmError> {
        match self.raw(index)? {
            // SAFETY: the code says that the handle is a DLTensor; it lives during the call.
            (value, code::DL_TENSOR | code::ND_ARRAY) => unsafe { Tensor::from_raw(value.handle.cast()) },
            (_, other) => Err(TvmError::Type {
                want: "a tensor",
                got: format!("type code {other}"),
            }),
        }
    }

    /// A tensor argument that the function writes.
    pub fn output(&self, index: usize) -> Result<TensorMut<'a>, TvmError> {
        self.tensor(index).map(TensorMut::new)
    }

    fn raw(&self, index: usize) -> Result<(RawValue, c_int), TvmError> {
        match (self.values.get(index), self.codes.get(index)) {
            (Some(value), Some(code)) => Ok((*value, *code)),
            _ => Err(TvmError::Type {
                want: "one more argument",
                got: format!("{} arguments", self.len()),
            }),
        }
    }
}

/// Makes `function` callable from TVM under a global name, in place of one that has the name already.
pub fn register<F>(name: &str, function: F) -> Result<(), TvmError>
where
    F: Fn(&Arguments<'_>) -> Result<Value, CallError> + Send + Sync + 'static,
{
    let api = sys::api()?;
    let text = c_text(name)?;
    let boxed: Box<Box<Callback>> = Box::new(Box::new(function));
    let mut handle = std::ptr::null_mut();
    // SAFETY: TVM keeps the box until it calls `drop_callback`.
    check(unsafe {
        (api.function_from_c)(
            call_callback,
            Box::into_raw(boxed).cast(),
            Some(drop_callback),
            &mut handle,
        )
    })?;
    // SAFETY: `handle` is a live function; the registry adds its own reference.
    let status = unsafe { (api.function_register)(text.as_ptr(), handle, 1) };
    // SAFETY: our reference is given back once.
    unsafe { (api.function_free)(handle) };
    check(status)
}

unsafe extern "C" fn call_callback(
    values: *mut RawValue,
    codes: *mut c_int,
    count: c_int,
    result: *mut c_void,
    resource: *mut c_void,
) -> c_int {
    guard(|| {
        // SAFETY: `register` made `resource`, and TVM keeps the arguments during the call.
        let (callback, arguments) = unsafe {
            (
                &*resource.cast::<Box<Callback>>(),
                Arguments::from_raw(values, codes, count),
            )
        };
        let value = callback(&arguments)?;
        // SAFETY: TVM passes its return slot.
        unsafe { returns(result, &value) }
    })
}

unsafe extern "C" fn drop_callback(resource: *mut c_void) {
    // SAFETY: TVM calls this once, with what `register` made.
    drop(unsafe { Box::from_raw(resource.cast::<Box<Callback>>()) });
}

/// Puts `value` into a return slot of TVM.
///
/// # Safety
/// `result` is the return slot that TVM passed to the running callback.
pub unsafe fn returns(result: *mut c_void, value: &Value) -> Result<(), CallError> {
    let api = sys::api()?;
    let mut keep = Keep::default();
    let (mut raw, mut kind) = value.to_raw(&mut keep)?;
    // SAFETY: `result` is TVM's return slot; it copies texts and adds its own reference to handles.
    check(unsafe { (api.set_return)(result, &mut raw, &mut kind, 1) })?;
    Ok(())
}

/// Runs `body`; an error or a panic becomes TVM's last error and status -1.
pub fn guard(body: impl FnOnce() -> Result<(), CallError>) -> c_int {
    let message = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return 0,
        Ok(Err(error)) => error.to_string(),
        Err(panic) => format!(
            "internal error of tvm-dla, please report it: {}",
            panic_text(&*panic)
        ),
    };
    if let (Ok(api), Ok(text)) = (sys::api(), c_text(&message.replace('\0', " "))) {
        // SAFETY: TVM copies the text.
        unsafe { (api.set_last_error)(text.as_ptr()) };
    }
    -1
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text.to_string(),
        (_, Some(text)) => text.clone(),
        _ => "a panic without a message".to_string(),
    }
}
