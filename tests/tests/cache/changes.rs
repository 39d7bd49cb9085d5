//! Every kind of change of a program that may change what a factory delivers: it runs again, or the book names the change.
//!
//! Code can only change with a build. So there is a package with one factory, whose output is made of all kinds of code that
//! there are, and one part of it is changed after another.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use setl_tests::package::{Package, copy};

const MAIN: &str = include_str!("changes/main.rs.in");
const NAME: &str = "setl-changes";
const MORE: &str = r#"
rates = { path = "rates" }

[features]
default = []
fast = []
"#;

const RATES_MANIFEST: &str = r#"
[package]
name = "rates"
version = "0.1.0"
edition = "2024"

[features]
double = []

[dependencies]
serde = { version = "1", features = ["derive"] }
setl = { path = "RUNTIME", default-features = false }
"#;

const RATES: &str = r#"
use setl::prelude::*;
use serde::{Deserialize, Serialize};

pub fn own() -> u64 {
    if cfg!(feature = "double") { 220 } else { 221 }
}

pub trait Rate: Send + Sync + 'static {
    fn rate() -> u64;
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Loaded(pub u64);

#[factory(cache, output = Loaded)]
pub struct Load<T: Rate> {
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T: Rate> Factory for Load<T> {
    async fn process(&mut self) -> Result<Loaded> {
        Ok(Loaded(T::rate()))
    }
}
"#;

const HELPER: &str = r#"
pub fn first() -> u64 {
    230
}

pub fn second() -> u64 {
    231
}

pub mod one {
    pub fn glob() -> u64 {
        240
    }
}

pub mod other {
    pub fn glob() -> u64 {
        241
    }
}

pub fn helped() -> u64 {
    250
}
"#;

const BUILD: &str = r#"
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=rate.in");
    println!("cargo::rerun-if-changed=built.in");
    let rate = std::fs::read_to_string("rate.in").unwrap();
    let out = std::path::Path::new(&std::env::var_os("OUT_DIR").unwrap()).join("generated.rs");
    std::fs::write(out, format!("pub fn rate() -> u64 {{ {rate} }}")).unwrap();
    println!("cargo::rustc-env=BUILT={}{}", std::fs::read_to_string("built.in").unwrap(), 1);
}
"#;

/// The files of the package beside its manifest.
const FILES: &[(&str, &str)] = &[
    ("src/main.rs", MAIN),
    ("src/helper.rs", HELPER),
    ("rates/src/lib.rs", RATES),
    ("build.rs", BUILD),
    ("rate.in", "260"),
    ("built.in", "a"),
    ("src/target/mod.rs", "pub fn rate() -> u64 { 270 }"),
    ("src/a/target/b.rs", "pub fn rate() -> u64 { 280 }"),
    ("../setl-changes-outside/linked/mod.rs", "pub fn rate() -> u64 { 290 }"),
    ("../setl-changes-outside/outside.rs", "mod deeper; pub fn rate() -> u64 { deeper::RATE }"),
    ("../setl-changes-outside/deeper.rs", "pub const RATE: u64 = 300;"),
    ("tests/of_tests.rs", "pub fn rate() -> u64 { 310 }"),
    (".hidden/hidden.rs", "pub fn rate() -> u64 { 320 }"),
    ("no-rust.txt", "pub fn rate() -> u64 { 330 }"),
    (".hidden/included.txt", "pub fn rate() -> u64 { 340 }"),
    ("src/both.rs", "pub fn rate() -> u64 { 350 }"),
    ("text.txt", "a text"),
    (".hidden/by-manifest.txt", "another text"),
];

/// What is known of a change with `code = package`.
#[derive(Clone, Copy)]
enum Sight {
    /// Who depends on it runs.
    Seen,
    /// Nobody runs, since the book says in these words that it is not seen.
    Listed(&'static str),
}
use Sight::{Listed, Seen};

/// A change: a text in a file that becomes another.
struct Change {
    file: &'static str,
    from: &'static str,
    to: &'static str,
    package: Sight,
}

const fn of(file: &'static str, from: &'static str, to: &'static str) -> Change {
    Change { file, from, to, package: Seen }
}

const fn in_main(from: &'static str, to: &'static str) -> Change {
    of("src/main.rs", from, to)
}

const OTHER_CRATES: &str = "code of other crates that are not pinned by a version in `Cargo.lock`";
const GENERIC: &str = "what a type does that a factory of another crate is made for";
const FEATURES: &str = "features of dependencies that the command line or another package turns on";

const CHANGES: &[Change] = &[
    in_main("LIMIT: u64 = 10", "LIMIT: u64 = 11"),
    in_main("FLOOR: u64 = 20", "FLOOR: u64 = 21"),
    in_main("|x| x + 30", "|x| x + 32"),
    in_main("LazyLock::new(|| 40)", "LazyLock::new(|| 41)"),
    in_main("    50\n", "    51\n"),
    in_main("        60\n", "        61\n"),
    in_main("meter {}\", 70", "meter {}\", 71"),
    in_main("meter {}", "Meter {}"),
    in_main("other + 80", "other + 81"),
    in_main("Self::WEIGHT + 90", "Self::WEIGHT + 91"),
    in_main("WEIGHT: u64 = 100", "WEIGHT: u64 = 101"),
    in_main("    Low,\n    High,", "    High,\n    Low,"),
    in_main("Ok = 110", "Ok = 111"),
    in_main("        120\n", "        121\n"),
    in_main("<210>", "<211>"),
    in_main("[u8; 3]", "[u8; 4]"),
    in_main("Called(140)", "Called(141)"),
    in_main("K: u64 = 150", "K: u64 = 151"),
    in_main("        170\n", "        171\n"),
    in_main("x + 180", "x + 181"),
    in_main("10 => 190", "10 => 192"),
    in_main("        10 => 190,\n        _ => 191,", "        _ => 191,"),
    in_main("TABLE[0](0)", "TABLE[1](0)"),
    in_main("*LAZY,", "*LAZY + 1,"),
    in_main("type Number = u8", "type Number = u16"),
    in_main("helper::first as picked", "helper::second as picked"),
    in_main("use helper::one::*", "use helper::other::*"),
    in_main("#[cfg(unix)]\nmod linked;", "#[cfg(unix)]\n#[path = \"both.rs\"]\nmod linked;"),
    in_main(
        "\nstruct Meter;",
        "\n#[cfg(any())]\nstruct Nothing;\nstruct Meter;\n#[cfg(all())]\nimpl Meter { fn reading(&self) -> u64 { 62 } }\n#[cfg(any())]",
    ),
    in_main("        LIMIT,\n        FLOOR,", "        FLOOR,\n        LIMIT,"),
    of("src/helper.rs", "    230\n", "    232\n"),
    of("src/helper.rs", "        240\n", "        242\n"),
    of("src/helper.rs", "    250\n", "    251\n"),
    of("src/target/mod.rs", "270", "271"),
    of("src/a/target/b.rs", "280", "281"),
    of("../setl-changes-outside/linked/mod.rs", "290", "291"),
    of("../setl-changes-outside/deeper.rs", "300", "301"),
    of("../setl-changes-outside/outside.rs", "deeper::RATE }", "deeper::RATE + 1 }"),
    of("tests/of_tests.rs", "310", "311"),
    of(".hidden/hidden.rs", "320", "321"),
    of("no-rust.txt", "330", "331"),
    of(".hidden/included.txt", "340", "341"),
    of("src/both.rs", "350", "351"),
    of("text.txt", "a text", "A text"),
    of(".hidden/by-manifest.txt", "another", "Another"),
    of("rate.in", "260", "261"),
    of("built.in", "a", "b"),
    of("build.rs", ", 1)", ", 2)"),
    of("Cargo.toml", "version = \"0.1.0\"", "version = \"0.1.1\""),
    of("Cargo.toml", "default = []", "default = [\"fast\"]"),
    of("Cargo.toml", "path = \"rates\" }", "path = \"rates\", features = [\"double\"] }"),
    of(
        "Cargo.toml",
        "\n[profile.dev]\n",
        "\n[profile.dev.package.setl-changes]\ndebug-assertions = false\n\n[profile.dev]\n",
    ),
    of(
        "Cargo.toml",
        "\n[profile.dev]\n",
        "\n[profile.dev.package.setl-changes]\noverflow-checks = false\n\n[profile.dev]\n",
    ),
    Change { package: Listed(OTHER_CRATES), ..of("rates/src/lib.rs", "{ 221 }", "{ 222 }") },
    Change {
        package: Listed(OTHER_CRATES),
        ..of("rates/Cargo.toml", "[features]\n", "[features]\ndefault = [\"double\"]\n")
    },
    Change { package: Listed(GENERIC), ..in_main("        130\n", "        131\n") },
];

/// Ways to build the same sources otherwise: the arguments of `cargo rustc`, and variables.
type Build = (&'static [&'static str], &'static [(&'static str, &'static str)], Sight);

const BUILDS: &[Build] = &[
    (&["--features", "fast"], &[], Seen),
    (&["--features", "rates/double"], &[], Listed(FEATURES)),
    (&["--", "--cfg", "special"], &[], Seen),
    (&["--", "-C", "debug-assertions=off"], &[], Seen),
    (&["--", "-C", "overflow-checks=off"], &[], Seen),
    (&[], &[("SETL_TEST_COMPILED", "set")], Seen),
];

/// All factories. They run again whatever has changed in the program.
const ALL: [&str; 6] = ["called", "Assoc", "lone", "value", "Load<Mine>", "loaded"];

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

struct Fixture {
    package: Package,
    book: String,
    /// What it comes to, and what runs of it have left, by each scope.
    before: String,
    left: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/resuming.md");
        let book = fs::read_to_string(book).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        let package = Package::new(NAME);
        let left = tempfile::tempdir().unwrap();
        let mut this = Self { package, book, before: String::new(), left };
        this.write_all(None);
        #[cfg(unix)]
        {
            let link = |to: &str, at: &str| {
                let at = this.package.root().join(at);
                let _ = fs::remove_file(&at);
                std::os::unix::fs::symlink(to, at).unwrap();
            };
            link("../../setl-changes-outside/linked", "src/linked");
            // As an editor leaves it.
            link("somebody@machine.1:2", "src/.#main.rs");
        }
        this.package.build();
        for scope in ["program", "package"] {
            let (ran, comes_to) = this.run(scope, &this.left.path().join(scope));
            assert_eq!(ran, names(&ALL));
            this.before = comes_to;
            assert_eq!(this.run(scope, &this.left.path().join(scope)), (names(&[]), this.before.clone()));
        }
        this
    }

    fn text(file: &str) -> String {
        match file {
            "Cargo.toml" => Package::manifest(NAME, MORE),
            "rates/Cargo.toml" => RATES_MANIFEST.replace("RUNTIME", &Package::runtime()),
            _ => FILES.iter().find(|(name, _)| *name == file).unwrap().1.to_owned(),
        }
    }

    /// Writes all files, one of them changed.
    fn write_all(&self, change: Option<&Change>) {
        self.package.write("src/bytes.rs", [0xff, 0xfe, 1]);
        let files = FILES.iter().map(|(name, _)| *name).chain(["Cargo.toml", "rates/Cargo.toml"]);
        for file in files {
            let mut text = Self::text(file);
            if let Some(change) = change.filter(|change| change.file == file) {
                assert!(text.contains(change.from), "{file}: {}", change.from);
                text = text.replace(change.from, change.to);
            }
            // What is the same keeps its time, so that it is not compiled again.
            if fs::read_to_string(self.package.root().join(file)).ok().as_ref() != Some(&text) {
                self.package.write(file, text);
            }
        }
    }

    fn run(&self, scope: &'static str, state: &Path) -> (BTreeSet<String>, String) {
        let variables: [(_, OsString); 2] = [("SCOPE", scope.into()), ("SETL_STATE_DIR", state.into())];
        self.package.run(variables, false)
    }

    /// What a program does now with what the one before has left.
    fn with_left(&self, scope: &'static str) -> (BTreeSet<String>, String) {
        let state = tempfile::tempdir().unwrap();
        copy(&self.left.path().join(scope), state.path());
        self.run(scope, state.path())
    }

    #[track_caller]
    fn check(&self, what: &str, package: Sight) {
        let fresh = tempfile::tempdir().unwrap();
        let (_, comes_to) = self.run("program", fresh.path());
        assert_ne!(comes_to, self.before, "{what} changes nothing");
        assert_eq!(self.with_left("program"), (names(&ALL), comes_to.clone()), "{what}");
        let (ran, with_left) = self.with_left("package");
        match package {
            Seen => {
                assert_eq!(with_left, comes_to, "{what} is not seen by the package");
                assert!(ran.contains("value"), "{what}: {ran:?}");
            }
            Listed(words) => {
                assert_eq!(with_left, self.before, "{what} is seen by the package: {ran:?}");
                assert!(self.book.contains(words), "the book does not list: {words}");
            }
        }
    }
}

/// One test, since all changes are made to one package.
#[test]
fn every_change_of_a_program_is_seen_or_listed() {
    let fixture = Fixture::new();
    for change in CHANGES {
        fixture.write_all(Some(change));
        fixture.package.build();
        fixture.check(&format!("{}: {} -> {}", change.file, change.from, change.to), change.package);
    }
    // What is no text, among the sources.
    fixture.write_all(None);
    fixture.package.write("src/bytes.rs", [0xff, 0xfe, 2]);
    fixture.package.build();
    fixture.check("src/bytes.rs", Seen);
    fixture.write_all(None);
    for (arguments, variables, package) in BUILDS {
        fixture.package.build_with(arguments, variables);
        fixture.check(&format!("{arguments:?} {variables:?}"), *package);
    }
    // An unrelated change, and one that is none.
    let lone = in_main("Lone(160)", "Lone(161)");
    fixture.write_all(Some(&lone));
    fixture.package.build();
    assert_eq!(fixture.with_left("program").0, names(&ALL));
    assert_eq!(fixture.with_left("package").0, names(&["lone"]));
    fixture.write_all(Some(&in_main(
        "\n#[factory(cache)]\n",
        "\n/// A note.\n#[factory( cache )] // Another.\n",
    )));
    fixture.package.build();
    assert_eq!(fixture.with_left("package").0, names(&[]));
    // The same sources are the same program.
    fixture.write_all(None);
    fixture.package.build();
    for scope in ["program", "package"] {
        assert_eq!(fixture.with_left(scope), (names(&[]), fixture.before.clone()));
    }
    // Another profile builds all dependencies, too.
    if std::env::var("SETL_TEST_PROFILES").is_ok() {
        fixture.package.build_with(&["--profile", "release"], &[]);
        fixture.check("release", Seen);
    }
}
