//! What a later run takes, and what runs again when one thing has changed: exactly what depends on it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use setl_tests::package::{Package, copy, made_by_another_version};

const MAIN: &str = r#"
mod helper;

use serde::{Deserialize, Serialize};
use setl::prelude::*;

#[derive(Clone, Serialize, Deserialize)]
struct Read(u64);
#[derive(Clone, Serialize, Deserialize)]
struct Doubled(u64);
#[derive(Clone, Serialize, Deserialize)]
struct Limited(u64);
#[derive(Clone, Serialize, Deserialize)]
struct Joined(u64);
#[derive(Clone, Serialize)]
struct Rate(u64);
#[derive(Clone, Serialize, Deserialize)]
struct Priced(u64);
#[derive(Clone, Serialize)]
struct Limit(u64);

#[factory(cache)]
fn read(context: Context) -> Result<Read> {
    context.depends_on("input.txt")?;
    Ok(Read(std::fs::read_to_string("input.txt")?.trim().parse()?))
}

#[factory]
fn double(read: Read) -> Doubled {
    Doubled(helper::times_two(read.0))
}

#[factory(cache, output = Limited)]
struct ToLimit {
    #[delivery]
    limit: Limit,
}

impl Factory for ToLimit {
    async fn process(&mut self) -> Result<Limited> {
        Ok(Limited(self.limit.0 + 1))
    }
}

#[factory(cache)]
fn join(doubled: Doubled, limited: Limited) -> Joined {
    Joined(doubled.0 + limited.0)
}

#[factory(volatile)]
fn rate() -> Result<Rate> {
    Ok(Rate(std::env::var("RATE")?.parse()?))
}

#[factory(cache)]
fn price(rate: Rate, limited: Limited) -> Priced {
    Priced(rate.0 * limited.0)
}

#[factory]
fn show(joined: Joined, priced: Priced) -> u64 {
    joined.0 + priced.0
}

#[pipeline(defaults(code = package), all(read, double, ToLimit, join, rate, price, show))]
struct Stale {
    limit: Limit,
}

#[tokio::main]
async fn main() -> Result<()> {
    let limit = Limit(std::env::var("LIMIT")?.parse()?);
    let run = Stale { limit }.run().observe(|event| {
        if let setl::Event::Started { factory } = event {
            println!("ran {factory}");
        }
    });
    println!("comes to {}", run.await?.get::<show>());
    Ok(())
}
"#;

const HELPER: &str = r#"
pub fn times_two(number: u64) -> u64 {
    number * 2
}
"#;

/// What runs in any case: it is volatile, or not cached.
const ALWAYS: [&str; 2] = ["rate", "show"];

/// What may change from outside.
#[derive(Clone, Copy)]
struct Around {
    input: &'static str,
    limit: &'static str,
    rate: &'static str,
}

const AROUND: Around = Around { input: "3", limit: "10", rate: "2" };

struct Fixture {
    package: Package,
    /// The state directory that an undisturbed run has left.
    left: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let this = Self { package: Package::new("setl-cached"), left: tempfile::tempdir().unwrap() };
        this.build(MAIN, HELPER);
        let (ran, _) = this.run(AROUND, this.left.path());
        assert_eq!(ran.len(), 7, "{ran:?}");
        assert_eq!(setl::cache::list(&this.left).unwrap().len(), 4);
        this
    }

    fn build(&self, main: &str, helper: &str) {
        self.package.write("src/main.rs", main);
        self.package.write("src/helper.rs", helper);
        self.package.build();
    }

    fn run(&self, around: Around, state: &Path) -> (BTreeSet<String>, String) {
        self.package.write("input.txt", around.input);
        let state: OsString = state.into();
        let variables =
            [("LIMIT", around.limit.into()), ("RATE", around.rate.into()), ("SETL_STATE_DIR", state)];
        self.package.run(variables, false)
    }

    /// A later run under other circumstances: what runs, beside what always does. It comes to the same as one that starts with
    /// nothing, and the one after it takes all.
    #[track_caller]
    fn check(&self, around: Around, spoil: impl Fn(&Path), expected: &[&str]) {
        let state = tempfile::tempdir().unwrap();
        copy(self.left.path(), state.path());
        spoil(state.path());
        let (ran, comes_to) = self.run(around, state.path());
        let names = |names: &[&str]| -> BTreeSet<_> {
            names.iter().chain(&ALWAYS).map(|name| (*name).to_owned()).collect()
        };
        assert_eq!(ran, names(expected));
        let afresh = tempfile::tempdir().unwrap();
        assert_eq!(self.run(around, afresh.path()).1, comes_to);
        assert_eq!(self.run(around, state.path()), (names(&[]), comes_to));
    }

    /// The same after a change of the code.
    #[track_caller]
    fn check_code(&self, file: &str, from: &str, to: &str, expected: &[&str]) {
        let change = |of: &str, text: &str| {
            assert!(of != file || text.contains(from), "{from}");
            if of == file { text.replace(from, to) } else { text.to_owned() }
        };
        self.build(&change("main", MAIN), &change("helper", HELPER));
        self.check(AROUND, |_| {}, expected);
    }
}

/// One test, since all changes are made to one package.
#[test]
fn exactly_what_depends_on_a_change_runs_again() {
    let all = ["read", "double", "ToLimit", "join", "price"];
    let fixture = Fixture::new();
    fixture.check(AROUND, |_| {}, &[]);
    fixture.check(Around { input: "4", ..AROUND }, |_| {}, &["read", "double", "join"]);
    fixture.check(Around { limit: "11", ..AROUND }, |_| {}, &["ToLimit", "double", "join", "price"]);
    fixture.check(Around { rate: "5", ..AROUND }, |_| {}, &["price"]);
    let of = |names: &'static [&'static str]| {
        move |state: &Path| {
            let entries = setl::cache::list(state).unwrap();
            let of_names = entries.iter().filter(|entry| names.contains(&&*entry.factory));
            of_names.for_each(|entry| made_by_another_version(&entry.path.join("manifest")));
        }
    };
    fixture.check(AROUND, of(&["read", "ToLimit", "join", "price"]), &all);
    fixture.check(AROUND, of(&["join"]), &["double", "join"]);

    let build = |file, from, to, expected: &[&str]| fixture.check_code(file, from, to, expected);
    build("main", ".trim()", ".trim().trim()", &["read", "double", "join"]);
    build("main", "Doubled(helper", "Doubled(1 + helper", &["double", "join"]);
    build("main", "self.limit.0 + 1", "self.limit.0 + 2", &["ToLimit", "double", "join", "price"]);
    build("main", "joined.0 + priced.0", "joined.0 * priced.0", &[]);
    build("helper", "number * 2", "number + number", &all);
    build("main", "\n#[factory(cache)]\n", "\n/// A note.\n#[factory( cache )]\n\n // Another.\n", &[]);
    // What was made by the old code is taken when that is back.
    let state = tempfile::tempdir().unwrap();
    copy(fixture.left.path(), state.path());
    build("main", ".trim()", ".trim().trim()", &["read", "double", "join"]);
    fixture.run(AROUND, state.path());
    fixture.build(MAIN, HELPER);
    assert_eq!(fixture.run(AROUND, state.path()).0, ALWAYS.map(str::to_owned).into());
}
