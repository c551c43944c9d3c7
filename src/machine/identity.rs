//! Which of the boards that are known this one is.

use super::Jetson;
use crate::board::{Board, named};

/// NVIDIA's part numbers of modules, and their boards. Orin Nano has no DLA cores.
const MODULES: [(&str, Option<&str>); 16] = [
    ("p3668-0000", Some("xavier-nx")),
    ("p3668-0001", Some("xavier-nx")),
    ("p3668-0003", Some("xavier-nx")),
    ("p2888-0001", Some("agx-xavier")),
    ("p2888-0004", Some("agx-xavier")),
    ("p2888-0005", Some("agx-xavier")),
    ("p3701-0000", Some("agx-orin")),
    ("p3701-0004", Some("agx-orin-32gb")),
    ("p3701-0005", Some("agx-orin")),
    ("p3701-0008", Some("agx-orin")),
    ("p3767-0000", Some("orin-nx")),
    ("p3767-0001", Some("orin-nx-8gb")),
    ("p3767-0002", Some("orin-nx-8gb")),
    ("p3767-0003", None),
    ("p3767-0004", None),
    ("p3767-0005", None),
];

/// What names of boards contain, the more exact first.
const NAMES: [(&str, Option<&str>); 6] = [
    ("Orin Nano", None),
    ("Xavier NX", Some("xavier-nx")),
    ("AGX Xavier", Some("agx-xavier")),
    ("Jetson-AGX", Some("agx-xavier")),
    ("AGX Orin", Some("agx-orin")),
    ("Orin NX", Some("orin-nx")),
];

/// The chips with DLA cores, and the board that stands for others with them.
const CHIPS: [(&str, &str); 2] = [("tegra194", "agx-xavier"), ("tegra234", "agx-orin")];

pub(super) struct Identity {
    pub board: Board,
    /// It is another one.
    pub remark: Option<String>,
}

/// The board of `jetson`; for an unknown one that of its chip, with a remark. `None` where there is no DLA.
pub(super) fn board(jetson: &Jetson) -> Option<Identity> {
    let parts = jetson.compatible.iter();
    let part = parts.clone().find_map(|part| lookup(&MODULES, part));
    let model = jetson.model.as_deref();
    let known = part.or_else(|| lookup(&NAMES, model?));
    if let Some(name) = known {
        let board = named(name?).ok()?;
        return Some(Identity { board, remark: None });
    }
    let chip = parts.clone().find_map(|part| {
        let mut chips = CHIPS.iter().filter(|(chip, _)| part.contains(chip));
        chips.next().map(|(_, board)| *board)
    });
    let board = named(chip?).ok()?;
    let remark = format!(
        "`{}` is no board that is known: first plans are made as for {}, which has its chip, and measured as it runs",
        model.unwrap_or("this board"),
        board.title
    );
    Some(Identity {
        board,
        remark: Some(remark),
    })
}

fn lookup<'a>(table: &[(&str, Option<&'a str>)], text: &str) -> Option<Option<&'a str>> {
    let mut found = table.iter().filter(|(word, _)| text.contains(word));
    found.next().map(|(_, board)| *board)
}
