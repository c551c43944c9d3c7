//! What a board would do with an artifact, without the board: simulated, not measured.
//!
//! `cargo run --release --example board -- model.tar orin-nx 64`

use std::error::Error;
use std::path::Path;

use tvm_dla::board::{BoardCosts, Constants, Framework, Setting, named};
use tvm_dla::sim::{Network, Noise, Point, sweep};
use tvm_dla::split::{DlaTarget, Version, cut};
use tvm_dla::{Artifact, Device};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [artifact, board, batch] = &arguments[..] else {
        return Err("usage: board ARTIFACT BOARD ROWS".into());
    };
    for point in predict(Path::new(artifact), board, batch.parse()?)? {
        let (choice, rate) = (point.choice, point.images_per_second);
        println!("{choice:?}: {rate:.0} rows/s, simulated, by {}", point.plan);
    }
    Ok(())
}

/// The best plans of the GPU alone, of the DLAs, and of all together, where the network has a part for a DLA.
pub fn predict(artifact: &Path, board: &str, rows: usize) -> Result<Vec<Point>, Box<dyn Error>> {
    let artifact = Artifact::read(artifact)?;
    let bundle = artifact.network()?;
    let machine = named(board)?.machine(None)?; // in its usual power mode
    let chip = machine.board.chip;
    let target = DlaTarget {
        chip,
        tensorrt: Version::last_with_dla(chip),
        ..bundle.options.target
    };
    let stages = cut(&bundle.graph, &target, &bundle.options.gpu_only)?;
    let network = Network {
        prefix: stages.prefix.is_some(),
        suffix: stages.suffix.is_some(),
        dlas: (0..machine.board.dla.cores.0).map(Device::Dla).collect(),
        dla_rows: 64,
        unit: stages.unit(&bundle.graph),
    };
    let setting = Setting {
        machine,
        precision: target.precision,
        gpu: target.precision.into(),
        framework: Framework::Native,
        graph: false,
        contention: true,
    };
    let costs = BoardCosts::new(&bundle.graph, &stages, setting, Constants::fitted());
    Ok(sweep(&network, &[rows], &costs, Noise::NONE)?)
}
