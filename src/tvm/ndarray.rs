//! TVM's n-dimensional arrays, and tensors that TVM lends to a callback.

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use super::sys::{DataType, DlTensor};
use super::{TvmError, check, sys};

/// Where an array lives, as DLPack numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    pub kind: i32,
    pub id: i32,
}

impl Device {
    /// Host memory.
    pub const CPU: Device = Device { kind: 1, id: 0 };
}

const FLOAT32: DataType = DataType::scalar(2, 32);
const FLOAT16: DataType = DataType::scalar(2, 16);

/// An array that TVM owns; clones share it.
#[derive(Clone)]
pub struct NDArray {
    owned: Arc<Owned>,
}

/// The one reference to TVM's array, given back when the last clone goes.
struct Owned(*mut DlTensor);

// SAFETY: TVM counts references atomically; the array is written only before it is shared.
unsafe impl Send for Owned {}
// SAFETY: as above; shared references only read.
unsafe impl Sync for Owned {}

impl NDArray {
    /// A new float32 array in host memory. `data` is row-major and as long as `shape` says.
    pub fn from_f32(shape: &[usize], data: &[f32]) -> Result<NDArray, TvmError> {
        require_length(shape, data.len())?;
        let array = NDArray::empty(shape, FLOAT32)?;
        array.fill(data)?;
        Ok(array)
    }

    /// A new array of any floating or integer type in host memory that holds these numbers, the opposite of
    /// [`NDArray::to_numbers`]. Integers are rounded, and saturated. `data` is row-major and as long as `shape` says.
    pub fn from_numbers(shape: &[usize], dtype: &str, data: &[f32]) -> Result<NDArray, TvmError> {
        require_length(shape, data.len())?;
        let new = |code, bits| NDArray::empty(shape, DataType::scalar(code, bits));
        let (array, bytes) = match dtype {
            "float32" => (new(2, 32)?, bytes(data, f32::to_le_bytes)),
            "float16" => (new(2, 16)?, bytes(data, |v| half::f16::from_f32(v).to_le_bytes())),
            "float64" => (new(2, 64)?, bytes(data, |v| f64::from(v).to_le_bytes())),
            "int8" => (new(0, 8)?, bytes(data, |v| (v.round() as i8).to_le_bytes())),
            "int16" => (new(0, 16)?, bytes(data, |v| (v.round() as i16).to_le_bytes())),
            "int32" => (new(0, 32)?, bytes(data, |v| (v.round() as i32).to_le_bytes())),
            "int64" => (new(0, 64)?, bytes(data, |v| (v.round() as i64).to_le_bytes())),
            "uint8" => (new(1, 8)?, bytes(data, |v| (v.round() as u8).to_le_bytes())),
            "bool" | "uint1" => (new(1, 1)?, bytes(data, |v| [u8::from(v != 0.0)])),
            other => return Err(no_numbers(other)),
        };
        array.fill(&bytes)?;
        Ok(array)
    }

    /// `data` has the length and element type of this array, which was just made.
    fn fill<T: Copy>(&self, data: &[T]) -> Result<(), TvmError> {
        let api = sys::api()?;
        // SAFETY: the array was made with exactly this many bytes.
        check(unsafe { (api.array_from_bytes)(self.owned.0, data.as_ptr().cast(), size_of_val(data)) })
    }

    fn empty(shape: &[usize], dtype: DataType) -> Result<NDArray, TvmError> {
        let api = sys::api()?;
        let shape: Vec<i64> = shape.iter().map(|d| *d as i64).collect();
        let mut handle = std::ptr::null_mut();
        // SAFETY: `shape` has the stated rank; `handle` is written.
        check(unsafe {
            (api.array_alloc)(
                shape.as_ptr(),
                shape.len() as i32,
                dtype.code.into(),
                dtype.bits.into(),
                dtype.lanes.into(),
                Device::CPU.kind,
                Device::CPU.id,
                &mut handle,
            )
        })?;
        Ok(NDArray::from_owned(handle))
    }

    /// A copy of a lent tensor in host memory.
    pub(super) fn copy_of(tensor: &Tensor<'_>) -> Result<NDArray, TvmError> {
        let array = NDArray::empty(&tensor.shape(), tensor.raw.dtype)?;
        array.fill(tensor.bytes()?)?;
        Ok(array)
    }

    pub(super) fn from_owned(handle: *mut DlTensor) -> NDArray {
        NDArray {
            owned: Arc::new(Owned(handle)),
        }
    }

    pub(super) fn handle(&self) -> *mut c_void {
        self.owned.0.cast()
    }

    fn tensor(&self) -> Tensor<'_> {
        Tensor {
            // SAFETY: the handle points at the array's DLTensor for as long as the reference lives.
            raw: unsafe { &*self.owned.0 },
        }
    }

    /// All dimensions.
    pub fn shape(&self) -> Vec<usize> {
        self.tensor().shape()
    }

    /// The element type as TVM prints it.
    pub fn dtype(&self) -> String {
        self.tensor().dtype()
    }

    /// The elements' bytes, row-major, copied to host memory.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TvmError> {
        let raw = self.tensor().raw;
        let count: usize = self.shape().iter().product();
        let mut bytes = vec![0u8; count * usize::from(raw.dtype.bits).div_ceil(8)];
        let api = sys::api()?;
        // SAFETY: the buffer has the array's size.
        check(unsafe { (api.array_to_bytes)(self.owned.0, bytes.as_mut_ptr().cast(), bytes.len()) })?;
        Ok(bytes)
    }

    /// The elements of a float32 array, row-major.
    pub fn to_f32(&self) -> Result<Vec<f32>, TvmError> {
        if self.tensor().raw.dtype != FLOAT32 {
            return Err(TvmError::Type {
                want: "a float32 array",
                got: self.dtype(),
            });
        }
        let bytes = self.to_bytes()?;
        let element = |b: &[u8]| f32::from_le_bytes(b.try_into().expect("four bytes"));
        Ok(bytes.chunks_exact(4).map(element).collect())
    }
}

impl NDArray {
    /// The elements of a floating or integer array as float32, row-major.
    pub fn to_numbers(&self) -> Result<Vec<f32>, TvmError> {
        numbers(&self.dtype(), &self.to_bytes()?)
    }
}

/// Elements of the type that TVM calls `dtype` as float32; `bytes` are little-endian.
///
/// # Errors
/// [`TvmError::Type`] for a type that holds no numbers, [`TvmError::Inexact`] for an integer that float32 cannot hold.
pub fn numbers(dtype: &str, bytes: &[u8]) -> Result<Vec<f32>, TvmError> {
    Ok(match dtype {
        "float32" => each(bytes, f32::from_le_bytes),
        "float16" => each(bytes, |b| half::f16::from_le_bytes(b).to_f32()),
        "float64" => each(bytes, |b| f64::from_le_bytes(b) as f32),
        "int8" => each(bytes, |b| i8::from_le_bytes(b).into()),
        "uint8" | "bool" | "uint1" => each(bytes, |b| u8::from_le_bytes(b).into()),
        "int16" => each(bytes, |b| i16::from_le_bytes(b).into()),
        "int32" => exact(bytes, |b| i32::from_le_bytes(b).into())?,
        "int64" => exact(bytes, i64::from_le_bytes)?,
        other => return Err(no_numbers(other)),
    })
}

fn no_numbers(dtype: &str) -> TvmError {
    TvmError::Type {
        want: "an array of numbers",
        got: dtype.to_string(),
    }
}

fn bytes<const N: usize>(data: &[f32], write: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    data.iter().flat_map(|value| write(*value)).collect()
}

fn exact<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> i64) -> Result<Vec<f32>, TvmError> {
    let element = |b: &[u8]| {
        let whole = read(b.try_into().expect("chunks have this length"));
        let real = whole as f32;
        if real as i64 == whole {
            Ok(real)
        } else {
            Err(TvmError::Inexact(whole))
        }
    };
    bytes.chunks_exact(N).map(element).collect()
}

fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let element = |b: &[u8]| read(b.try_into().expect("chunks have this length"));
    bytes.chunks_exact(N).map(element).collect()
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Ok(api) = sys::api() {
            // SAFETY: this reference is given back exactly once; a failure has no remedy here.
            unsafe { (api.array_free)(self.0) };
        }
    }
}

impl fmt::Debug for NDArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NDArray({:?}, {})", self.shape(), self.dtype())
    }
}

/// A tensor that TVM lends for the length of a call.
#[derive(Clone, Copy)]
pub struct Tensor<'a> {
    raw: &'a DlTensor,
}

impl<'a> Tensor<'a> {
    /// # Safety
    /// `raw` is null or points at a DLTensor that lives for `'a`.
    pub(super) unsafe fn from_raw(raw: *const DlTensor) -> Result<Tensor<'a>, TvmError> {
        // SAFETY: promised by the caller.
        match unsafe { raw.as_ref() } {
            Some(raw) => Ok(Tensor { raw }),
            None => Err(TvmError::Type {
                want: "a tensor",
                got: "null".to_string(),
            }),
        }
    }

    pub fn shape(&self) -> Vec<usize> {
        let rank = self.raw.ndim as usize;
        (0..rank)
            // SAFETY: TVM keeps `ndim` dimensions behind `shape`.
            .map(|i| unsafe { *self.raw.shape.add(i) } as usize)
            .collect()
    }

    pub fn dtype(&self) -> String {
        self.raw.dtype.to_string()
    }

    /// The elements of a dense float32 or float16 tensor in host memory.
    pub fn to_f32(&self) -> Result<Vec<f32>, TvmError> {
        let bytes = self.bytes()?;
        match self.raw.dtype {
            FLOAT32 => Ok(each(bytes, f32::from_le_bytes)),
            FLOAT16 => Ok(each(bytes, |b| half::f16::from_le_bytes(b).to_f32())),
            other => Err(not_floating(other)),
        }
    }

    /// The elements of a dense floating or integer tensor in host memory as float32.
    pub fn to_numbers(&self) -> Result<Vec<f32>, TvmError> {
        numbers(&self.dtype(), self.bytes()?)
    }

    /// The elements of a dense tensor of 8-bit integers in host memory, borrowed. `dtype` is `uint8` or `int8`.
    pub fn as_bytes(&self, dtype: &'static str) -> Result<&'a [u8], TvmError> {
        self.require_8_bits(dtype)?;
        self.bytes()
    }

    fn require_8_bits(&self, dtype: &'static str) -> Result<(), TvmError> {
        match self.raw.dtype {
            DataType {
                bits: 8, lanes: 1, ..
            } if self.dtype() == dtype => Ok(()),
            other => Err(TvmError::Type {
                want: dtype,
                got: other.to_string(),
            }),
        }
    }

    fn bytes(&self) -> Result<&'a [u8], TvmError> {
        self.require_dense()?;
        let count: usize = self.shape().iter().product();
        let size = count * usize::from(self.raw.dtype.bits).div_ceil(8);
        // SAFETY: checked to be dense host memory of this shape.
        Ok(unsafe { std::slice::from_raw_parts(self.start().cast(), size) })
    }

    fn start(&self) -> *mut c_void {
        self.raw.data.wrapping_byte_add(self.raw.byte_offset as usize)
    }

    fn require_dense(&self) -> Result<(), TvmError> {
        let wrong = |got: &str| {
            Err(TvmError::Type {
                want: "a dense tensor in host memory",
                got: got.to_string(),
            })
        };
        if self.raw.device.kind != Device::CPU.kind {
            return wrong("memory of another device");
        }
        if !self.raw.strides.is_null() && !self.is_row_major() {
            return wrong("strides");
        }
        if self.raw.data.is_null() {
            wrong("no data")
        } else {
            Ok(())
        }
    }

    fn is_row_major(&self) -> bool {
        let mut step = 1;
        self.shape().iter().enumerate().rev().all(|(i, d)| {
            // SAFETY: TVM keeps `ndim` strides behind `strides`, checked not to be null.
            let stride = unsafe { *self.raw.strides.add(i) };
            let ok = *d == 1 || stride == step;
            step *= *d as i64;
            ok
        })
    }
}

/// A tensor that TVM lends to be written.
pub struct TensorMut<'a>(Tensor<'a>);

impl<'a> TensorMut<'a> {
    pub(super) fn new(tensor: Tensor<'a>) -> TensorMut<'a> {
        TensorMut(tensor)
    }

    pub fn shape(&self) -> Vec<usize> {
        self.0.shape()
    }

    /// Overwrites a dense float32 or float16 tensor in host memory; the lengths must agree.
    pub fn write(&mut self, data: &[f32]) -> Result<(), TvmError> {
        self.require_length(data.len())?;
        match self.0.raw.dtype {
            FLOAT32 => self.copy(data),
            FLOAT16 => {
                let halves: Vec<half::f16> = data.iter().map(|v| half::f16::from_f32(*v)).collect();
                self.copy(&halves)
            }
            other => Err(not_floating(other)),
        }
    }

    /// Overwrites a dense tensor of 8-bit integers in host memory; the lengths must agree.
    pub fn write_bytes(&mut self, dtype: &'static str, data: &[u8]) -> Result<(), TvmError> {
        self.0.require_8_bits(dtype)?;
        self.require_length(data.len())?;
        self.copy(data)
    }

    fn require_length(&self, given: usize) -> Result<(), TvmError> {
        let count: usize = self.shape().iter().product();
        if count == given {
            Ok(())
        } else {
            Err(TvmError::Type {
                want: "an output of the network's shape",
                got: format!("{:?} for {given} elements", self.shape()),
            })
        }
    }

    /// `data` has the tensor's length and element type.
    fn copy<T: Copy>(&mut self, data: &[T]) -> Result<(), TvmError> {
        self.0.require_dense()?;
        // SAFETY: dense host memory of this length and element type, by the callers' checks; TVM lends it for writing.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), self.0.start().cast(), data.len()) };
        Ok(())
    }
}

fn require_length(shape: &[usize], given: usize) -> Result<(), TvmError> {
    if shape.iter().product::<usize>() == given {
        Ok(())
    } else {
        Err(TvmError::Type {
            want: "as many elements as the shape says",
            got: format!("{given} elements for {shape:?}"),
        })
    }
}

fn not_floating(dtype: DataType) -> TvmError {
    TvmError::Type {
        want: "a float32 or float16 tensor",
        got: dtype.to_string(),
    }
}
