//! `tvm-dla inspect`: the cut and its reasons, of an artifact and of a Relay module.

use crate::cli_support::Folder;

#[test]
fn every_node_has_its_place_and_its_reason() {
    let folder = Folder::new();
    let answer = folder.run("--json inspect net.dla").json();
    assert_eq!(answer["version"], 1);
    let network = &answer["networks"][0];
    let nodes = network["nodes"].as_array().unwrap();
    let places: Vec<(&str, &str)> = nodes
        .iter()
        .map(|n| (n["op"].as_str().unwrap(), n["side"].as_str().unwrap()))
        .collect();
    let want = [
        ("conv2d", "prefix"),
        ("relu", "prefix"),
        ("max_pool2d", "prefix"),
        ("batch_flatten", "suffix"),
        ("dense", "suffix"),
    ];
    assert_eq!(places, want);
    for node in nodes {
        let reason = node["reason"].as_str().unwrap();
        assert_eq!(reason.is_empty(), node["side"] == "prefix", "{node}");
    }
    // Two rows of 4 x 4 x 4 outputs over 3 x 3 x 3 inputs each; then of 5 outputs over 16 inputs.
    assert_eq!(network["prefix"]["macs"], 2 * 64 * 27);
    assert_eq!(network["suffix"]["macs"], 2 * 5 * 16);
    assert_eq!(network["suffix"]["weight_bytes"], 80 * 4);
    assert_eq!(network["cut"][0]["shape"], serde_json::json!([2, 4, 2, 2]));
}

#[test]
fn people_read_a_table_the_cut_and_units() {
    let text = Folder::new().run("inspect net.dla").expect(0).stdout;
    for part in [
        "conv2d",
        "GPU + DLA",
        "cut: ",
        "MACs",
        "weights",
        "activations",
        "B",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

const RELAY: &str = r#"#[version = "0.0.5"]
def @main(%x: Tensor[(1, 3, 8, 8), float32]) {
  %0 = nn.max_pool2d(%x, pool_size=[2, 2], strides=[2, 2]);
  %1 = nn.relu(%0);
  sign(%1)
}
"#;

#[test]
fn a_relay_module_shows_what_stays_with_tvm() {
    let folder = Folder::new();
    folder.write("net.relay", RELAY.as_bytes());
    folder.write("wrong.relay", b"def @main(");
    // The project's environments lie above the program, wherever it is started.
    let answer = folder
        .run("--json inspect --relay net.relay --option chip=orin")
        .json();
    let nodes = answer["networks"][0]["nodes"].as_array().unwrap();
    assert_eq!(
        (&nodes[0]["op"], &nodes[0]["side"]),
        (&"max_pool2d".into(), &"prefix".into())
    );
    assert_eq!(answer["kept"][0]["op"], "sign");
    assert_ne!(answer["kept"][0]["reason"], "");
    let cases = [
        ("inspect --relay gone.relay", "gone.relay"),
        ("inspect --relay wrong.relay", "wrong.relay"),
        ("inspect --relay net.relay --option chpi=orin", "chip"),
    ];
    for (line, part) in cases {
        let run = folder.run(line).expect(2);
        assert!(run.stderr.contains(part), "{line}: {}", run.stderr);
    }
}

/// A library with the network of `net.dla`, as a compiler for another processor would write it.
fn foreign_library(folder: &Folder) {
    let content = std::fs::read(folder.path("net.dla")).unwrap();
    let mut so = b"\x7fELF\x02\x01".to_vec();
    so.resize(18, 0);
    let other: u16 = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    so.extend(other.to_le_bytes());
    so.extend(3u64.to_le_bytes());
    so.extend(b"dla");
    so.extend((content.len() as u64).to_le_bytes());
    so.extend(content);
    folder.write("other.so", &so);
}

#[test]
fn an_artifact_for_another_processor_is_named_and_its_network_runs() {
    let folder = Folder::new();
    foreign_library(&folder);
    folder.npy("x.npy", &[2, 3, 6, 6]);
    let said = "compiled for another processor";
    let inspected = folder.run("inspect other.so").expect(0);
    assert!(inspected.stdout.contains(said), "{}", inspected.stdout);
    for line in [
        "run other.so --input x.npy",
        "plan other.so --batch 2",
        "bench other.so --batch 2 --repeats 1",
        "calibrate other.so --npz x.npy --output c.calib",
        "simulate other.so --board xavier-nx --batch 2",
    ] {
        let done = folder.run(line).expect(0);
        assert!(done.stderr.contains(said), "{line}: {}", done.stderr);
    }
}
