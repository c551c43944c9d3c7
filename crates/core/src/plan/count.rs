//! Numbers with what they count, for every text that people read.

use std::fmt::Display;

/// `1 row`, `2 rows`, `1 batch`, `3 batches`.
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, what: &str) -> String {
    let end = match what {
        _ if number == N::from(1) => "",
        what if what.ends_with("ch") || what.ends_with("ss") => "es",
        _ => "s",
    };
    format!("{number} {what}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_several() {
        let cases: [(usize, &str, &str); 5] = [
            (0, "row", "0 rows"),
            (1, "row", "1 row"),
            (2, "row", "2 rows"),
            (1, "batch", "1 batch"),
            (3, "batch", "3 batches"),
        ];
        for (number, what, want) in cases {
            assert_eq!(counted(number, what), want);
        }
    }
}
