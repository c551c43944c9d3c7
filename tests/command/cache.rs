//! `tvm-dla cache` shows and removes what is there, and nothing else.

use crate::cli_support::Folder;
use tvm_dla::engine::StageKind;
use tvm_dla::engine::cache::{CacheKey, DeviceKind, EngineCache};

fn key(batch: usize) -> CacheKey {
    CacheKey {
        network: "net".into(),
        stage: StageKind::Prefix,
        digest: "0".repeat(64),
        device: DeviceKind::Dla,
        batch,
        precision: "fp16".into(),
        options: "{}".into(),
        library: "TensorRT 8.5.2".into(),
        gpu: "Xavier".into(),
        compute_capability: (7, 2),
        program: "0.1.0".into(),
    }
}

#[test]
fn engines_are_listed_and_removed() {
    let folder = Folder::new();
    let cache = EngineCache::new(folder.path("plans"));
    let empty = folder.run("cache list --cache plans").expect(0);
    assert!(empty.stdout.contains("0 engines"), "{}", empty.stdout);
    cache.store(&key(1), b"good").unwrap();
    let damaged = cache.store(&key(2), b"damaged").unwrap();
    let bytes = std::fs::read(&damaged).unwrap();
    std::fs::write(&damaged, &bytes[..bytes.len() - 1]).unwrap();
    folder.write("plans/mine.txt", b"not an engine");

    let text = folder.run("cache list --cache plans").expect(0).stdout;
    for part in [
        "2 engines",
        "prefix of net",
        "dla x1 fp16",
        "6 bytes instead of 7",
    ] {
        assert!(text.contains(part), "`{part}` in:\n{text}");
    }
    let listed = folder.run("--json cache list --cache plans").json();
    let engines = listed["engines"].as_array().unwrap();
    let usable = engines.iter().filter(|e| e["unusable"].is_null());
    assert_eq!((engines.len(), usable.count()), (2, 1));

    let removed = folder.run("--json cache clear --cache plans").json();
    assert_eq!(removed["files"], 2);
    assert!(folder.path("plans/mine.txt").exists(), "it is not ours");
    assert!(cache.list().unwrap().is_empty());
}

#[test]
fn the_folder_comes_from_the_environment_when_it_is_not_named() {
    let folder = Folder::new();
    let home = folder.path("home");
    let cases = [
        (vec![("HOME", home.clone())], home.join(".cache/tvm-dla")),
        (
            vec![("HOME", home.clone()), ("XDG_CACHE_HOME", home.join("x"))],
            home.join("x/tvm-dla"),
        ),
        (
            vec![("HOME", home.clone()), ("TVM_DLA_CACHE", home.join("own"))],
            home.join("own"),
        ),
    ];
    for (variables, want) in cases {
        let mut command = folder.command("cache list");
        command.env_remove("XDG_CACHE_HOME").env_remove("TVM_DLA_CACHE");
        let output = command.envs(variables).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with(want.to_str().unwrap()), "{text}");
    }
}

#[test]
fn without_a_home_a_folder_is_asked_for() {
    let folder = Folder::new();
    let mut command = folder.command("cache clear");
    for name in ["HOME", "XDG_CACHE_HOME", "TVM_DLA_CACHE"] {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("--cache DIR"), "{text}");
}
