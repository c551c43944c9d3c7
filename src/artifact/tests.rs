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
    let whole = artifact.whole().unwrap();
    assert_eq!(whole.graph.tensor(whole.graph.inputs[0]).name, "image");
}

#[test]
fn what_tvm_kept_makes_it_parts() {
    let so = library(&[bundle("a_dla_main_0")]);
    let json = graph(&["a_dla_main_0", "fused_exp"]);
    let artifact = read(tar(&[("mod.so", &so), ("mod.json", json.as_bytes())])).unwrap();
    let error = artifact.whole().unwrap_err().to_string();
    assert!(error.contains("TVM kept 1 function"), "{error}");
}

#[test]
fn a_library_names_the_parameters_it_brings() {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let call = r#"{"op":"tvm_op","name":"f","attrs":{"func_name":"f"},"inputs":[[0,0,0],[1,0,0],[2,0,0]]}"#;
    let names = ["p0", "image", "p1"];
    let nodes = names.map(|name| format!(r#"{{"op":"null","name":"{name}","inputs":[]}}"#));
    let json = format!(
        r#"{{"nodes":[{},{call}],"arg_nodes":[0,1,2],"heads":[[3,0,0]]}}"#,
        nodes.join(",")
    );
    let mut so = library(&[bundle("a_dla_main_0")]);
    so.extend(text("GraphExecutorFactory"));
    so.extend(text(&json));
    so.extend(2u64.to_le_bytes());
    so.extend(2u64.to_le_bytes());
    so.extend([text("p1"), text("p0")].concat());
    so.extend(b"the parameters themselves");
    let artifact = read(so).unwrap();
    let inputs = artifact.graph.unwrap().inputs();
    let inputs: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(inputs, ["image"]);
}

#[test]
fn a_bundle_alone_is_an_artifact() {
    let bundle = bundle("net");
    let artifact = read(bundle.to_bytes()).unwrap();
    assert_eq!(artifact.whole(), Ok(&bundle));
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
        (
            tar(&[("mod.so", &so), ("mod.json", b"[]")]),
            "execution graph",
        ),
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
