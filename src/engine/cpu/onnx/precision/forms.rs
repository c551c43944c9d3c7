//! One value in the forms that readers of different precisions want, each made once.

/// What stands for a value so far. Names are of the rewritten model.
#[derive(Debug, Clone, Default)]
pub(super) struct Forms {
    /// float32.
    pub real: Option<String>,
    /// float32 that FP16 holds exactly.
    pub half: Option<String>,
    /// int8, and the value of one step.
    pub bytes: Option<(String, f32)>,
    /// float32 that INT8 holds exactly, where `real` is not that.
    pub snapped: Option<String>,
    /// The steps of `bytes` as float32 integers.
    pub steps: Option<String>,
    /// Integer sums that are not rounded yet.
    pub sums: Option<Sums>,
    /// The value of one step where the reals are already multiples of it.
    pub grid: Option<f32>,
    /// The scale that ranges give the tensor.
    pub scale: Option<f32>,
}

/// Sums of integer products: real values are `sums * scale[channel]`, channels on axis 1.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    pub name: String,
    pub scale: Vec<f32>,
    /// Bounds that the activation after them sets, as real values.
    pub clip: Option<(f32, f32)>,
}

impl Forms {
    pub fn real(name: String, scale: Option<f32>) -> Forms {
        Forms {
            real: Some(name),
            scale,
            ..Forms::default()
        }
    }

    pub fn half(name: String) -> Forms {
        Forms {
            real: Some(name.clone()),
            half: Some(name),
            ..Forms::default()
        }
    }

    /// The value of one step of which every element is a multiple.
    pub fn on_grid(&self) -> Option<f32> {
        self.bytes.as_ref().map(|(_, step)| *step).or(self.grid)
    }

    /// One INT8 step, from where the value was quantised before, else from its range.
    pub fn step(&self) -> Option<f32> {
        self.on_grid().or(self.scale)
    }
}
