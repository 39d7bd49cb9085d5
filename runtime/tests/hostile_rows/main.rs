//! Random structs through `#[derive(Row)]`: each is a row with all its columns, or there is an error of setl.
//!
//! Each item is a struct, checks of the constants of its columns, and the same struct with one more field that cannot be a
//! column. If the first compiles, the second must not. If the first does not compile, at least one of its errors must be of setl.
//!
//! `SETL_TEST_ROWS=20000 SETL_TEST_SEED=7 cargo test --workspace --test hostile_rows` tries more, and others.

mod compiler;
mod generate;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use compiler::{Compiler, Diagnostic};
use generate::Item;

/// The number of items that are compiled together.
const BATCH: usize = 250;

fn number(variable: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(variable) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{variable}: `{text}` is no number"))
}

/// The results of all items.
#[derive(Debug, Default)]
struct Tally {
    compile: usize,
    refused: usize,
    wrong: Vec<String>,
}

#[test]
fn hostile_rows_are_checked_or_refused() {
    let (rows, seed) = (number("SETL_TEST_ROWS", 1000), number("SETL_TEST_SEED", 1));
    println!("SETL_TEST_SEED={seed} SETL_TEST_ROWS={rows}");
    let compiler = Compiler::new();
    let mut random = fastrand::Rng::with_seed(seed);
    let items: Vec<_> = (0..rows as usize).map(|index| Item::random(index, &mut random)).collect();
    let mut tally = Tally::default();
    for batch in items.chunks(BATCH) {
        check(&compiler, batch, &mut tally);
    }
    println!("{} are rows, {} are refused", tally.compile, tally.refused);
    assert!(
        tally.wrong.is_empty(),
        "seed {seed}: {} are wrong\n{}",
        tally.wrong.len(),
        tally.wrong.join("\n")
    );
    // Otherwise the generator makes nothing but mistakes, or none.
    assert!(tally.compile > items.len() / 4, "{tally:?}");
    assert!(tally.refused > items.len() / 10, "{tally:?}");
}

fn check(compiler: &Compiler, batch: &[Item], tally: &mut Tally) {
    let all: Vec<_> = batch.iter().collect();
    let found = compile(compiler, &all, Item::with_both);
    let mut left = Vec::new();
    for item in batch {
        let errors = found.get(&item.index).map(Vec::as_slice).unwrap_or_default();
        let (of_whole, of_broken): (Vec<_>, Vec<_>) =
            errors.iter().partition(|(line, _)| *line <= item.lines_of_whole());
        if !of_whole.is_empty() {
            refused(item, &of_whole, tally);
        } else if of_broken.iter().any(|(_, error)| error.is_of_setl()) {
            left.push(item);
        } else {
            let errors: Vec<_> = of_broken.iter().map(|(_, error)| error).collect();
            tally.wrong.push(told(item, "is not checked: no error of setl tells of its last field", &errors));
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

fn refused(item: &Item, errors: &[&(usize, Diagnostic)], tally: &mut Tally) {
    if errors.iter().any(|(_, error)| error.is_of_setl()) {
        tally.refused += 1;
    } else {
        let errors: Vec<_> = errors.iter().map(|(_, error)| error).collect();
        tally.wrong.push(told(item, "is refused without an error of setl", &errors));
    }
}

fn told(item: &Item, what: &str, errors: &[&Diagnostic]) -> String {
    let mut text = format!("--- item {} {what}:\n{}\n{}\n", item.index, item.with_both(), item.with_whole());
    for error in errors {
        let _ = writeln!(text, "{}", error.rendered);
    }
    text
}

/// Returns the errors of each item by its index, each with its line in the item.
fn compile(
    compiler: &Compiler,
    items: &[&Item],
    text: fn(&Item) -> String,
) -> BTreeMap<usize, Vec<(usize, Diagnostic)>> {
    let mut source = generate::SUPPORT.to_owned();
    let mut ends = Vec::new();
    for item in items {
        let before = source.lines().count();
        source.push_str(&text(item));
        ends.push((source.lines().count(), before, item.index));
    }
    let mut found: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for error in compiler.check(&source) {
        let at = ends.partition_point(|(end, ..)| *end < error.line);
        let Some((_, before, index)) = ends.get(at) else { panic!("of no item: {}", error.rendered) };
        assert!(error.line > generate::SUPPORT.lines().count(), "of no item: {}", error.rendered);
        found.entry(*index).or_default().push((error.line - before, error));
    }
    found
}
