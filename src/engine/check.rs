//! What every engine checks before it takes rows.

use super::Rows;
use crate::plan::counted;

/// An input with its fixed shape.
pub(super) struct WantedInput<'a> {
    pub name: &'a str,
    pub shape: &'a [usize],
}

/// Whether `inputs` are one execution's: one for each of `wanted`, whole, and inside their arrays.
pub(super) fn rows<'a>(
    inputs: &[Rows],
    wanted: impl ExactSizeIterator<Item = WantedInput<'a>>,
) -> Result<(), String> {
    if inputs.len() != wanted.len() {
        let (got, want) = (inputs.len(), wanted.len());
        return Err(format!("{} instead of {want}", counted(got, "input")));
    }
    for (rows, WantedInput { name, shape }) in inputs.iter().zip(wanted) {
        let len: usize = shape.iter().product();
        if rows.len != len {
            let got = rows.len;
            return Err(format!(
                "input `{name}` has {} instead of {len} for the shape {shape:?}",
                counted(got, "element")
            ));
        }
        let end = rows.offset.checked_add(rows.len);
        if end.is_none_or(|end| end > rows.data.len()) {
            let have = rows.data.len();
            let have = counted(have, "element");
            return Err(format!("input `{name}` ends beyond its {have}"));
        }
    }
    Ok(())
}
