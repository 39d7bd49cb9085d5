//! Random items through the macros: whatever they are, their wiring is checked, or there is an error of setl.
//!
//! Each item is a factory that makes something, one that takes it, and two pipelines: one that lists both, and one from
//! which the maker is missing. If the first compiles, the second must not. If the first does not compile, at least one of
//! its errors must be of setl.
//!
//! `SETL_TEST_ITEMS=20000 SETL_TEST_SEED=7 cargo test -p setl-tests --test hostile_items` tries more, and others.

mod compiler;
mod generate;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use compiler::{Compiler, Diagnostic};
use generate::{Item, Random};
use setl_tests::package::Package;

/// How many items are compiled together: rustc takes long to start, and holds all of them in memory.
const BATCH: usize = 250;

fn number(variable: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(variable) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{variable}: `{text}` is no number"))
}

/// What became of the items.
#[derive(Debug, Default)]
struct Tally {
    compile: usize,
    refused: usize,
    wrong: Vec<String>,
}

#[test]
fn hostile_items_are_checked_or_refused() {
    let (items, seed) = (number("SETL_TEST_ITEMS", 2000), number("SETL_TEST_SEED", 1));
    println!("SETL_TEST_SEED={seed} SETL_TEST_ITEMS={items}");
    let compiler = Compiler::new();
    let mut random = Random::new(seed);
    let items: Vec<_> = (0..items as usize).map(|index| Item::random(index, &mut random)).collect();
    let mut tally = Tally::default();
    for batch in items.chunks(BATCH) {
        check(&compiler, batch, &mut tally);
    }
    println!("{} compile with their wiring checked, {} are refused", tally.compile, tally.refused);
    assert!(
        tally.wrong.is_empty(),
        "seed {seed}: {} are wrong\n{}",
        tally.wrong.len(),
        tally.wrong.join("\n")
    );
    // Otherwise the generator makes nothing but mistakes, or none.
    assert!(tally.compile > items.len() / 3, "{tally:?}");
    assert!(tally.refused > items.len() / 10, "{tally:?}");
}

#[test]
fn a_dependency_with_another_name_is_found() {
    let package = Package::new("renamed");
    let manifest = Package::manifest("renamed", "");
    let renamed = manifest.replace("setl = { ", "etl = { package = \"setl\", ");
    assert_ne!(renamed, manifest);
    package.write("Cargo.toml", &renamed);
    package.write(
        "src/lib.rs",
        "use etl::prelude::*;\n\
         #[factory]\nfn read() -> u8 { 1 }\n\
         #[factory(output = u16)]\nstruct Double { #[delivery] one: u8 }\n\
         impl Factory for Double { async fn process(&mut self) -> Result<u16> { Ok(u16::from(self.one) * 2) } }\n\
         #[pipeline(extract(read), transform(Double))]\npub struct Daily;\n\
         #[pipeline(transform(Double))]\npub struct Broken;\n",
    );
    let errors = compiler::errors(&package);
    assert!(!errors.is_empty());
    assert!(errors.iter().all(|error| error.is_of("Broken")), "{errors:?}");
}

fn check(compiler: &Compiler, batch: &[Item], tally: &mut Tally) {
    let all: Vec<_> = batch.iter().collect();
    let found = compile(compiler, &all, Item::with_both);
    let mut left = Vec::new();
    for item in batch {
        let errors = found.get(&item.index).map(Vec::as_slice).unwrap_or_default();
        let (of_broken, others): (Vec<_>, Vec<_>) =
            errors.iter().partition(|error| error.is_of(&item.broken_name()));
        if others.is_empty() && of_broken.is_empty() {
            tally.wrong.push(told(item, "is not checked: it compiles without its producer", &[]));
        } else if others.is_empty() {
            left.push(item);
        } else {
            refused(item, &others, tally);
        }
    }
    // Some errors come only when there are no others.
    while !left.is_empty() {
        let found = compile(compiler, &left, Item::with_whole);
        if found.is_empty() {
            tally.compile += left.len();
            break;
        }
        left.retain(|item| match found.get(&item.index) {
            Some(errors) => {
                refused(item, &errors.iter().collect::<Vec<_>>(), tally);
                false
            }
            None => true,
        });
    }
}

fn refused(item: &Item, errors: &[&Diagnostic], tally: &mut Tally) {
    if errors.iter().any(|error| error.is_of_setl()) {
        tally.refused += 1;
    } else {
        tally.wrong.push(told(item, "is refused without an error of setl", errors));
    }
}

fn told(item: &Item, what: &str, errors: &[&Diagnostic]) -> String {
    let mut text = format!("--- item {} {what}:\n{}\n", item.index, item.with_both());
    for error in errors {
        let _ = writeln!(text, "{}", error.rendered);
    }
    text
}

/// The errors of each item, by its index.
fn compile(
    compiler: &Compiler,
    items: &[&Item],
    text: fn(&Item) -> String,
) -> BTreeMap<usize, Vec<Diagnostic>> {
    let mut source = generate::SUPPORT.to_owned();
    let mut ends = Vec::new();
    for item in items {
        source.push_str(&text(item));
        ends.push((source.lines().count(), item.index));
    }
    let mut found: BTreeMap<usize, Vec<Diagnostic>> = BTreeMap::new();
    for error in compiler.check(&source) {
        let at = ends.partition_point(|(end, _)| *end < error.line);
        let Some((_, index)) = ends.get(at) else { panic!("of no item: {}", error.rendered) };
        assert!(error.line > generate::SUPPORT.lines().count(), "of no item: {}", error.rendered);
        found.entry(*index).or_default().push(error);
    }
    found
}
