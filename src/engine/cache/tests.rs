//! A plan comes back as it was stored, or not at all.

use std::fs;
use std::sync::Barrier;

use super::*;
use crate::engine::StageKind;
use crate::plan::Device;

fn key() -> CacheKey {
    CacheKey {
        network: "net".into(),
        stage: StageKind::Prefix,
        digest: "d".repeat(64),
        device: DeviceKind::Dla,
        batch: 16,
        precision: "fp16".into(),
        options: "{}".into(),
        library: "TensorRT 8.5.2".into(),
        gpu: "Xavier".into(),
        compute_capability: (7, 2),
        program: "0.1.0".into(),
    }
}

fn cache() -> (tempfile::TempDir, EngineCache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = EngineCache::new(folder.path().join("not/there yet"));
    (folder, cache)
}

#[test]
fn a_stored_plan_is_found_again() {
    let (_folder, cache) = cache();
    assert_eq!(cache.load(&key()), Lookup::Absent);
    assert!(cache.list().unwrap().is_empty(), "no folder is no entry");
    for plan in [&b"first"[..], b"", b"the second replaces the first"] {
        let path = cache.store(&key(), plan).unwrap();
        assert_eq!(path, cache.path(&key()));
        assert_eq!(cache.load(&key()), Lookup::Hit(plan.to_vec()));
    }
    assert_eq!(fs::read_dir(cache.folder()).unwrap().count(), 1, "no part");
}

#[test]
fn whatever_differs_makes_another_file() {
    type Change = fn(&mut CacheKey);
    let changes: [(&str, Change); 11] = [
        ("network", |k| k.network = "other".into()),
        ("stage", |k| k.stage = StageKind::Whole),
        ("digest", |k| k.digest = "e".repeat(64)),
        ("device", |k| k.device = DeviceKind::Gpu),
        ("batch", |k| k.batch = 17),
        ("precision", |k| k.precision = "int8".into()),
        ("options", |k| k.options = "{\"workspace\":1}".into()),
        ("library", |k| k.library = "TensorRT 8.5.3".into()),
        ("gpu", |k| k.gpu = "Orin".into()),
        ("capability", |k| k.compute_capability = (8, 7)),
        ("program", |k| k.program = "0.2.0".into()),
    ];
    let mut names = vec![key().file_name()];
    for (what, change) in changes {
        let mut other = key();
        change(&mut other);
        let name = other.file_name();
        assert!(!names.contains(&name), "{what}");
        names.push(name);
    }
}

#[test]
fn both_cores_share_a_file_and_the_gpu_has_its_own() {
    let kinds = [Device::Gpu, Device::Dla(0), Device::Dla(1)].map(DeviceKind::from);
    assert_eq!(kinds, [DeviceKind::Gpu, DeviceKind::Dla, DeviceKind::Dla]);
}

#[test]
fn every_damage_is_seen() {
    let (_folder, cache) = cache();
    let path = cache.store(&key(), b"serialised engine").unwrap();
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for changed in [whole[at] ^ 1, whole[at] ^ 0x80] {
            let mut bytes = whole.clone();
            bytes[at] = changed;
            fs::write(&path, &bytes).unwrap();
            let found = cache.load(&key());
            assert!(matches!(found, Lookup::Unusable { .. }), "byte {at}");
        }
        fs::write(&path, &whole[..at]).unwrap();
        let found = cache.load(&key());
        assert!(matches!(found, Lookup::Unusable { .. }), "cut at {at}");
    }
    fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    assert!(matches!(cache.load(&key()), Lookup::Unusable { .. }));
    assert!(cache.list().unwrap()[0].key.is_err());
    cache.store(&key(), b"built again").unwrap();
    assert_eq!(cache.load(&key()), Lookup::Hit(b"built again".to_vec()));
}

#[test]
fn a_plan_of_another_engine_is_refused() {
    let (_folder, cache) = cache();
    let mut other = key();
    other.batch = 1;
    let stored = cache.store(&other, b"for batch 1").unwrap();
    fs::rename(stored, cache.path(&key())).unwrap();
    let Lookup::Unusable { reason, .. } = cache.load(&key()) else {
        panic!("a foreign plan was used");
    };
    assert!(reason.contains("something else"), "{reason}");
}

#[test]
fn clearing_removes_what_is_ours_only() {
    let (_folder, cache) = cache();
    cache.store(&key(), b"12345").unwrap();
    for (name, ours) in [
        (".part-killed", true),
        ("notes.txt", false),
        ("short.plan", false),
    ] {
        fs::write(cache.folder().join(name), b"").unwrap();
        let listed = cache.list().unwrap().len();
        assert_eq!(listed, 1, "{name} ({ours}) is no plan");
    }
    let bytes = fs::metadata(cache.path(&key())).unwrap().len();
    assert_eq!(cache.clear().unwrap(), ClearedFiles { files: 2, bytes });
    assert_eq!(cache.clear().unwrap(), ClearedFiles::default());
    assert_eq!(fs::read_dir(cache.folder()).unwrap().count(), 2);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = EngineCache::new(file.join("cache")).store(&key(), b"plan");
    let text = error.unwrap_err().to_string();
    assert!(text.contains("cannot store the engine as"), "{text}");
    assert!(text.contains("file/cache"), "{text}");
}

#[test]
fn writers_at_the_same_time_leave_one_whole_file() {
    let (_folder, cache) = cache();
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        for writer in 0..4u8 {
            let (cache, start) = (&cache, &start);
            scope.spawn(move || {
                start.wait();
                for _ in 0..10 {
                    cache.store(&key(), &vec![writer; 10_000]).unwrap();
                    let Lookup::Hit(plan) = cache.load(&key()) else {
                        panic!("a torn file");
                    };
                    assert!(plan.windows(2).all(|pair| pair[0] == pair[1]));
                }
            });
        }
    });
    assert_eq!(cache.list().unwrap().len(), 1);
}
