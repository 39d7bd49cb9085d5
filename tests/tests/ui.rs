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

/// The book lists every error that a case shows, those of rows among them.
#[test]
fn every_error_is_in_the_book() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../book/src/error-index.md")).expect("the page");
    let mut errors = 0;
    for macro_name in ["factory", "delivery", "pipeline", "row"] {
        for case in std::fs::read_dir(root.join("ui").join(macro_name).join("fail")).expect(macro_name) {
            let path = case.expect(macro_name).path();
            if path.extension().is_none_or(|extension| extension != "stderr") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a text");
            for error in text.lines().filter(|line| line.starts_with("error")) {
                errors += 1;
                assert!(page.contains(error), "{} is not in the book: {error}", path.display());
            }
        }
    }
    assert!(errors > 130, "only {errors} errors were found: are the cases still there?");
}
