//! Arguments and results of TVM functions.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::rc::Rc;

use super::ndarray::{NDArray, Tensor};
use super::sys::{ByteArray, DataType, DlDevice, RawValue, code};
use super::{Device, Function, Module, Object, TvmError, c_text};

/// Anything a TVM function takes or gives.
#[derive(Debug, Clone)]
pub enum Value {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// An element type, as TVM prints it: `float32`.
    DType(String),
    Device(Device),
    Object(Object),
    Module(Module),
    Function(Function),
    NDArray(NDArray),
}

impl Value {
    pub fn int(&self) -> Result<i64, TvmError> {
        match self {
            Value::Int(int) => Ok(*int),
            other => Err(other.unexpected("an integer")),
        }
    }

    pub fn float(&self) -> Result<f64, TvmError> {
        match self {
            Value::Float(float) => Ok(*float),
            Value::Int(int) => Ok(*int as f64),
            other => Err(other.unexpected("a number")),
        }
    }

    /// A C text or a TVM string.
    pub fn text(&self) -> Result<String, TvmError> {
        match self {
            Value::Text(text) | Value::DType(text) => Ok(text.clone()),
            Value::Object(object) if object.type_key()? == "runtime.String" => object.text(),
            other => Err(other.unexpected("text")),
        }
    }

    pub fn object(&self) -> Result<Object, TvmError> {
        match self {
            Value::Object(object) => Ok(object.clone()),
            other => Err(other.unexpected("an object")),
        }
    }

    pub fn module(self) -> Result<Module, TvmError> {
        match self {
            Value::Module(module) => Ok(module),
            other => Err(other.unexpected("a module")),
        }
    }

    pub fn function(self) -> Result<Function, TvmError> {
        match self {
            Value::Function(function) => Ok(function),
            other => Err(other.unexpected("a function")),
        }
    }

    pub fn ndarray(self) -> Result<NDArray, TvmError> {
        match self {
            Value::NDArray(array) => Ok(array),
            other => Err(other.unexpected("an NDArray")),
        }
    }

    pub(super) fn unexpected(&self, want: &'static str) -> TvmError {
        TvmError::Type {
            want,
            got: format!("{self:?}"),
        }
    }

    /// The raw form; what it points at lives in `keep` or in `self`.
    pub(super) fn to_raw(&self, keep: &mut Keep) -> Result<(RawValue, c_int), TvmError> {
        let handle = |handle: *mut c_void, code: c_int| (RawValue { handle }, code);
        Ok(match self {
            Value::Null => handle(std::ptr::null_mut(), code::NULL),
            Value::Int(int) => (RawValue { int: *int }, code::INT),
            Value::Float(float) => (RawValue { float: *float }, code::FLOAT),
            Value::Text(text) | Value::DType(text) => {
                keep.texts.push(c_text(text)?);
                let text = keep.texts.last().expect("just pushed").as_ptr();
                (RawValue { text }, code::STR)
            }
            Value::Bytes(bytes) => {
                keep.bytes.push(Rc::new(ByteArray {
                    data: bytes.as_ptr().cast(),
                    size: bytes.len(),
                }));
                let array: *const ByteArray = &**keep.bytes.last().expect("just pushed");
                handle(array.cast_mut().cast(), code::BYTES)
            }
            Value::Device(device) => {
                let device = DlDevice {
                    kind: device.kind,
                    id: device.id,
                };
                (RawValue { device }, code::DEVICE)
            }
            Value::Object(object) => handle(object.handle(), code::OBJECT),
            Value::Module(module) => handle(module.handle(), code::MODULE),
            Value::Function(function) => handle(function.handle(), code::FUNCTION),
            Value::NDArray(array) => handle(array.handle(), code::ND_ARRAY),
        })
    }

    /// Takes over what a function call returned.
    pub(super) fn from_returned(raw: RawValue, kind: c_int) -> Result<Value, TvmError> {
        // SAFETY: the code says which member of the union TVM wrote, and handles come with one reference.
        unsafe {
            Ok(match kind {
                code::OBJECT => Value::Object(Object::from_owned(raw.handle)),
                code::MODULE => Value::Module(Module::from_owned(raw.handle)),
                code::FUNCTION => Value::Function(Function::from_owned(raw.handle)),
                code::ND_ARRAY => Value::NDArray(NDArray::from_owned(raw.handle.cast())),
                _ => plain(raw, kind)?,
            })
        }
    }

    /// Reads an argument of a call from TVM; handles stay TVM's, so a reference is added.
    pub(super) fn from_argument(raw: RawValue, kind: c_int) -> Result<Value, TvmError> {
        // SAFETY: the code says which member of the union TVM wrote; handles live during the call.
        unsafe {
            Ok(match kind {
                code::OBJECT | code::MODULE => {
                    let object = Object::from_borrowed(raw.handle)?;
                    match kind {
                        code::OBJECT => Value::Object(object),
                        _ => Value::Module(Module::from_object(object)),
                    }
                }
                // A pointer to the handle of an object that the caller moves in; it is only read here.
                code::OBJECT_RVALUE => {
                    Value::Object(Object::from_borrowed(*raw.handle.cast::<*mut c_void>())?)
                }
                code::ND_ARRAY | code::DL_TENSOR => {
                    Value::NDArray(NDArray::copy_of(&Tensor::from_raw(raw.handle.cast())?)?)
                }
                _ => plain(raw, kind)?,
            })
        }
    }
}

/// Storage for what raw arguments point at.
#[derive(Default)]
pub(super) struct Keep {
    texts: Vec<CString>,
    /// Shared, so that their addresses stay when the list grows.
    bytes: Vec<Rc<ByteArray>>,
}

/// # Safety
/// `kind` is the code that TVM stored beside `raw`.
unsafe fn plain(raw: RawValue, kind: c_int) -> Result<Value, TvmError> {
    // SAFETY: the code says which of the union's fields is set; texts and bytes live as long as the call.
    let known = unsafe {
        match kind {
            code::INT => Some(Value::Int(raw.int)),
            code::FLOAT => Some(Value::Float(raw.float)),
            code::NULL => Some(Value::Null),
            code::STR => Some(text(raw.text)),
            code::BYTES => Some(bytes(raw.handle.cast())),
            code::DATA_TYPE => Some(Value::DType(raw.dtype.to_string())),
            _ => None,
        }
    };
    known.ok_or_else(|| TvmError::Type {
        want: "a value this binding knows",
        got: format!("type code {kind}"),
    })
}

/// # Safety
/// A text of TVM's that ends with a NUL.
unsafe fn text(raw: *const c_char) -> Value {
    // SAFETY: as promised.
    let text = unsafe { CStr::from_ptr(raw) };
    Value::Text(text.to_string_lossy().into_owned())
}

/// # Safety
/// An array of TVM's.
unsafe fn bytes(raw: *const ByteArray) -> Value {
    // SAFETY: as promised; it has as many bytes as it says.
    let bytes = unsafe { std::slice::from_raw_parts((*raw).data.cast(), (*raw).size) };
    Value::Bytes(bytes.to_vec())
}

impl std::fmt::Display for DataType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.code {
            0 => "int",
            1 if self.bits == 1 => return f.write_str("bool"),
            1 => "uint",
            2 => "float",
            4 => "bfloat",
            _ => "custom",
        };
        write!(f, "{kind}{}", self.bits)?;
        match self.lanes {
            1 => Ok(()),
            lanes => write!(f, "x{lanes}"),
        }
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Value {
        Value::Int(int)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_string())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Value {
        Value::Object(object)
    }
}

impl From<Module> for Value {
    fn from(module: Module) -> Value {
        Value::Module(module)
    }
}

impl From<NDArray> for Value {
    fn from(array: NDArray) -> Value {
        Value::NDArray(array)
    }
}

impl From<Function> for Value {
    fn from(function: Function) -> Value {
        Value::Function(function)
    }
}
