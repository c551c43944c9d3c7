//! Kernels and biases as INT8 layers hold them.

use crate::lower::BuildError;

/// A kernel in integers -127..=127 and a bias in units of the sums.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct IntegerWeights {
    pub kernel: Vec<f32>,
    pub bias: Option<Vec<f32>>,
    /// What one unit of the sums is worth, per output channel.
    pub scale: Vec<f32>,
}

/// Largest magnitude that a bias may have in units of the sums: half of what int32 holds, so that sums fit too.
const MOST_BIAS: f64 = (1u64 << 30) as f64;

/// Quantises per output channel. `channel` tells an element's; `step` is one step of the input.
///
/// A channel's step is its largest magnitude / 127, wider only where its bias would not fit int32.
pub(super) fn quantise(
    kernel: &[f32],
    bias: Option<&[f32]>,
    channels: usize,
    channel: impl Fn(usize) -> usize,
    step: f32,
) -> Result<IntegerWeights, BuildError> {
    let finite = |values: &[f32]| values.iter().all(|v| v.is_finite());
    if !finite(kernel) || !bias.is_none_or(finite) {
        return Err(BuildError(
            "its weights hold infinities or NaN, which int8 has not".into(),
        ));
    }
    let mut most = vec![0.0f32; channels];
    for (at, value) in kernel.iter().enumerate() {
        most[channel(at)] = most[channel(at)].max(value.abs());
    }
    let needed = |c: usize| {
        let bias = bias.map_or(0.0, |bias| f64::from(bias[c].abs()));
        let own = f64::from(most[c]) / 127.0;
        own.max(bias / (f64::from(step) * MOST_BIAS))
    };
    // A channel of zeros takes any scale.
    let steps: Vec<f64> = (0..channels)
        .map(|c| match needed(c) {
            0.0 => 1.0,
            needed => needed,
        })
        .collect();
    let quantised = |(at, value): (usize, &f32)| {
        let steps = f64::from(*value) / steps[channel(at)];
        steps.round_ties_even().clamp(-127.0, 127.0) as f32
    };
    let unit = |c: usize| f64::from(step) * steps[c];
    Ok(IntegerWeights {
        kernel: kernel.iter().enumerate().map(quantised).collect(),
        bias: bias.map(|bias| {
            let units = bias.iter().enumerate();
            let units = units.map(|(c, b)| (f64::from(*b) / unit(c)).round_ties_even() as f32);
            units.collect()
        }),
        scale: (0..channels).map(|c| unit(c) as f32).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_its_own_step() {
        let kernel = [1.27, -0.3, 0.005, 254.0, -3.0, 1.0, 0.0, 0.0, 0.0];
        let bias = [1.0, -8.0, 0.0];
        let got = quantise(&kernel, Some(&bias), 3, |at| at / 3, 0.5).unwrap();
        // The steps are 0.01, 2 and any; -3 and 1 are ties in the second channel, which go to the even one.
        assert_eq!(got.kernel, [127.0, -30.0, 0.0, 127.0, -2.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(got.bias.unwrap(), [200.0, -8.0, 0.0]);
        assert_eq!(got.scale[1..], [1.0, 0.5]);
    }

    #[test]
    fn a_bias_far_above_its_kernel_widens_the_step() {
        let got = quantise(&[1e-30], Some(&[1.0]), 1, |_| 0, 1.0).unwrap();
        assert_eq!(got.bias.unwrap(), [MOST_BIAS as f32]);
        assert_eq!(got.kernel, [0.0], "what it adds is below the bias's own rounding");
    }

    #[test]
    fn weights_must_be_numbers() {
        for bad in [f32::NAN, f32::INFINITY] {
            assert!(quantise(&[bad], None, 1, |_| 0, 1.0).is_err());
            assert!(quantise(&[1.0], Some(&[bad]), 1, |_| 0, 1.0).is_err());
        }
    }
}
