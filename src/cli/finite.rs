//! Outputs that hold no numbers, and what to do about them.

use serde::Serialize;

use super::output::counted;
use super::precision::Report;
use crate::engine::Array;

/// Values that are infinite or NaN.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NotFinite {
    pub values: usize,
    pub of: usize,
}

impl NotFinite {
    /// Of all arrays together; `None` where every value is a number.
    pub fn of(arrays: &[Array]) -> Option<NotFinite> {
        let data = || arrays.iter().flat_map(|array| array.data.iter());
        let values = data().filter(|value| !value.is_finite()).count();
        (values > 0).then(|| NotFinite {
            values,
            of: data().count(),
        })
    }

    /// What was computed in which precision, from these inputs, and what helps.
    pub fn remark(&self, computed: Option<&Report>, inputs: &[Array]) -> String {
        let NotFinite { values, of } = self;
        let precision = computed.map_or("fp32", |report| report.precision.as_str());
        let help = match NotFinite::of(inputs) {
            Some(bad) => format!("the input holds {} that are infinite or NaN", counted(bad.values, "value")),
            None if precision == "fp32" => {
                "the network itself gives them for this input: look at its weights and at how the input was prepared".to_string()
            }
            None => "fp16 ends at 65504: `tvm-dla accuracy` names the layer that overflows, and --precision fp32 computes without that limit".to_string(),
        };
        format!(
            "warning: {values} of {} infinite or NaN, computed in {precision}\nhelp: {help}",
            match of {
                1 => "1 output value is".to_string(),
                of => format!("{of} output values are"),
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn array(data: &[f32]) -> Array {
        Array {
            shape: vec![data.len()],
            data: Arc::new(data.to_vec()),
        }
    }

    #[test]
    fn what_is_no_number_is_counted_and_explained() {
        let report = |precision: &str| Report {
            precision: precision.to_string(),
            ..Report::default()
        };
        let (good, nan) = (array(&[1.0, 2.0]), array(&[f32::NAN, 1.0, f32::INFINITY]));
        assert_eq!(NotFinite::of(std::slice::from_ref(&good)), None);
        let found = NotFinite::of(&[good.clone(), nan.clone()]).unwrap();
        assert_eq!(found, NotFinite { values: 2, of: 5 });
        let cases = [
            ("fp16", &good, "`tvm-dla accuracy` names the layer", "an overflow"),
            (
                "int8",
                &good,
                "fp16 ends at 65504",
                "nodes that int8 keeps in fp16",
            ),
            ("fp32", &good, "the network itself", "no precision is at fault"),
            ("fp16", &nan, "the input holds 2 values", "garbage in"),
        ];
        for (precision, input, want, why) in cases {
            let text = found.remark(Some(&report(precision)), std::slice::from_ref(input));
            let head = format!("2 of 5 output values are infinite or NaN, computed in {precision}");
            assert!(text.contains(&head) && text.contains(want), "{why}: {text}");
        }
    }
}
