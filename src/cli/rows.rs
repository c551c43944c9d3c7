//! Numbers of rows on the command line: one, or several with ranges.

use std::str::FromStr;

/// One number of rows. What reads as several is refused in words.
pub fn one(text: &str) -> Result<u32, String> {
    let rows = text.trim().parse().ok().filter(|rows| *rows > 0);
    rows.ok_or_else(|| match ranges(text, u32::MAX as usize) {
        Ok(_) => format!("`{text}` names several batches, and one is wanted here: `tvm-dla tune` and `simulate` take lists and ranges"),
        Err(_) => format!("`{text}` is no number of rows: use a whole number from 1 on"),
    })
}

/// [`one`], up to `most` rows.
pub fn up_to(most: u32) -> impl Fn(&str) -> Result<u32, String> + Clone {
    move |text| match one(text)? {
        rows if rows <= most => Ok(rows),
        rows => Err(format!(
            "{rows} rows are more than the {most} that are possible here"
        )),
    }
}

/// Several batches: numbers and ranges, in the order given, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batches(pub Vec<usize>);

impl FromStr for Batches {
    type Err = String;

    fn from_str(text: &str) -> Result<Batches, String> {
        ranges(text, MOST_ROWS).map(Batches)
    }
}

/// Most rows of a batch that is only simulated.
const MOST_ROWS: usize = 1_000_000;

/// `4`, `1-512`, `4,16,32-34`: from 1 to `most` rows each.
pub fn ranges(text: &str, most: usize) -> Result<Vec<usize>, String> {
    let mut batches = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first, most)?, number(last, most)?);
        if first > last {
            return Err(format!("the range {part} ends before it starts"));
        }
        let new: Vec<usize> = (first..=last).filter(|rows| !batches.contains(rows)).collect();
        batches.extend(new);
    }
    Ok(batches)
}

fn number(text: &str, most: usize) -> Result<usize, String> {
    let rows = text.trim().parse().ok();
    rows.filter(|rows| (1..=most).contains(rows)).ok_or_else(|| {
        format!("`{text}` is not a batch: use numbers from 1 to {most}, or ranges such as 1-512")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_read_and_one_is_one() {
        let cases: [(&str, Result<Vec<usize>, &str>); 6] = [
            ("4", Ok(vec![4])),
            ("4-8", Ok(vec![4, 5, 6, 7, 8])),
            ("16,4-5,5", Ok(vec![16, 4, 5])),
            ("8-4", Err("ends before it starts")),
            ("0", Err("`0` is not a batch")),
            ("4-", Err("`` is not a batch")),
        ];
        for (text, want) in cases {
            match (ranges(text, 99), want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{text}"),
                (Err(got), Err(want)) => assert!(got.contains(want), "{text}: {got}"),
                (got, want) => panic!("{text}: {got:?} and not {want:?}"),
            }
        }
        assert_eq!(one("12"), Ok(12));
        let refused = [
            ("4-8", "several batches"),
            ("4,8", "several batches"),
            ("x", "no number of rows"),
            ("0", "from 1 on"),
        ];
        for (text, want) in refused {
            let error = one(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
        assert!(up_to(16)("17").unwrap_err().contains("more than the 16"));
    }
}
