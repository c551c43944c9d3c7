//! Numbers with their units.

/// `1.5 MB`, in powers of 1000.
pub fn bytes(count: u64) -> String {
    scaled(count, &["B", "kB", "MB", "GB", "TB"])
}

/// `300.1 M`, for multiply-accumulates.
pub fn count(count: u64) -> String {
    scaled(count, &["", "k", "M", "G", "T"])
        .trim_end()
        .to_string()
}

fn scaled(count: u64, units: &[&str]) -> String {
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{count} {}", units[0]),
        _ => format!("{value:.1} {}", units[unit]),
    }
}

/// `12.3 ms`, or seconds, or microseconds.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.1} us", s * 1e6),
    }
}

/// `[1, 3, 224, 224]` as `1x3x224x224`.
pub fn shape(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    sides.join("x")
}

/// `s` unless there is one.
pub fn plural(count: usize) -> &'static str {
    if count == 1 {
        ""
    } else {
        "s"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits_and_their_unit() {
        let cases = [
            (bytes(0), "0 B", "nothing"),
            (bytes(999), "999 B", "below the first unit"),
            (bytes(1000), "1.0 kB", "at the first unit"),
            (bytes(999_990), "1.0 MB", "not 1000.0 kB"),
            (bytes(13_964_571), "14.0 MB", "a network's weights"),
            (count(0), "0", "no unit, no space"),
            (count(300_774_272), "300.8 M", "a network's work"),
            (seconds(12e-6), "12.0 us", "short"),
            (seconds(12.34e-3), "12.3 ms", "middle"),
            (seconds(1.5), "1.50 s", "long"),
            (shape(&[1, 3, 224, 224]), "1x3x224x224", "a shape"),
        ];
        for (have, want, why) in cases {
            assert_eq!(have, want, "{why}");
        }
    }
}
