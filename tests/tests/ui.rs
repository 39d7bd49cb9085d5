//! What does not compile, and what the compiler then says; and what has to compile.
//!
//! `TRYBUILD=overwrite cargo test -p setl-tests --test ui` writes the `.stderr` files anew: read what has changed.

/// One folder for each macro.
fn check(macro_name: &str) {
    let cases = trybuild::TestCases::new();
    cases.compile_fail(format!("ui/{macro_name}/fail/*.rs"));
    cases.pass(format!("ui/{macro_name}/pass/*.rs"));
}

#[test]
fn factory() {
    check("factory");
}

#[test]
fn delivery() {
    check("delivery");
}

#[test]
fn pipeline() {
    check("pipeline");
}
