//! The tables of the book name all that there is: options of attributes, settings, statuses, flags of the command.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A file of the workspace.
fn source(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The words between two marks, as all that stands in backquotes.
fn between<'text>(text: &'text str, from: &str, to: &str) -> BTreeSet<&'text str> {
    text.split(from).skip(1).map(|rest| rest.split(to).next().unwrap()).collect()
}

fn pages() -> String {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let pages = fs::read_dir(book).unwrap().map(|page| page.unwrap().path());
    let pages = pages.filter(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.map(|page| fs::read_to_string(page).unwrap()).collect()
}

#[track_caller]
fn assert_named(what: &str, names: BTreeSet<&str>, least: usize, is_named: impl Fn(&str) -> bool) {
    assert!(names.len() >= least, "{what}: only {names:?} were found in the source");
    let missing: Vec<_> = names.into_iter().filter(|name| !is_named(name)).collect();
    assert!(missing.is_empty(), "{what}: the book leaves out {missing:?}");
}

/// The options that a macro says it knows, in one of its errors.
fn options(error: &str) -> BTreeSet<String> {
    let error = source(error);
    let line = error.lines().find(|line| line.contains("expected one of")).unwrap();
    let listed = line.split("expected one of").nth(1).unwrap();
    listed.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// The rows of the tables of a page.
fn rows(page: &str) -> Vec<String> {
    source(page).lines().filter(|line| line.starts_with('|')).map(ToOwned::to_owned).collect()
}

#[test]
fn all_options_of_attributes_are_in_a_table() {
    for (page, error, attribute) in [
        ("book/src/factories.md", "tests/ui/factory/fail/unknown-option.stderr", ""),
        ("macros/src/docs/factory.md", "tests/ui/factory/fail/unknown-option.stderr", ""),
        ("book/src/deliveries.md", "tests/ui/delivery/fail/unknown-option.stderr", "#[delivery("),
    ] {
        let rows = rows(page);
        let options = options(error);
        assert_named(page, options.iter().map(String::as_str).collect(), 7, |option| {
            rows.iter().any(|row| {
                let written = row.split('|').nth(1).unwrap_or_default();
                written.contains(attribute)
                    && written.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == option)
            })
        });
    }
}

#[test]
fn all_statuses_are_in_the_table() {
    let report = source("runtime/src/run/report.rs");
    let names = report.lines().filter_map(|line| line.trim().strip_prefix("Status::")?.split("=> \"").nth(1));
    let names = names.map(|rest| rest.split('"').next().unwrap()).collect();
    let rows = rows("book/src/first-pipeline.md");
    assert_named("statuses", names, 9, |name| {
        rows.iter().any(|row| row.starts_with(&format!("| `{name}` |")))
    });
}

#[test]
fn all_events_are_in_the_table() {
    let event = source("runtime/src/run/event.rs");
    let variants = event.split("pub enum Event<").nth(1).unwrap().split("\n}").next().unwrap();
    let names = variants.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(" {"));
    let names: BTreeSet<_> = names.filter(|name| !name.starts_with(' ')).collect();
    let terminal = event.split("fn is_terminal").nth(1).unwrap().split("=> true").next().unwrap();
    let terminal = between(terminal, "Event::", " ");
    let rows = rows("book/src/running.md");
    let row = |name: &str| {
        let name = format!("`{name}`");
        rows.iter().find(|row| row.split('|').nth(1).unwrap().split(", ").any(|cell| cell.trim() == name))
    };
    assert_named("events", names, 18, |name| row(name).is_some());
    assert_named("terminal events", terminal, 9, |name| row(name).unwrap().ends_with("| terminal |"));
}

#[test]
fn all_settings_are_named() {
    let read = source("runtime/src/policy/settings/read.rs");
    let lists = read.split("pub(super) const ").skip(1).map(|list| list.split("];").next().unwrap());
    let keys: BTreeSet<_> =
        lists.filter(|list| list.contains("&[&str]")).flat_map(|list| between(list, "\"", "\"")).collect();
    let keys: BTreeSet<_> =
        keys.into_iter().filter(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '_')).collect();
    let page = source("book/src/settings.md");
    let example = "runtime/src/policy/settings/example.toml";
    assert!(page.contains(&format!("{{{{#include ../../{example}}}}}")), "the page has another example");
    let example = source(example);
    let words: BTreeSet<_> = example.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let is_named = |key: &str| words.contains(key);
    assert_named("settings", keys, 20, is_named);
}

#[test]
fn all_methods_of_the_context_are_in_the_table() {
    let context = source("runtime/src/context.rs");
    let methods = between(&context, "\n    pub fn ", "(").into_iter();
    let methods = methods.map(|method| method.split('<').next().unwrap()).collect();
    let rows = rows("book/src/deliveries.md");
    assert_named("methods of `Context`", methods, 9, |method| {
        rows.iter().any(|row| row.contains(&format!("`{method}(")))
    });
}

#[test]
fn all_commands_and_flags_are_named() {
    let main = source("runtime/src/bin/setl/main.rs");
    let pages = pages();
    let mut flags = BTreeSet::new();
    let mut lines = main.lines();
    while let Some(line) = lines.next() {
        if line.trim().starts_with("#[arg(") && line.contains("long") {
            let field = lines.next().unwrap().trim();
            flags
                .insert(field.trim_start_matches("pub(crate) ").split(':').next().unwrap().replace('_', "-"));
        }
    }
    let flags = flags.iter().map(String::as_str).collect();
    assert_named("flags", flags, 5, |flag| pages.contains(&format!("--{flag}")));
    for command in ["history", "recommend", "recover", "cache list", "cache prune", "cache clear"] {
        assert!(pages.contains(&format!("setl {command}")), "the book leaves out `setl {command}`");
    }
}
