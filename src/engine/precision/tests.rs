//! Precisions, ranges, and what each node of a network is computed in.

use super::*;

#[test]
fn precisions_are_written_as_they_are_read() {
    for precision in [Precision::F32, Precision::F16, Precision::Int8] {
        assert_eq!(precision.to_string().parse(), Ok(precision));
    }
    let error = "float16".parse::<Precision>().unwrap_err();
    assert!(error.contains("fp32, fp16 or int8"), "{error}");
}

#[test]
fn a_range_is_finite_and_above_zero() {
    let cases = [
        (0.0, false, "an all-zero tensor has no scale"),
        (-1.0, false, "a magnitude"),
        (f32::NAN, false, "not a number"),
        (f32::INFINITY, false, "infinite"),
        (1e-38, false, "the scale would be denormal"),
        (127.0, true, "one per step"),
    ];
    for (max, good, why) in cases {
        let mut ranges = Ranges::default();
        let inserted = ranges.insert("conv2d_3", max);
        assert_eq!(inserted.is_ok(), good, "{why}");
        if let Err(error) = inserted {
            assert!(error.to_string().contains("`conv2d_3`"), "{error}");
        }
    }
    let mut ranges = Ranges::default();
    ranges.insert("x", 254.0).unwrap();
    assert_eq!(ranges.scale("x"), Some(2.0));
    assert_eq!(ranges.scale("y"), None);
}
