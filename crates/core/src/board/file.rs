//! Board files: the six that come with the program, and the user's. A bad one is refused with line and field.

use super::hardware::{Board, Machine};

const BUILTIN: [&str; 6] = [
    include_str!("../../../../data/boards/xavier-nx.json"),
    include_str!("../../../../data/boards/agx-xavier.json"),
    include_str!("../../../../data/boards/orin-nx.json"),
    include_str!("../../../../data/boards/orin-nx-8gb.json"),
    include_str!("../../../../data/boards/agx-orin.json"),
    include_str!("../../../../data/boards/agx-orin-32gb.json"),
];

/// A board that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoardError {
    #[error("line {line}, field `{field}`: {reason}")]
    Field {
        line: usize,
        field: String,
        reason: String,
    },
    #[error(
        "no board `{name}`; the nearest is `{nearest}`. There are {known}\nhelp: give one of these, or the path of a board file (.json) like those in data/boards/"
    )]
    Unknown {
        name: String,
        nearest: String,
        known: String,
    },
    #[error("{board} has no power mode `{mode}`\nhelp: give one of {known}")]
    Mode {
        board: String,
        mode: String,
        known: String,
    },
}

impl Board {
    /// Reads a board file.
    ///
    /// # Errors
    /// The first line and field that is missing, unknown, of another type or out of range.
    pub fn parse(text: &str) -> Result<Board, BoardError> {
        let mut json = serde_json::Deserializer::from_str(text);
        let board: Board = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let field = error.path().to_string();
            refused(error.inner(), field)
        })?;
        json.end().map_err(|error| refused(&error, ".".into()))?;
        board.check(text)?;
        Ok(board)
    }

    /// What no single field can tell.
    fn check(&self, text: &str) -> Result<(), BoardError> {
        let wrong = |field: &str, value: &str, reason: String| BoardError::Field {
            line: line_of(text, value),
            field: field.into(),
            reason,
        };
        for (index, mode) in self.modes.iter().enumerate() {
            let name = &mode.name.0;
            if self.modes[..index]
                .iter()
                .any(|m| m.name.0.eq_ignore_ascii_case(name))
            {
                let reason = format!("the mode `{name}` is there twice");
                return Err(wrong(&format!("modes[{index}].name"), name, reason));
            }
            if mode.gpu_sms.is_some_and(|sms| sms.0 > self.gpu.sms.0) {
                let reason = format!("more than the {} that the GPU has", self.gpu.sms.0);
                return Err(wrong(&format!("modes[{index}].gpu_sms"), "\"gpu_sms\"", reason));
            }
        }
        match self.mode(None) {
            Ok(_) => Ok(()),
            Err(_) => {
                let reason = format!("no mode is called `{}`", self.default_mode);
                Err(wrong("default_mode", "\"default_mode\"", reason))
            }
        }
    }

    /// The board in the named power mode, or in its default one.
    ///
    /// # Errors
    /// [`BoardError::Mode`] lists the modes there are.
    pub fn machine(&self, mode: Option<&str>) -> Result<Machine, BoardError> {
        let mode = self.mode(mode)?.clone();
        let board = self.clone();
        Ok(Machine { board, mode })
    }

    fn mode(&self, name: Option<&str>) -> Result<&super::Mode, BoardError> {
        let name = name.unwrap_or(&self.default_mode.0);
        let mut modes = self.modes.iter();
        let found = modes.find(|m| m.name.0.eq_ignore_ascii_case(name));
        found.ok_or_else(|| BoardError::Mode {
            board: self.title.to_string(),
            mode: name.into(),
            known: list(self.modes.iter().map(|m| m.name.0.as_str())),
        })
    }
}

/// The boards that come with the program.
pub fn builtin() -> Vec<Board> {
    let parsed = BUILTIN.iter().map(|text| Board::parse(text));
    parsed
        .map(|b| b.expect("a test reads every built-in board"))
        .collect()
}

/// A built-in board.
///
/// # Errors
/// [`BoardError::Unknown`] names the nearest one.
pub fn named(name: &str) -> Result<Board, BoardError> {
    let boards = builtin();
    let known = list(boards.iter().map(|b| b.name.0.as_str()));
    let nearest = boards.iter().min_by_key(|b| strsim::levenshtein(&b.name.0, name));
    let nearest = nearest.map(|b| b.name.to_string()).unwrap_or_default();
    let mut found = boards.into_iter().filter(|b| b.name.0.eq_ignore_ascii_case(name));
    found.next().ok_or_else(|| BoardError::Unknown {
        name: name.into(),
        nearest,
        known,
    })
}

fn refused(error: &serde_json::Error, field: String) -> BoardError {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text).to_string();
    BoardError::Field {
        line: error.line(),
        field,
        reason,
    }
}

/// The last line that holds `value`: where a repetition is.
fn line_of(text: &str, value: &str) -> usize {
    let lines = text.lines().enumerate();
    let found = lines.filter(|(_, line)| line.contains(value)).last();
    found.map_or(1, |(index, _)| index + 1)
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
