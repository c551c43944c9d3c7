//! Which objects the program holds: children die before their parents, and none is left at the end.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::journal;

struct Alive {
    kind: String,
    parent: u64,
}

struct Objects {
    last: u64,
    alive: BTreeMap<u64, Alive>,
}

static OBJECTS: Mutex<Objects> = Mutex::new(Objects {
    last: 0,
    alive: BTreeMap::new(),
});

fn objects() -> MutexGuard<'static, Objects> {
    OBJECTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A new object; `parent` is one that has to outlive it, 0 for none.
pub fn born(kind: &str, parent: u64) -> u64 {
    let mut objects = objects();
    objects.last += 1;
    let (id, kind) = (objects.last, kind.to_string());
    objects.alive.insert(id, Alive { kind, parent });
    id
}

pub fn died(id: u64) {
    let mut objects = objects();
    let Some(dead) = objects.alive.remove(&id) else {
        return journal::violation(&format!("object {id} is destroyed twice"));
    };
    let orphans = objects.alive.values().filter(|a| a.parent == id);
    let orphans: Vec<&str> = orphans.map(|a| a.kind.as_str()).collect();
    if !orphans.is_empty() {
        let parent = dead.kind;
        journal::violation(&format!("{parent} is destroyed before its {orphans:?}"));
    }
}

/// Kinds of the objects still alive, with how many of each.
pub fn left() -> BTreeMap<String, usize> {
    let mut left = BTreeMap::new();
    for alive in objects().alive.values() {
        *left.entry(alive.kind.clone()).or_default() += 1;
    }
    left
}
