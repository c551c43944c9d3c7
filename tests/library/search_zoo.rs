//! The search beside trying everything, on networks as they are and a board's model. Synthetic costs are in the unit tests;
//! `scripts/compare_search` does the same for every model of the zoo on every board, at larger batches.

use tvm_dla::board::{BoardCosts, Constants, Framework, Setting, named};
use tvm_dla::bundle::Options;
use tvm_dla::fit::network;
use tvm_dla::plan::Device;
use tvm_dla::sim::Costs;
use tvm_dla::split::{Chip, DlaTarget, Precision, Version, cut};
use tvm_dla::tune::Sites;
use tvm_dla::tune::search::{Goal, Power, exhaustive, search};

/// Places to cut that are looked at here, so that trying everything takes seconds without optimisation too.
const CUTS: usize = 6;

#[test]
fn the_search_is_within_one_percent_of_the_optimum_on_real_networks() {
    let energy = Goal::Energy(Power {
        idle: 3.0,
        gpu: 7.0,
        dla: 1.5,
    });
    for (name, board, rows, goal) in [
        ("MobileNet v1", "xavier-nx", 12, Goal::Throughput),
        ("MobileNet v1", "agx-orin", 11, Goal::Throughput),
        ("resnet50", "xavier-nx", 10, Goal::Throughput),
        ("resnet50", "orin-nx", 12, energy),
        ("GoogLeNet", "agx-xavier", 12, Goal::Throughput),
        ("squeezenet1_1", "xavier-nx", 13, Goal::Throughput),
    ] {
        let graph = network(name).unwrap().unwrap();
        let machine = named(board).unwrap().machine(None).unwrap();
        let xavier = machine.board.chip == Chip::Xavier;
        let target = DlaTarget {
            chip: machine.board.chip,
            tensorrt: if xavier {
                Version(8, 5, 2)
            } else {
                Version(10, 3, 0)
            },
            precision: Precision::Fp16,
        };
        let options = Options {
            target,
            ..Options::default()
        };
        let mut sites = Sites::of(&graph, &options, 2, true).unwrap();
        sites.sites.truncate(CUTS);
        let setting = Setting {
            machine,
            precision: target.precision,
            gpu: target.precision.into(),
            framework: Framework::Native,
            graph: false,
            contention: true,
        };
        let costs = |stages| BoardCosts::new(&graph, stages, setting.clone(), Constants::fitted());
        let longest = cut(&graph, &target, &[]).unwrap();
        let whole = costs(&longest);
        let each: Vec<BoardCosts> = sites.sites.iter().map(|site| costs(&site.stages)).collect();
        let each = each.iter().map(|costs| costs as &dyn Costs);
        let devices = [Device::Gpu, Device::Dla(0), Device::Dla(1)];
        let space = sites.space(&whole, each, &devices);
        let want = exhaustive(&space, rows, &goal).unwrap();
        let got = search(&space, rows, &goal).unwrap();
        assert!(want.exhaustive);
        let (got, want) = (&got.best[0], &want.best[0]);
        let share = match goal {
            Goal::Throughput | Goal::Latency { .. } => got.rows_per_second / want.rows_per_second,
            Goal::Energy(_) => want.joules_per_row.unwrap() / got.joules_per_row.unwrap(),
        };
        assert!(
            (0.99..=1.0 + 1e-9).contains(&share),
            "{name} on {board}, {rows} rows: {} instead of {}, {share:.4}",
            got.plan,
            want.plan
        );
    }
}
