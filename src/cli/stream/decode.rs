//! Files and frames -> rows of the network's input.

use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use image::ImageReader;

use crate::bundle::Preprocess;
use crate::cli::arrays::FileArray;
use crate::cli::inputs::{Input, by_name, picture_frame};
use crate::cli::{arrays, images};
use crate::engine::{Array, Rows};
use crate::session::Session;

/// What goes through the stream together.
#[derive(Clone)]
pub struct Item {
    /// For the network.
    pub rows: Vec<Rows>,
    /// The model's inputs, where its outputs need them again.
    pub again: Vec<Array>,
}

/// Knows what the network takes.
pub struct Decoder {
    pub session: Arc<Session>,
    pub inputs: Vec<Input>,
    pub preprocess: Option<Preprocess>,
}

impl Decoder {
    /// The items in a file, by its content as [`Decoder::frame`] tells it.
    pub fn file(&self, path: &Path) -> Result<Vec<Item>, Box<dyn Error>> {
        let bytes = fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        self.frame(&bytes, &path.display())
    }

    /// The items in a `.npy` file, a `.npz` file with an array per input, or a picture, told by their first bytes.
    pub fn frame(&self, bytes: &[u8], name: &dyn Display) -> Result<Vec<Item>, Box<dyn Error>> {
        let arrays = match bytes {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => {
                let first = self.inputs.first().ok_or("the network has no inputs")?;
                let array = arrays::npy(Cursor::new(bytes), name)?;
                vec![first.reals(array.batched(first.shape.len()), name)?]
            }
            [b'P', b'K', 3, 4, ..] => {
                let arrays = arrays::npz(Cursor::new(bytes), name)?.into_iter();
                let batched = |(own, array): (String, FileArray)| (own.clone(), self.batched(&own, array));
                by_name(arrays.map(batched).collect(), &self.inputs, name)?
            }
            _ => vec![self.picture(bytes, name)?],
        };
        let rows = self.session.rows(&arrays);
        let rows = rows.map_err(|error| format!("{name}: {error}"))?;
        let item = |(at, rows)| Item {
            rows,
            again: self.again(&arrays, at),
        };
        Ok(rows.into_iter().enumerate().map(item).collect())
    }

    /// What item number `at` of these arrays needs again.
    fn again(&self, arrays: &[Array], at: usize) -> Vec<Array> {
        if !self.session.needs_inputs_again() {
            return Vec::new();
        }
        let unit = self.session.item_rows();
        let part = |array: &Array| array.part(at * unit, (at + 1) * unit);
        arrays.iter().map(part).collect()
    }

    fn batched(&self, name: &str, array: FileArray) -> FileArray {
        let input = self.inputs.iter().find(|input| input.name == name);
        array.batched(input.map_or(0, |input| input.shape.len()))
    }

    fn picture(&self, bytes: &[u8], name: &dyn Display) -> Result<Array, Box<dyn Error>> {
        let (frame, preprocess) = picture_frame(&self.inputs, self.preprocess.as_ref())?;
        let reader = ImageReader::new(Cursor::new(bytes));
        let data = images::row_of(reader, name, frame, preprocess)?;
        Ok(Array {
            shape: self.inputs[0].stacked(1),
            data: Arc::new(data),
        })
    }
}
