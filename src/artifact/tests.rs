use super::*;
use crate::bundle::Options;
use crate::graph::{Activation, GraphBuilder, Op};

fn bundle(symbol: &str) -> Bundle {
    let mut b = GraphBuilder::new(symbol);
    let x = b.input("dla_0_i0", &[1, 3, 4, 4]);
    let y = b.node("r", Op::Activation(Activation::Relu), &[x]).unwrap();
    b.output(y);
    Bundle {
        graph: b.finish().unwrap(),
        options: Options::default(),
        plan: None,
        origin: None,
        kept: Vec::new(),
    }
}

/// Bytes that look like a library which imports `bundles`.
fn library(bundles: &[Bundle]) -> Vec<u8> {
    let mut bytes = b"\x7fELF and code \x03\0\0\0\0\0\0\0dla that is no record".to_vec();
    for bundle in bundles {
        let content = bundle.to_bytes();
        bytes.extend(3u64.to_le_bytes());
        bytes.extend(b"dla");
        bytes.extend((content.len() as u64).to_le_bytes());
        bytes.extend(content);
        bytes.extend(b"_import_tree");
    }
    bytes
}

fn graph(calls: &[&str]) -> String {
    let mut nodes = vec![r#"{"op":"null","name":"image","inputs":[]}"#.to_string()];
    for (i, call) in calls.iter().enumerate() {
        nodes.push(format!(
            r#"{{"op":"tvm_op","name":"{call}","attrs":{{"func_name":"{call}"}},"inputs":[[{i},0,0]]}}"#
        ));
    }
    let nodes = nodes.join(",");
    format!(
        r#"{{"nodes":[{nodes}],"arg_nodes":[0],"heads":[[{},0,0]]}}"#,
        calls.len()
    )
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn read(bytes: Vec<u8>) -> Result<Artifact, ArtifactError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    fs::write(&path, bytes).unwrap();
    Artifact::read(&path)
}

#[test]
fn a_package_of_one_network_is_whole_and_has_the_users_names() {
    let bundles = [bundle("tvmgen_default_dla_main_0")];
    let so = library(&bundles);
    let json = graph(&["tvmgen_default_dla_main_0"]);
    let artifact = read(tar(&[
        ("mod.so", &so),
        ("mod.json", json.as_bytes()),
        ("mod.params", b""),
    ]))
    .unwrap();
    let whole = artifact.network().unwrap();
    assert_eq!(whole.graph.tensor(whole.graph.inputs[0]).name, "image");
}

/// `library`, for the processor of this number, in the byte order that ELF's sixth byte names.
fn for_machine(mut library: Vec<u8>, number: u16, big: bool) -> Vec<u8> {
    let mut header = b"\x7fELF\x02".to_vec();
    header.push(1 + u8::from(big));
    header.resize(18, 0);
    header.extend(if big {
        number.to_be_bytes()
    } else {
        number.to_le_bytes()
    });
    header.append(&mut library);
    header
}

#[test]
fn a_library_for_another_processor_is_known_and_its_networks_are_there() {
    let names = [
        (62, "x86-64"),
        (183, "AArch64"),
        (243, "RISC-V"),
        (22, "ELF machine 22"),
    ];
    let here = Machine::here().map(|machine| machine.to_string());
    for ((number, name), big) in names.into_iter().zip([false, true, false, true]) {
        let so = for_machine(library(&[bundle("a_dla_main_0")]), number, big);
        let tail = graph(&["a_dla_main_0", "fused_exp"]);
        let files: [(&str, &[u8]); 2] = [("mod.so", &so), ("mod.json", tail.as_bytes())];
        for bytes in [so.clone(), tar(&files)] {
            let artifact = read(bytes).unwrap();
            assert_eq!(artifact.bundles.len(), 1, "{name}");
            let foreign = artifact.foreign().map(|machine| machine.to_string());
            let want = (here.as_deref() != Some(name)).then(|| name.to_string());
            assert_eq!(foreign, want);
            assert_eq!(artifact.runs_here().is_err(), foreign.is_some(), "{name}");
        }
        let error = read(tar(&files)).unwrap().around(None).err().unwrap();
        let other = matches!(error, ArtifactError::OtherMachine { .. });
        assert_eq!(other, here.as_deref() != Some(name), "{error}");
    }
}

#[test]
fn a_packed_artifact_is_named_by_what_packed_it() {
    let magics: [(&[u8], &str); 5] = [
        (b"\x1f\x8b\x08", "gzip"),
        (b"BZh9", "bzip2"),
        (b"\xfd7zXZ\0\0", "xz"),
        (b"\x28\xb5\x2f\xfd\0", "zstd"),
        (b"PK\x03\x04", "zip"),
    ];
    for (magic, name) in magics {
        let error = read(magic.to_vec()).err().unwrap().to_string();
        assert!(error.contains(&format!("packed with {name}")), "{error}");
    }
}

#[test]
fn what_tvm_kept_stands_around_the_network_or_between_networks() {
    let one = library(&[bundle("a_dla_main_0")]);
    let two = library(&[bundle("a_dla_main_0"), bundle("a_dla_main_1")]);
    let cases: Vec<(&[u8], &[&str], &str, &str)> = vec![
        (&one, &["a_dla_main_0"], "", "nothing around it"),
        (
            &one,
            &["a_dla_main_0", "fused_exp"],
            "1 function behind the network",
            "a tail",
        ),
        (
            &one,
            &["fused_abs", "a_dla_main_0", "fused_exp", "fused_log"],
            "1 function in front of the network, 2 functions behind the network",
            "both",
        ),
        (
            &two,
            &["a_dla_main_0", "fused_exp", "a_dla_main_1"],
            "the model became 2 networks, and 1 function of TVM stands between them",
            "the middle",
        ),
    ];
    for (so, calls, want, why) in cases {
        let json = graph(calls);
        let artifact = read(tar(&[("mod.so", so), ("mod.json", json.as_bytes())])).unwrap();
        match artifact.network() {
            Ok(_) => assert_eq!(artifact.layout().unwrap().describe(), want, "{why}"),
            Err(error) => assert!(error.to_string().contains(want), "{why}: {error}"),
        }
    }
}

/// x -> [abs] -> net -> [exp], with a constant, the input, and the network's output twice among the outputs.
const ENDS: &str = r#"{
    "nodes": [
        {"op": "null", "name": "x", "inputs": []},
        {"op": "null", "name": "p0", "inputs": []},
        {"op": "tvm_op", "name": "abs", "attrs": {"func_name": "abs"}, "inputs": [[0,0,0]]},
        {"op": "tvm_op", "name": "net", "attrs": {"func_name": "a_dla_main_0"}, "inputs": [[2,0,0]]},
        {"op": "tvm_op", "name": "re", "attrs": {"func_name": "__nop"}, "inputs": [[3,0,0]]},
        {"op": "tvm_op", "name": "exp", "attrs": {"func_name": "exp", "x": "1"}, "inputs": [[4,0,0],[2,0,0]]}
    ],
    "arg_nodes": [0, 1],
    "heads": [[1,0,0], [5,0,0], [3,0,0], [0,0,0], [3,0,0]],
    "node_row_ptr": [0, 1, 2, 3, 4, 5, 6],
    "attrs": {
        "shape": ["list_shape", [[1, 4], [2], [1, 4], [1, 4], [4], [4]]],
        "dltype": ["list_str", ["uint8", "float32", "float32", "float32", "float32", "int64"]]
    }
}"#;

#[test]
fn outputs_know_where_they_are_from() {
    let so = library(&[bundle("a_dla_main_0")]);
    let params = params::tests::file("p0", &[1.0, 2.0]);
    let files: [(&str, &[u8]); 3] = [
        ("mod.so", &so),
        ("mod.json", ENDS.as_bytes()),
        ("mod.params", &params),
    ];
    let layout = read(tar(&files)).unwrap().layout().unwrap();
    let sources: Vec<&Source> = layout.outputs.iter().map(|o| &o.source).collect();
    let Source::Constant(constant) = sources[0] else {
        panic!("{sources:?}");
    };
    assert_eq!(constant.numbers().unwrap(), [1.0, 2.0]);
    let (network, input) = (Source::Network(0), Source::Input(0));
    assert_eq!(sources[1..], [&Source::Part(0), &network, &input, &network]);
    assert_eq!(layout.enters[0].source, Source::Part(0));
    assert_eq!(layout.outputs[1].declared.dtype, "int64");
    assert!(!layout.is_plain());
}

/// `ENDS` with names for its outputs.
fn named(names: &[&str]) -> Artifact {
    let mut bundle = bundle("a_dla_main_0");
    bundle.options.outputs = names.iter().map(|name| name.to_string()).collect();
    let params = params::tests::file("p0", &[1.0, 2.0]);
    let files: [(&str, &[u8]); 3] = [
        ("mod.so", &library(&[bundle])),
        ("mod.json", ENDS.as_bytes()),
        ("mod.params", &params),
    ];
    read(tar(&files)).unwrap()
}

#[test]
fn outputs_have_the_names_of_the_models_file_or_their_numbers() {
    let known = ["anchors", "best", "scores", "image", "scores again"];
    let numbered: Vec<String> = (0..5).map(|at| format!("output_{at}")).collect();
    let cases: [(&[&str], Vec<&str>, &str); 3] = [
        (&known, known.to_vec(), "known"),
        (
            &[],
            vec!["output_0", "output_1", "output_2", "x", "output_4"],
            "unknown",
        ),
        (
            &["one"],
            vec!["output_0", "output_1", "output_2", "x", "output_4"],
            "not theirs",
        ),
    ];
    for (given, want, why) in cases {
        let artifact = named(given);
        let layout = artifact.layout().unwrap();
        let outputs = layout.outputs.iter();
        let got: Vec<&str> = outputs.map(|o| o.declared.name.as_str()).collect();
        assert_eq!(got, want, "{why}");
        let is_known = given.len() == 5;
        let names = artifact.output_names();
        assert_eq!(
            names,
            if is_known {
                want
            } else {
                numbered.iter().map(String::as_str).collect()
            }
        );
        let network = &artifact.network().unwrap().graph;
        let own = &network.tensor(network.outputs[0]).name;
        assert_eq!(own == "scores", is_known, "{why}: {own}");
    }
}

#[test]
fn a_tensor_that_has_an_outputs_name_gives_way() {
    let mut bundle = bundle("net");
    bundle.options.outputs = vec!["dla_0_i0".to_string()];
    let artifact = read(bundle.to_bytes()).unwrap();
    let graph = &artifact.network().unwrap().graph;
    let name = |id: crate::graph::TensorId| graph.tensor(id).name.as_str();
    assert_eq!(name(graph.outputs[0]), "dla_0_i0");
    assert_eq!(name(graph.inputs[0]), "dla_0_i0_1");
    graph.validate().unwrap();
}

#[test]
fn a_part_is_a_graph_of_its_own() {
    let params = Params::parse(&params::tests::file("p0", &[1.0, 2.0])).unwrap();
    let json = GraphJson::parse(Path::new("m"), ENDS.as_bytes(), params).unwrap();
    let layout = Layout::of(&json, "a_dla_main_0").unwrap();
    let (head, tail) = (layout.head.unwrap(), layout.tail.unwrap());
    assert_eq!(head.functions, ["abs"]);
    let twice = "what both need is computed twice, and a reshape is no function";
    assert_eq!(tail.functions, ["abs", "exp"], "{twice}");
    let text: serde_json::Value = serde_json::from_str(&tail.text).unwrap();
    let nodes = text["nodes"].as_array().unwrap();
    let names: Vec<&str> = nodes.iter().filter_map(|n| n["name"].as_str()).collect();
    assert_eq!(names, ["x", "net:0", "abs", "re", "exp"]);
    let of = |value: &str| -> serde_json::Value { serde_json::from_str(value).unwrap() };
    assert_eq!(text["nodes"][4]["inputs"], of("[[3, 0, 0], [2, 0, 0]]"));
    assert_eq!(text["nodes"][4]["attrs"]["x"], "1", "attributes stay");
    assert_eq!(text["arg_nodes"], of("[0, 1]"));
    assert_eq!(text["heads"], of("[[4, 0, 0]]"));
    let storage = &text["attrs"]["storage_id"][1];
    assert_eq!(storage, &of("[0, 1, 2, 1, 4]"), "a reshape is in place");
}

#[test]
fn a_library_names_the_parameters_it_brings() {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let call = r#"{"op":"tvm_op","name":"f","attrs":{"func_name":"f"},"inputs":[[0,0,0],[1,0,0],[2,0,0]]}"#;
    let names = ["other", "image", "p1"];
    let nodes = names.map(|name| format!(r#"{{"op":"null","name":"{name}","inputs":[]}}"#));
    let json = format!(
        r#"{{"nodes":[{},{call}],"arg_nodes":[0,1,2],"heads":[[3,0,0]]}}"#,
        nodes.join(",")
    );
    let mut so = library(&[bundle("a_dla_main_0")]);
    so.extend(text("GraphExecutorFactory"));
    so.extend(text(&json));
    so.extend(params::tests::behind_graph("p1", &[1.0]));
    so.extend(b"more of the library");
    let artifact = read(so).unwrap();
    let inputs = artifact.graph.unwrap().inputs();
    let inputs: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(inputs, ["other", "image"]);
}

#[test]
fn a_bundle_alone_is_an_artifact() {
    let bundle = bundle("net");
    let artifact = read(bundle.to_bytes()).unwrap();
    assert_eq!(artifact.network(), Ok(&bundle));
}

#[test]
fn other_files_are_named_with_what_is_wrong() {
    let so = library(&[bundle("x_dla_main_0")]);
    let mut flipped = so.clone();
    let last = so.len() - 40;
    flipped[last] ^= 1;
    let cut = so[..so.len() - 30].to_vec();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"hello".to_vec(), "is not a compiled model"),
        (vec![], "is not a compiled model"),
        (b"\x7fELF nothing".to_vec(), "holds no network"),
        (tar(&[("mod.so", &so)]), "has no mod.json"),
        (tar(&[("metadata.json", b"{}")]), "has no mod.so"),
        (tar(&[("mod.so", &so), ("mod.json", b"[]")]), "execution graph"),
        (flipped, "damaged"),
        (cut, "truncated"),
    ];
    for (bytes, want) in cases {
        let error = read(bytes).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains(want), "{want}: {error}");
    }
    let missing = Artifact::read(Path::new("/no/such/file")).err().unwrap();
    assert!(missing.to_string().contains("/no/such/file"), "{missing}");
}
