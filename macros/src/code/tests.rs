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

/// The fingerprints of the three factories, whose own tokens stay the same.
fn of(etl: &str, elsewhere: &str) -> [u128; 3] {
    let package = Package::of_sources([("src/main.rs", etl), ("src/elsewhere.rs", elsewhere)]);
    ["read_flights", "CarrierDelays", "Load"]
        .map(|name| fingerprint(Some(&package), name, &TokenStream::from_str("struct X;").unwrap()))
}

/// Which of the factories have another fingerprint after replacing `from` by `to`.
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
    check("mod more {", "mod more { #[factory] fn x() -> u8 { 1 }", NONE);
    check("#[factory(checkpoint)]", "#[factory]", [true, false, false]);
    // It counts for all then, and has no code of its own any more.
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
        Package::of_sources([("src/main.rs", ETL), ("src/elsewhere.rs", ELSEWHERE), (path, text)])
    };
    let without = Package::of_sources([("src/main.rs", ETL), ("src/elsewhere.rs", ELSEWHERE)]);
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
        Package::of_sources([("src/main.rs", text)]);
    }
    let open = |body: &str| Package::of_sources([("x.rs", &*format!("#[factory] fn x() {{ {body}"))]);
    assert_ne!(open("1"), open("2"));
}

#[test]
fn a_package_is_read_without_those_in_it() {
    let directory = env::temp_dir().join(format!("setl-code-{}", std::process::id()));
    let write = |path: &str, text: &str| {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Cargo.lock", "1");
    write("part/src/lib.rs", "fn a() {}");
    write("part/examples/one.rs", "fn a() {}");
    let read = |target| Package::read(&directory.join("part"), target, "0.1.0").unwrap();
    let (library, example) = (read(None), read(Some("examples")));
    assert_ne!(library, example);
    for path in
        ["part/other/Cargo.toml", "part/other/src/lib.rs", "part/target/x.rs", "part/.x/y.rs", "part/x.txt"]
    {
        write(path, "fn b() {}");
    }
    write("part/tests/it.rs", "fn b() {}");
    assert_eq!((read(None), read(Some("examples"))), (library.clone(), example.clone()));
    write("part/examples/one.rs", "fn b() {}");
    assert_eq!(read(None), library);
    assert_ne!(read(Some("examples")), example);
    write("Cargo.lock", "2");
    let locked = read(None);
    assert_ne!(locked, library);
    assert_ne!(Package::read(&directory.join("part"), None, "0.2.0").unwrap(), locked);
    fs::remove_dir_all(directory).unwrap();
}
