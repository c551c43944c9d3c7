//! The documents: links lead somewhere, files that are named exist, and the program understands what it is said to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli_support::Folder;

const FOLDERS: [&str; 8] = [
    "crates/",
    "data/",
    "docs/",
    "examples/",
    "patches/",
    "scripts/",
    "src/",
    "tests/",
];

struct Document {
    path: PathBuf,
    text: String,
}

/// Every document for people, but for the change log, which tells of files that are gone.
fn documents() -> Vec<Document> {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let mut found = [files(house), files(&house.join("docs"))].concat();
    found.retain(|path| path.extension().is_some_and(|e| e == "md"));
    found.retain(|path| !path.ends_with("CHANGELOG.md"));
    found.sort();
    let read = |path: PathBuf| Document {
        text: fs::read_to_string(&path).unwrap(),
        path,
    };
    found.into_iter().map(read).collect()
}

impl Document {
    fn folder(&self) -> &Path {
        self.path.parent().unwrap()
    }

    /// Lines within fences of `language`, or without one of any, as `None` asks.
    fn lines(&self, language: Option<&str>) -> Vec<&str> {
        let mut within: Option<&str> = None;
        let mut lines = Vec::new();
        for line in self.text.lines() {
            match (line.trim_start().strip_prefix("```"), within) {
                (Some(_), Some(_)) => within = None,
                (Some(fence), None) => within = Some(fence),
                (None, _) if within == language => lines.push(line),
                (None, _) => {}
            }
        }
        lines
    }

    /// What headings are called in links.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.lines(None).into_iter().filter(|line| line.starts_with('#'));
        headings
            .map(|line| anchor(line.trim_start_matches('#').trim()))
            .collect()
    }

    fn links(&self) -> Vec<String> {
        let text = self.lines(None).join("\n");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets.map(str::to_string).collect()
    }

    /// Words in code within the text.
    fn words(&self) -> Vec<String> {
        let text = self.lines(None).join("\n");
        text.split('`').skip(1).step_by(2).map(str::to_string).collect()
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    let documents = documents();
    let mut broken = Vec::new();
    for document in &documents {
        for link in document.links().iter().filter(|link| !link.contains("://")) {
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let path = match file {
                "" => document.path.clone(),
                file => document.folder().join(file),
            };
            let at = fs::canonicalize(&path).ok();
            let other = documents.iter().find(|other| Some(&other.path) == at.as_ref());
            let there = place.is_empty() || other.is_some_and(|o| o.anchors().contains(place));
            if at.is_none() || !there {
                broken.push(format!("{}: {link}", document.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn files_that_are_named_exist() {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut gone = Vec::new();
    for document in documents() {
        for word in document.words() {
            let word = word.trim_start_matches("./");
            let named = word.split(' ').next().unwrap_or_default();
            let plain = named.chars().all(|c| c.is_alphanumeric() || "_./-".contains(c));
            let inside = FOLDERS.iter().any(|folder| named.starts_with(folder));
            if plain && inside && !house.join(named).exists() {
                gone.push(format!("{}: {named}", document.path.display()));
            }
        }
    }
    assert!(gone.is_empty(), "{gone:#?}");
}

/// With `--help` in the end a command does nothing, but only after it has read what stands before.
#[test]
fn commands_are_understood() {
    let folder = Folder::new();
    let mut tried = 0;
    for document in documents() {
        for line in document.lines(Some("sh")) {
            let Some(line) = line.trim().strip_prefix("tvm-dla ") else {
                continue;
            };
            let words = line.split(" #").next().unwrap_or_default();
            let words = words.split(" >").next().unwrap_or_default();
            folder.run(&format!("{words} --help")).expect(0);
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried} commands were found in the documents");
}
