//! The file that says what every image shows.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use super::helped;

/// The class of every row of `names`, in that order.
///
/// A line is `FILE LABEL`: the picture's file, by its name or as much of its path as is needed, up to the first tab or
/// else the first space; then the number of a class, or a name among `classes`. Rows of arrays are `row 0`, `row 1`, ...
/// and are written as their number. Empty lines and lines that begin with `#` do not count.
pub fn read(
    path: &Path,
    names: &[String],
    classes: &[String],
    count: usize,
) -> Result<Vec<usize>, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let lines = parse(&text, classes, count).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut labels = Vec::with_capacity(names.len());
    let mut used = vec![false; lines.len()];
    for name in names {
        let (at, label) = find(&lines, name).ok_or_else(|| {
            helped(
                format!("{} has no label for {name}", path.display()),
                "write one line per image: the file's name, a tab, and the number of its class",
            )
        })?;
        used[at] = true;
        labels.push(label);
    }
    match lines.iter().zip(used).find(|(_, used)| !used) {
        Some((line, _)) => Err(format!(
            "{}: line {} labels `{}`, and there is no such image",
            path.display(),
            line.number,
            line.file
        )
        .into()),
        None => Ok(labels),
    }
}

struct Line {
    number: usize,
    file: String,
    label: usize,
}

fn parse(text: &str, classes: &[String], count: usize) -> Result<Vec<Line>, String> {
    let by_name: BTreeMap<&str, usize> = classes.iter().map(String::as_str).zip(0..).collect();
    let mut lines: Vec<Line> = Vec::new();
    let content = text.lines().enumerate();
    let content = content.filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#'));
    for (at, line) in content {
        let number = at + 1;
        let parts = line.split_once('\t').or_else(|| line.split_once(' '));
        let (file, label) =
            parts.ok_or_else(|| format!("line {number}: `{line}` has no label after the file"))?;
        let (file, label) = (file.trim(), label.trim());
        let class = match (label.parse::<usize>(), by_name.get(label)) {
            (_, Some(class)) => *class,
            (Ok(class), None) if class < count => class,
            (Ok(class), None) => {
                return Err(format!(
                    "line {number}: class {class} of `{file}` is none of the network's {count}"
                ));
            }
            (Err(_), None) => {
                return Err(format!(
                    "line {number}: `{label}` is neither the number nor the name of a class"
                ));
            }
        };
        if lines.iter().any(|line| line.file == file) {
            return Err(format!("line {number}: `{file}` is there twice"));
        }
        lines.push(Line {
            number,
            file: file.to_string(),
            label: class,
        });
    }
    Ok(lines)
}

fn find(lines: &[Line], name: &str) -> Option<(usize, usize)> {
    let name = name.strip_prefix("row ").unwrap_or(name);
    let fits = |line: &Line| Path::new(name).ends_with(&line.file);
    let at = lines.iter().position(fits)?;
    Some((at, lines[at].label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, names: &[&str]) -> Result<Vec<usize>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
        let classes = ["cat", "big dog"].map(str::to_string);
        read(file.path(), &names, &classes, 10).map_err(|e| e.to_string())
    }

    #[test]
    fn files_are_found_by_name_or_path_and_classes_by_number_or_name() {
        let cases: [(&str, &[&str], &[usize], &str); 4] = [
            ("a.png 3\nb.png 9\n", &["x/a.png", "x/b.png"], &[3, 9], "numbers"),
            (
                "b.png\tbig dog\na.png\tcat",
                &["a.png", "b.png"],
                &[0, 1],
                "names, in any order",
            ),
            (
                "# what\n\nx/a.png 1\ny/a.png 2",
                &["/p/x/a.png", "/p/y/a.png"],
                &[1, 2],
                "paths",
            ),
            ("0 4\n1 5", &["row 0", "row 1"], &[4, 5], "rows of an array"),
        ];
        for (text, names, want, why) in cases {
            assert_eq!(read_text(text, names).as_deref(), Ok(want), "{why}");
        }
    }

    #[test]
    fn what_does_not_match_is_named() {
        let cases = [
            ("a.png 3", "no label for b.png", "an image without a label"),
            (
                "a.png 3\nb.png 1\nc.png 2",
                "line 3 labels `c.png`",
                "a label without an image",
            ),
            (
                "a.png 10\nb.png 1",
                "line 1: class 10 of `a.png`",
                "no such class",
            ),
            ("a.png bird\nb.png 1", "`bird` is neither", "no such name"),
            (
                "a.png\nb.png 1",
                "line 1: `a.png` has no label",
                "nothing after it",
            ),
            (
                "a.png 1\na.png 2\nb.png 1",
                "line 2: `a.png` is there twice",
                "two labels",
            ),
        ];
        for (text, want, why) in cases {
            let error = read_text(text, &["a.png", "b.png"]).unwrap_err();
            assert!(error.contains(want), "{why}: {error}");
        }
    }
}
