//! From the files of `--input` to one array per input of the network.

use std::path::{Path, PathBuf};

use super::error::{CliError, Failure};
use super::images::{self, Frame};
use super::interrupt::Interrupt;
use super::tensors;
use super::ui::Ui;
use crate::bundle::Preprocess;
use crate::engine::Array;

/// An input as the network declares it; `shape[0]` is the batch it was compiled for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    pub shape: Vec<usize>,
}

/// What was read: the arrays, and what each row is called in the report.
#[derive(Debug)]
pub struct Inputs {
    pub arrays: Vec<Array>,
    pub rows: Vec<String>,
}

impl Inputs {
    /// Repeats the rows in turn until there are `batch`; `rows` keeps the names of the given ones.
    pub fn repeat_to(&mut self, batch: usize) -> Result<(), CliError> {
        let rows = self.rows.len();
        if batch < rows {
            return Err(CliError::SmallBatch { rows, batch });
        }
        for array in &mut self.arrays {
            let row = array.data.len() / rows;
            let data: Vec<f32> = array
                .data
                .iter()
                .copied()
                .cycle()
                .take(row * batch)
                .collect();
            array.shape[0] = batch;
            array.data = data.into();
        }
        Ok(())
    }
}

/// Reads images (one network input), or `.npy` and `.npz` arrays.
pub fn read(
    paths: &[PathBuf],
    ports: &[Port],
    how: Option<&Preprocess>,
    ui: &Ui,
    interrupt: &Interrupt,
) -> Result<Inputs, Failure> {
    let is_array = |path: &&PathBuf| images::has_extension(path, &["npy", "npz"]);
    let (arrays, pictures): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(is_array);
    match (arrays.first(), pictures.first()) {
        (Some(array), Some(image)) => Err(CliError::Mixed {
            image: image.to_path_buf(),
            array: array.to_path_buf(),
        }
        .into()),
        (Some(_), None) => Ok(read_arrays(&arrays, ports)?),
        (None, _) => read_images(&pictures, ports, how, ui, interrupt),
    }
}

fn read_images(
    paths: &[&PathBuf],
    ports: &[Port],
    how: Option<&Preprocess>,
    ui: &Ui,
    interrupt: &Interrupt,
) -> Result<Inputs, Failure> {
    let [port] = ports else {
        let reason = format!("it has {} inputs", ports.len());
        return Err(CliError::NoImageInput(reason).into());
    };
    let frame = Frame::of(&port.name, &port.shape)?;
    let how = how.ok_or_else(|| CliError::NoPreprocess {
        input: port.name.clone(),
    })?;
    let mut files = Vec::new();
    for path in paths {
        files.extend(images::list(path)?);
    }
    let bar = ui.progress("decoding images", files.len());
    let mut data = Vec::with_capacity(files.len() * frame.len());
    for file in &files {
        interrupt.check()?;
        images::read(file, &frame, how, &mut data)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let mut shape = port.shape.clone();
    shape[0] = files.len();
    Ok(Inputs {
        arrays: vec![Array {
            shape,
            data: data.into(),
        }],
        rows: files.iter().map(|f| f.display().to_string()).collect(),
    })
}

fn read_arrays(paths: &[&PathBuf], ports: &[Port]) -> Result<Inputs, CliError> {
    let arrays = match paths {
        [archive] if images::has_extension(archive, &["npz"]) => by_name(archive, ports)?,
        files => in_order(files, ports)?,
    };
    let count = arrays[0].shape[0];
    for (array, port) in arrays.iter().zip(ports) {
        if array.shape[0] != count {
            return Err(CliError::RowCount {
                input: port.name.clone(),
                have: array.shape[0],
                first: ports[0].name.clone(),
                want: count,
            });
        }
    }
    Ok(Inputs {
        arrays,
        rows: (0..count).map(|row| format!("row {row}")).collect(),
    })
}

fn by_name(path: &Path, ports: &[Port]) -> Result<Vec<Array>, CliError> {
    let mut given = tensors::read_npz(path)?;
    if let ([port], 1) = (ports, given.len()) {
        let array = given.remove(0).1;
        check(path, port, &array)?;
        return Ok(vec![array]);
    }
    let known = |name: &str| ports.iter().any(|port| port.name == name);
    let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
    if let Some((name, _)) = given.iter().find(|(name, _)| !known(name)) {
        let all = names.join(", ");
        return Err(CliError::Array {
            path: path.to_path_buf(),
            reason: format!("its array `{name}` is no input of the network, which has {all}"),
        });
    }
    let mut arrays = Vec::with_capacity(ports.len());
    for port in ports {
        let found = given.iter().position(|(name, _)| *name == port.name);
        let at = found.ok_or_else(|| CliError::Array {
            path: path.to_path_buf(),
            reason: format!("it has no array for input `{}`", port.name),
        })?;
        let array = given.swap_remove(at).1;
        check(path, port, &array)?;
        arrays.push(array);
    }
    Ok(arrays)
}

/// One file per input; for one input, the rows of all files.
fn in_order(paths: &[&PathBuf], ports: &[Port]) -> Result<Vec<Array>, CliError> {
    if ports.len() != 1 && paths.len() != ports.len() {
        return Err(CliError::Count {
            given: paths.len(),
            names: ports.iter().map(|port| port.name.clone()).collect(),
        });
    }
    let mut arrays = Vec::with_capacity(paths.len());
    for (index, path) in paths.iter().enumerate() {
        let port = &ports[index.min(ports.len() - 1)];
        let array = match images::has_extension(path, &["npz"]) {
            true => by_name(path, std::slice::from_ref(port))?.remove(0),
            false => tensors::read_npy(path)?,
        };
        check(path, port, &array)?;
        arrays.push(array);
    }
    Ok(match ports.len() {
        1 => vec![join(arrays)],
        _ => arrays,
    })
}

fn join(mut arrays: Vec<Array>) -> Array {
    if arrays.len() == 1 {
        return arrays.remove(0);
    }
    let mut shape = arrays[0].shape.clone();
    shape[0] = arrays.iter().map(|array| array.shape[0]).sum();
    let data: Vec<f32> = arrays.iter().flat_map(|a| a.data.iter().copied()).collect();
    Array {
        shape,
        data: data.into(),
    }
}

/// Any number of rows from one on; all other sides as the network has them.
fn check(path: &Path, port: &Port, array: &Array) -> Result<(), CliError> {
    let fits = array.shape.len() == port.shape.len()
        && array.shape.iter().skip(1).eq(port.shape.iter().skip(1))
        && array.shape.first().is_some_and(|rows| *rows > 0);
    if fits {
        return Ok(());
    }
    let sides: Vec<String> = port.shape.iter().skip(1).map(usize::to_string).collect();
    Err(CliError::Shape {
        path: path.to_path_buf(),
        input: port.name.clone(),
        have: array.shape.clone(),
        want: format!("[rows >= 1, {}]", sides.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(shape: &[usize], data: &[f32]) -> Array {
        Array {
            shape: shape.to_vec(),
            data: data.to_vec().into(),
        }
    }

    #[test]
    fn rows_repeat_in_turn_up_to_the_batch() {
        let mut inputs = Inputs {
            arrays: vec![array(&[2, 2], &[1., 2., 3., 4.])],
            rows: vec!["a".into(), "b".into()],
        };
        inputs.repeat_to(3).unwrap();
        let want = array(&[3, 2], &[1., 2., 3., 4., 1., 2.]);
        assert_eq!((&inputs.arrays[0], inputs.rows.len()), (&want, 2));
        let error = inputs.repeat_to(1).unwrap_err();
        assert!(matches!(error, CliError::SmallBatch { rows: 2, batch: 1 }));
    }

    #[test]
    fn a_shape_is_checked_side_by_side() {
        let port = Port {
            name: "x".into(),
            shape: vec![1, 2],
        };
        let cases: [(&[usize], bool, &str); 5] = [
            (&[1, 2], true, "as compiled"),
            (&[5, 2], true, "any number of rows"),
            (&[0, 2], false, "no rows"),
            (&[2, 3], false, "another side"),
            (&[2], false, "another rank"),
        ];
        for (shape, want, why) in cases {
            let data = vec![0.0; shape.iter().product()];
            let have = check(Path::new("x.npy"), &port, &array(shape, &data));
            assert_eq!(have.is_ok(), want, "{why}");
        }
    }
}
