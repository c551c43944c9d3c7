//! The program on the double, in a folder of its own.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::{Journal, library};
use crate::cli_support::{Folder, Run};

/// A folder with a network, its input, and what the CPU backend makes of it.
pub struct Board {
    pub folder: Folder,
    double: PathBuf,
}

impl Board {
    pub fn new() -> Option<Board> {
        let board = Board {
            double: library()?,
            folder: Folder::new(),
        };
        board.folder.npy("x.npy", &[12, 3, 6, 6]);
        let line = "run net.dla --input x.npy --output want.npy --backend cpu";
        board.folder.run(line).expect(0);
        Some(board)
    }

    pub fn command(&self, line: &str, faults: &str) -> Command {
        let mut command = self.folder.command(line);
        command
            .env("TVM_DLA_TENSORRT", &self.double)
            .env("TVM_DLA_CUDART", &self.double)
            .env("TVM_DLA_CACHE", self.folder.path("cache"))
            .env("NVINFER_DOUBLE_FAULTS", faults)
            .env("NVINFER_DOUBLE_JOURNAL", self.folder.path("journal"));
        command
    }

    /// Runs the program, and gives what the double saw during this run.
    pub fn call(&self, line: &str, faults: &str) -> (Run, Journal) {
        let _ = std::fs::remove_file(self.folder.path("journal"));
        let output: Output = self.command(line, faults).output().unwrap();
        let run = Run::of(&format!("{line} [{faults}]"), output);
        (run, Journal::read(&self.folder.path("journal")))
    }

    pub fn run(&self, rest: &str, faults: &str) -> (Run, Journal) {
        let _ = std::fs::remove_file(self.folder.path("got.npy"));
        let line = format!("run net.dla --input x.npy --output got.npy --backend tensorrt {rest}");
        self.call(&line, faults)
    }

    pub fn assert_right(&self) {
        let (got, want) = (self.folder.read("got.npy"), self.folder.read("want.npy"));
        assert_eq!(got, want, "small integers are exact in FP16");
    }

    pub fn plans(&self) -> usize {
        let listed = self.call("--json cache list", "").0.json();
        listed["engines"].as_array().unwrap().len()
    }

    /// Major and minor version of the TensorRT that the double stands in for.
    pub fn version(&self) -> (u32, u32) {
        let found = self.call("--json doctor --backend tensorrt", "").0.json();
        let findings = found["findings"].as_array().unwrap();
        let finding = findings.iter().find(|f| f["part"] == "TensorRT").unwrap();
        let words = finding["detail"].as_str().unwrap().split(' ');
        let mut numbers = words.skip(1).flat_map(|word| word.split('.'));
        let mut number = || numbers.next().unwrap().parse().unwrap();
        (number(), number())
    }
}
