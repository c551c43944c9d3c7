//! The machine that this program runs on, read where the system and NVIDIA's packages write it: which Jetson with which
//! JetPack, its power mode, its memory, and whether TensorRT can run.

mod backend;
mod identity;
mod jetson;
mod power;

pub use backend::{TakenBackend, taken};
pub use jetson::{Jetson, Packages};
pub use power::{PowerMode, UNKNOWN};

use std::path::Path;

use crate::board::{BoardError, Machine, named};

/// What this machine is to a planner.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// Its model, where one is known or near enough.
    pub machine: Option<Machine>,
    /// The power mode as the system names it, or [`UNKNOWN`].
    pub power: String,
    /// Bytes that programs can still have.
    pub memory: Option<u64>,
    /// What was not as it should be, in words.
    pub remarks: Vec<String>,
}

impl Reading {
    /// Reads the machine under `root`, which is `/` outside tests.
    pub fn of(root: &Path) -> Reading {
        let jetson = Jetson::read(root);
        let memory = memory(root);
        let Some(found) = identity::board(&jetson) else {
            return Reading {
                power: UNKNOWN.to_string(),
                memory,
                ..Reading::default()
            };
        };
        let mut remarks: Vec<String> = found.remark.into_iter().collect();
        let read = PowerMode::read(root);
        let (mode, remark) = power::nearest(&found.board, &read);
        remarks.extend(remark);
        Reading {
            machine: found.board.machine(mode.as_deref()).ok(),
            power: read.map_or_else(|_| UNKNOWN.to_string(), |mode| mode.name),
            memory,
            remarks,
        }
    }

    /// The machine that someone names, as `BOARD` or `BOARD,MODE`.
    ///
    /// # Errors
    /// [`BoardError`]: no such board or mode, with those there are.
    pub fn named(text: &str) -> Result<Reading, BoardError> {
        let (board, mode) = match text.split_once(',') {
            Some((board, mode)) => (board.trim(), Some(mode.trim())),
            None => (text.trim(), None),
        };
        let machine = named(board)?.machine(mode)?;
        Ok(Reading {
            power: machine.mode.name.to_string(),
            machine: Some(machine),
            memory: memory(Path::new("/")),
            remarks: Vec::new(),
        })
    }
}

/// Memory that programs can still have, in bytes.
pub fn memory(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "proc/device-tree/model";
    const PARTS: &str = "proc/device-tree/compatible";
    const MODES: &str = "etc/nvpmodel.conf";
    const STATUS: &str = "var/lib/nvpmodel/status";
    const ORIN_MODES: &str = "# modes\n< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n\
        < POWER_MODEL ID=2 NAME=MODE_30W >\n< POWER_MODEL ID=3 NAME=MODE_40W >\n< PM_CONFIG DEFAULT=2 >\n";

    fn read(files: &[(&str, &str)]) -> Reading {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Reading::of(root.path())
    }

    #[test]
    fn a_board_and_its_power_mode_are_read_or_the_nearest_is_taken_and_said() {
        let orin = (MODEL, "NVIDIA Jetson AGX Orin Developer Kit\0");
        let parts = (
            PARTS,
            "nvidia,p3737-0000+p3701-0005\0nvidia,p3701-0005\0nvidia,tegra234\0",
        );
        type Case<'a> = (
            &'a [(&'a str, &'a str)],
            Option<(&'a str, &'a str)>,
            &'a str,
            &'a [&'a str],
            &'a str,
        );
        let cases: [Case; 9] = [
            (&[], None, UNKNOWN, &[], "a desktop"),
            (
                &[
                    orin,
                    parts,
                    (MODES, ORIN_MODES),
                    (STATUS, "pmode:0002 fmode:fanNull"),
                ],
                Some(("agx-orin", "30W")),
                "MODE_30W",
                &[],
                "all is there",
            ),
            (
                &[orin, parts, (MODES, ORIN_MODES), (STATUS, "pmode:0000")],
                Some(("agx-orin", "MAXN")),
                "MAXN",
                &[],
                "without a limit",
            ),
            (
                &[orin, parts, (MODES, ORIN_MODES), (STATUS, "pmode:0003")],
                Some(("agx-orin", "50W")),
                "MODE_40W",
                &["power mode MODE_40W is not known", "50W"],
                "a mode that was measured by nobody",
            ),
            (
                &[orin, parts, (MODES, ORIN_MODES)],
                Some(("agx-orin", "MAXN")),
                UNKNOWN,
                &["power mode cannot be read", "measured as it runs"],
                "no right to read the mode",
            ),
            (
                &[orin, parts, (MODES, ORIN_MODES), (STATUS, "pmode:0009")],
                Some(("agx-orin", "MAXN")),
                UNKNOWN,
                &["has no mode 9"],
                "a mode without a name",
            ),
            (
                &[
                    (PARTS, "nvidia,p3767-0001\0nvidia,tegra234"),
                    (MODEL, "NVIDIA Jetson Orin NX"),
                ],
                Some(("orin-nx-8gb", "25W")),
                UNKNOWN,
                &["power mode cannot be read"],
                "by its module",
            ),
            (
                &[
                    (MODEL, "Acme Box with NVIDIA Jetson Xavier"),
                    (PARTS, "acme,box\0nvidia,tegra194"),
                ],
                Some(("agx-xavier", "MAXN")),
                UNKNOWN,
                &[
                    "`Acme Box with NVIDIA Jetson Xavier` is no board that is known",
                    "AGX Xavier",
                    "power mode",
                ],
                "an unknown board of a known chip",
            ),
            (
                &[
                    (MODEL, "NVIDIA Jetson Orin Nano Developer Kit"),
                    (PARTS, "nvidia,p3767-0005\0nvidia,tegra234"),
                ],
                None,
                UNKNOWN,
                &[],
                "a board without DLA cores",
            ),
        ];
        for (files, want, power, remarks, why) in cases {
            let reading = read(files);
            let machine = reading.machine.as_ref();
            let got = machine.map(|m| (m.board.name.0.as_str(), m.mode.name.0.as_str()));
            assert_eq!(got, want, "{why}");
            assert_eq!(reading.power, power, "{why}");
            let said = reading.remarks.join("; ");
            assert_eq!(said.is_empty(), remarks.is_empty(), "{why}: {said}");
            for remark in remarks {
                assert!(said.contains(remark), "{why}: {said}");
            }
        }
    }

    #[test]
    fn a_machine_can_be_named() {
        let reading = Reading::named("agx-orin, 30w").unwrap();
        assert_eq!(reading.machine.unwrap().title(), "Jetson AGX Orin 64GB, 30W");
        let reading = Reading::named("orin-nx").unwrap();
        assert_eq!(reading.power, "25W");
        for text in ["orin", "agx-orin,12W"] {
            assert!(Reading::named(text).is_err(), "{text}");
        }
    }

    #[test]
    fn memory_is_what_is_available() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(memory(root.path()), None);
        std::fs::create_dir(root.path().join("proc")).unwrap();
        let text = "MemTotal: 100 kB\nMemAvailable:   64 kB\n";
        std::fs::write(root.path().join("proc/meminfo"), text).unwrap();
        assert_eq!(memory(root.path()), Some(65536));
    }
}
