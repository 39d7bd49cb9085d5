//! The words of the documentation: each summary names its item, or starts with a verb.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// A summary that starts with one of these has to be read twice.
const UNCLEAR: [&str; 12] =
    ["As", "How", "Of", "So", "That", "What", "Where", "Whether", "Who", "Whoever", "Whose", "Why"];

/// The sources of all crates that are published.
fn sources() -> Vec<PathBuf> {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut directories =
        ["src", "commit/src", "learn/src", "../macros/src"].map(|path| runtime.join(path)).to_vec();
    let mut files = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => directories.push(path),
                false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
                false => {}
            }
        }
    }
    files
}

/// The lines of a text that begin a doc comment, with their numbers.
fn summaries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut before = None;
    text.lines().enumerate().filter_map(move |(number, line)| {
        let doc = line.trim_start().strip_prefix("///").filter(|rest| !rest.starts_with('/'));
        let is_first = before.replace(doc.is_some()) != Some(true);
        Some((number + 1, doc.filter(|_| is_first)?.trim()))
    })
}

#[test]
fn each_summary_is_understood_at_first_sight() {
    let mut seen = 0;
    let mut unclear = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        // What the macros are tested with is not their documentation, nor is what the command prints as help.
        if path.iter().any(|part| matches!(part.to_str(), Some("snapshots" | "snapshots.rs" | "bin"))) {
            continue;
        }
        for (line, summary) in summaries(&text) {
            seen += 1;
            let word = summary.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            if UNCLEAR.contains(&word) {
                unclear.push(format!("{}:{line}: {summary}", path.display()));
            }
        }
    }
    assert!(seen > 3000, "only {seen} summaries were found");
    assert!(
        unclear.is_empty(),
        "start with a verb, or with the noun that names the item:\n{}",
        unclear.join("\n")
    );
}

/// Where each type of the prelude is documented.
const PRELUDE: [(&str, &str); 9] = [
    ("src/context.rs", "pub struct Context"),
    ("src/factory.rs", "pub trait Factory"),
    ("src/factory.rs", "pub trait Rollback"),
    ("src/plan/dynamic.rs", "pub struct Pipeline"),
    ("src/policy/mark.rs", "pub trait Classify"),
    ("src/dataset/typed.rs", "pub struct Dataset"),
    ("src/storage/repository.rs", "pub struct Repository"),
    ("src/storage/csv.rs", "pub struct Csv"),
    ("src/storage/parquet.rs", "pub struct Parquet"),
];

#[test]
fn the_types_of_the_prelude_have_an_example() {
    for (file, item) in PRELUDE {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let lines: Vec<_> = text.lines().map(str::trim_start).collect();
        let is_item = |line: &&str| {
            line.strip_prefix(item).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        };
        let at = lines.iter().position(is_item).unwrap_or_else(|| panic!("{file}: no {item}"));
        let mut docs = lines[..at].iter().rev().take_while(|line| !line.is_empty());
        assert!(docs.any(|line| line.contains("```")), "{file}: {item} has no example");
    }
}
