//! What does not compile with rows, and what the compiler says of it; what must compile.
//!
//! The cases of the other macros need no Polars: `setl-tests` runs them.

// What must compile is compiled with this test: trybuild would build Polars once more for it.
#[path = "../../tests/ui/row/pass/columns-of-all-types.rs"]
mod columns_of_all_types;
#[path = "../../tests/ui/row/pass/generic-factories-over-rows.rs"]
mod generic_factories_over_rows;
#[path = "../../tests/ui/row/pass/generic-row.rs"]
mod generic_row;
#[path = "../../tests/ui/row/pass/names-and-cases.rs"]
mod names_and_cases;

#[test]
fn what_must_compile_runs() {
    columns_of_all_types::main();
    generic_factories_over_rows::main();
    generic_row::main();
    names_and_cases::main();
}

#[test]
fn what_must_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("../tests/ui/row/fail/*.rs");
    // In this crate's own folder, where trybuild keeps the numbers of lines.
    cases.compile_fail("tests/readme/*.rs");
}

#[test]
fn readme_tells_the_truth() {
    let read =
        |path: &str| std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).expect(path);
    let readme = read("../README.md");
    let quickstart = read("../examples/quickstart.rs");
    let (_, quickstart) = quickstart.split_once("\n\n").expect("a comment, then the code");
    assert!(readme.contains(&format!("```rust\n{quickstart}```")), "the README has another quickstart");
    assert!(quickstart.lines().count() <= 30, "the quickstart is to stay short");
    let broken = read("tests/readme/factory-removed.rs");
    assert_eq!(broken, quickstart.replace("extract(sales), ", ""), "the error is of another program");
    let error =
        read("tests/readme/factory-removed.stderr").replace("tests/readme/factory-removed.rs", "src/main.rs");
    assert!(readme.contains(&format!("```text\n{error}```")), "the README shows another error");
}
