#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::str::FromStr;

use super::*;

const ETL: &str = r#"
use setl::prelude::*;

/// Reads.
#[factory(checkpoint)]
fn read_flights(source: Repository<Flight>) -> Result<Dataset<Flight>> { source.load() }

#[setl::factory(output = Delays)]
pub(crate) struct CarrierDelays { #[delivery] flights: Dataset<Flight> }

impl Factory for CarrierDelays {
    async fn process(&mut self) -> Result<Delays> { Ok(helper(1)) }
}

const LIMIT: [u8; 2] = { [1, 2] };

fn helper(x: u8) -> Delays { Delays(x) }

#[pipeline(extract(read_flights), transform(CarrierDelays))]
struct All { source: Repository<Flight> }

mod more {
    #[factory(output = ())]
    pub struct Load<T> { #[delivery] rows: Dataset<T> }
    pub fn other() {}
}

#[cfg(test)]
mod tests { fn test() {} }
"#;

const ELSEWHERE: &str =
    "impl<T: Fn() -> u8> setl::Factory for crate::more::Load<T> where T: Row { fn process() {} }
    use a::{b, c}; #[cfg(test)] mod in_file;";

fn of_texts<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Package {
    Package::of_sources(files.into_iter().map(|(path, text)| (path, text.as_bytes())))
}

/// Returns the fingerprints of the three factories. Their own tokens stay the same.
fn of(etl: &str, elsewhere: &str) -> [u128; 3] {
    let package = of_texts([("src/main.rs", etl), ("src/elsewhere.rs", elsewhere)]);
    ["read_flights", "CarrierDelays", "Load"]
        .map(|name| fingerprint(Some(&package), name, &TokenStream::from_str("struct X;").unwrap()))
}

/// Checks which fingerprints change if `from` is replaced by `to`.
#[track_caller]
fn check(from: &str, to: &str, expected: [bool; 3]) {
    let [etl, elsewhere] = [ETL, ELSEWHERE].map(|text| text.replace(from, to));
    assert!(etl != ETL || elsewhere != ELSEWHERE, "`{from}` is not there");
    let (before, after) = (of(ETL, ELSEWHERE), of(&etl, &elsewhere));
    assert_eq!([0, 1, 2].map(|at| before[at] != after[at]), expected, "{from} -> {to}");
}

const NONE: [bool; 3] = [false; 3];
const ALL: [bool; 3] = [true; 3];

#[test]
fn a_body_counts_for_its_factory_alone() {
    check("source.load()", "source.find_by(x)", [true, false, false]);
    check("Ok(helper(1))", "Ok(helper(2))", [false, true, false]);
    check("fn process() {}", "fn process() { 1; }", [false, false, true]);
    check("#[delivery] flights", "#[delivery(shared)] flights", [false, true, false]);
    check("#[delivery] rows", "#[delivery(shared)] rows", [false, false, true]);
}

#[test]
fn what_belongs_to_none_counts_for_all() {
    check("{ Delays(x) }", "{ Delays(x + 1) }", ALL);
    check("{ [1, 2] }", "{ [1, 3] }", ALL);
    check("pub fn other() {}", "pub fn other() { 1; }", ALL);
    check("use setl::prelude::*;", "use setl::prelude::*; use x;", ALL);
    check("use a::{b, c};", "use a::{b, d};", ALL);
    check("mod more {", "pub mod more {", ALL);
}

#[test]
fn what_does_nothing_does_not_count() {
    check("/// Reads.", "/// Reads flights.", NONE);
    check("/// Reads.", "#[doc = \"Reads\"] // all", NONE);
    check("{ source.load() }", "{\n    source . load() // lazily\n}", NONE);
    check("fn test() {}", "fn test() { assert!(true) }", NONE);
    check("{ source: Repository<Flight> }", "{ source: Repository<Flight>, min_delay: f64 }", NONE);
    check("extract(read_flights)", "read(read_flights)", NONE);
}

#[test]
fn a_factory_more_or_less_is_its_own_affair() {
    check("mod more {", "mod more { #[factory] fn another() -> u8 { 1 }", NONE);
    check("#[factory(checkpoint)]", "#[factory]", [true, false, false]);
    // The item counts for all factories then, and its factory has no code any more.
    check("#[factory(checkpoint)]", "", ALL);
    check("fn read_flights", "fn read_all", [true, false, false]);
}

#[test]
fn an_impl_block_of_two_types_of_one_name_counts_for_all() {
    let of = |body: &str| {
        let other = format!("pub struct CarrierDelays; impl CarrierDelays {{ fn help() {{ {body} }} }}");
        of(ETL, &other)
    };
    let (before, after) = (of("1"), of("2"));
    assert!((0..3).all(|at| before[at] != after[at]));
}

#[test]
fn a_file_of_tests_does_not_count() {
    let with = |path: &str, text: &str| {
        of_texts([("src/main.rs", ETL), ("src/elsewhere.rs", ELSEWHERE), (path, text)])
    };
    let without = of_texts([("src/main.rs", ETL), ("src/elsewhere.rs", ELSEWHERE)]);
    assert_eq!(with("src/elsewhere/in_file.rs", "fn x() {}"), without);
    assert_eq!(with("src/elsewhere/in_file/deep.rs", "fn x() {}"), without);
    assert_ne!(with("src/in_file.rs", "fn x() {}"), without);
    assert_ne!(with("src/elsewhere/in_file_too.rs", "fn x() {}"), without);
}

#[test]
fn own_tokens_count() {
    let of = |tokens: &str| fingerprint(None, "x", &TokenStream::from_str(tokens).unwrap());
    assert_eq!(of("fn x() { 1 }"), of("#[doc = \"x\"] fn  x ( ) { 1 }"));
    assert_eq!(of("/// x\nfn x() {}"), of("/// y\nfn x() {}"));
    assert_ne!(of("fn x() { 1 }"), of("fn x() { 2 }"));
    assert_ne!(of("a && b"), of("a & &b"));
    assert_ne!(of("#[cold] fn x() {}"), of("fn x() {}"));
    let empty = Package::default();
    let tokens = TokenStream::new();
    assert_ne!(fingerprint(None, "x", &tokens), fingerprint(Some(&empty), "x", &tokens));
}

#[test]
fn fingerprints_are_the_same_on_every_machine() {
    assert_eq!(of(ETL, ELSEWHERE)[0], 243801814305533848543470596578768434077);
}

#[test]
fn what_is_broken_is_read_all_the_same() {
    for text in
        ["fn x( {", "#[factory] struct", "impl", "}} mod x {", "#[", "mod", "pub(", "#[factory]", "\"", "#!"]
    {
        of_texts([("src/main.rs", text)]);
    }
    let open = |body: &str| of_texts([("x.rs", &*format!("#[factory] fn x() {{ {body}"))]);
    assert_ne!(open("1"), open("2"));
}

/// A package in a temporary directory, for reading its hashes.
struct Fixture {
    root: PathBuf,
    environment: Environment,
}

impl Fixture {
    fn new(name: &str) -> Self {
        let root = env::temp_dir().join(format!("setl-code-{name}-{}", std::process::id()));
        let this = Self { root, environment: Environment::default() };
        this.write("Cargo.lock", "1");
        this.write("part/Cargo.toml", "[package]");
        this.write("part/src/lib.rs", "fn a() {}");
        this.write("part/examples/one.rs", "fn a() {}");
        this
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, target: Target) -> Package {
        Package::read(&self.root.join("part"), target, &self.environment).unwrap()
    }

    /// Checks if writing this file changes the hash of the library.
    #[track_caller]
    fn check(&self, path: &str, content: impl AsRef<[u8]>, counts: bool) {
        let before = self.read(None);
        self.write(path, content);
        assert_eq!(self.read(None) != before, counts, "{path}");
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

#[test]
fn a_package_is_read_without_those_in_it() {
    let fixture = Fixture::new("parts");
    let (library, example) = (fixture.read(None), fixture.read(Some("examples")));
    assert_ne!(library, example);
    for path in
        ["part/other/Cargo.toml", "part/other/src/lib.rs", "part/target/x.rs", "part/.x/y.rs", "part/x.txt"]
    {
        fixture.check(path, "fn b() {}", false);
    }
    fixture.check("part/tests/it.rs", "fn b() {}", false);
    assert_eq!(fixture.read(Some("examples")), example);
    fixture.check("part/examples/one.rs", "fn b() {}", false);
    assert_ne!(fixture.read(Some("examples")), example);
}

#[test]
fn what_a_package_is_made_of_counts() {
    let mut fixture = Fixture::new("made-of");
    fixture.check("Cargo.lock", "2", true);
    fixture.check("Cargo.toml", "[workspace]", true);
    fixture.check("part/Cargo.toml", "[package]\n[features]", true);
    fixture.check("part/src/target/mod.rs", "fn b() {}", true);
    fixture.check("part/src/a/target/b.rs", "fn b() {}", true);
    // A file that is not text may be included.
    fixture.check("part/src/bytes.rs", [0xff, 0xfe], true);
    fixture.check("part/src/bytes.rs", [0xff, 0xfd], true);
    fixture.check("part/src/lib.rs", "include!(\"../.gen/a.txt\"); #[path = \"../../b.rs\"] mod b;", true);
    fixture.check("part/.gen/a.txt", "fn c() {}", true);
    fixture.check("part/.gen/a.txt", "fn d() {}", true);
    fixture.check("part/.gen/b.txt", "fn d() {}", false);
    fixture.check("b.rs", "mod c; include!(\"d\");", true);
    fixture.check("c.rs", "fn e() {}", true);
    fixture.check("d", "fn f() {}", true);
    fixture.check("e", "fn f() {}", false);
    fixture.environment.out_dir = Some(fixture.root.join("out"));
    fixture.check("out/generated/x", "1", true);
    let before = fixture.read(None);
    fixture.environment.version = "0.2.0".to_owned();
    let version = fixture.read(None);
    assert_ne!(version, before);
    fixture.environment.options.insert("--cfg feature=\"fast\"".to_owned());
    assert_ne!(fixture.read(None), version);
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_what_cannot_be_read_is_told() {
    use std::os::unix::fs::symlink;

    let fixture = Fixture::new("links");
    let source = fixture.root.join("part/src");
    fixture.write("elsewhere/rate.rs", "fn a() {}");
    symlink(fixture.root.join("elsewhere"), source.join("linked")).unwrap();
    symlink(&source, source.join("itself")).unwrap();
    symlink("nobody@host:1", source.join(".#lib.rs")).unwrap();
    fixture.check("part/src/lib.rs", "fn a() { 1; }", true);
    fixture.check("elsewhere/rate.rs", "fn b() {}", true);
    // A directory entry that is neither a file nor a directory.
    let socket = std::os::unix::net::UnixListener::bind(source.join("socket.rs")).unwrap();
    assert!(Package::read(&fixture.root.join("part"), None, &fixture.environment).is_err());
    drop(socket);
}

/// Checks which fingerprints of [`ETL`] change if `text` becomes `other` in another file.
#[track_caller]
fn check_beside(text: &str, other: &str, expected: [bool; 3]) {
    let of = |text: &str| {
        let package =
            of_texts([("src/main.rs", ETL), ("src/elsewhere.rs", ELSEWHERE), ("src/beside.rs", text)]);
        ["read_flights", "CarrierDelays", "Load"]
            .map(|name| fingerprint(Some(&package), name, &TokenStream::from_str("struct X;").unwrap()))
    };
    let (before, after) = (of(text), of(other));
    assert_eq!([0, 1, 2].map(|at| before[at] != after[at]), expected, "{text} -> {other}");
}

#[test]
fn a_factory_that_others_name_counts_for_them() {
    // A factory calls another one as a function, and that one calls a third.
    let three = "#[factory] fn one() -> u8 { two() } #[factory] fn two() -> u8 { three() } #[factory] fn three() -> u8 { 1 }";
    let of = |text: &str| {
        let package = of_texts([("src/main.rs", text)]);
        ["one", "two", "three"]
            .map(|name| fingerprint(Some(&package), name, &TokenStream::from_str("struct X;").unwrap()))
    };
    let (before, after) = (of(three), of(&three.replace("{ 1 }", "{ 2 }")));
    assert!((0..3).all(|at| before[at] != after[at]));
    let after = of(&three.replace("{ two() }", "{ two() + 1 }"));
    assert_eq!([0, 1, 2].map(|at| before[at] != after[at]), [true, false, false]);
    // An item without a factory calls it.
    let with = |named: &str| {
        let other = "#[factory] fn lone() -> u8 { BODY }";
        check_beside(
            &format!("{named} {}", other.replace("BODY", "1")),
            &format!("{named} {}", other.replace("BODY", "2")),
            if named.is_empty() || named.contains("get") || !named.contains("lone") { NONE } else { ALL },
        );
    };
    for named in [
        "",
        "fn helper() -> u8 { lone() }",
        "const CALL: fn() -> u8 = crate::beside::lone;",
        "use crate::beside::{lone as helper};",
        "type Alias = lone;",
        "macro_rules! call { () => { r#lone() } }",
        "fn main() { run.get::<lone>(); }",
        "use crate::beside::another;",
    ] {
        with(named);
    }
}

#[test]
fn what_others_reach_by_a_trait_counts_for_all() {
    let of = |trait_name: &str, body: &str| format!("impl {trait_name} for CarrierDelays {{ {body} }}");
    check_beside(&of("Rate", "const R: u8 = 1;"), &of("Rate", "const R: u8 = 2;"), ALL);
    check_beside(&of("for<'a> Fn(&'a u8)", "1"), &of("for<'a> Fn(&'a u8)", "2"), ALL);
    check_beside(&of("setl::Rollback", "1"), &of("setl::Rollback", "2"), [false, true, false]);
    check_beside(
        "impl CarrierDelays { const R: u8 = 1; }",
        "impl CarrierDelays { const R: u8 = 2; }",
        [false, true, false],
    );
}

#[test]
fn a_module_of_tests_that_is_also_another_counts() {
    let with = |declared: &str, text: &str| {
        of_texts([("src/main.rs", declared), ("src/lib.rs", "#[cfg(test)] mod m;"), ("src/m.rs", text)])
    };
    for (declared, counts) in [("fn x() {}", false), ("mod m;", true), ("#[cfg(not(test))] mod m;", true)] {
        assert_eq!(with(declared, "fn a() {}") != with(declared, "fn b() {}"), counts, "{declared}");
    }
}
