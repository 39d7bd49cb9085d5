//! Tests for the generated code and the errors of the derive macro. Other tests check how rustc displays them.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use syn::{DeriveInput, File, parse_str};

/// Returns the errors of `item`, in order, and checks that the expansion parses as items.
fn errors_of(item: &str) -> Vec<String> {
    let input: DeriveInput = parse_str(item).unwrap();
    let expansion = super::derive(input).to_string();
    let file: File = parse_str(&expansion).unwrap();
    file.items
        .iter()
        .filter_map(|item| match item {
            syn::Item::Macro(call) if call.mac.path.segments.last().unwrap().ident == "compile_error" => {
                Some(syn::parse2::<syn::LitStr>(call.mac.tokens.clone()).unwrap().value())
            }
            _ => None,
        })
        .collect()
}

fn check_one(item: &str, expected: &str) {
    let errors = errors_of(item);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains(expected), "{errors:?}");
}

#[test]
fn named_structs_have_no_errors() {
    for item in [
        "struct Flight { carrier: String, #[column(\"d\")] delay: Option<f64>, r#type: u8 }",
        "pub struct Pair<T: Value, const N: usize> where T: Clone { #[column(name = \"l\")] pub left: T, right: T }",
        "#[row(rename_all = \"kebab-case\")] struct Odd { _1: u8, _x: u8, größe: f64 }",
    ] {
        assert_eq!(errors_of(item), Vec::<String>::new(), "{item}");
    }
}

#[test]
fn items_that_cannot_be_rows() {
    check_one("enum Carrier { Ua }", "it is a struct");
    check_one("union Bits { a: u8 }", "a union has one value only");
    check_one("struct Flight(String);", "must have names");
    check_one("struct Flight;", "no columns");
    check_one("struct Flight {}", "at least one");
    check_one("struct Flight<'a> { carrier: &'a str }", "use `String`");
}

#[test]
fn options_that_are_wrong() {
    check_one("struct F { #[column(nam = \"a\")] a: u8 }", "no option `nam`, did you mean `name`?");
    check_one("struct F { #[column] a: u8 }", "name of the column is missing");
    check_one("struct F { #[column = \"x\"] a: u8 }", "name of the column is missing");
    check_one("struct F { #[column()] a: u8 }", "name of the column is missing");
    check_one("struct F { #[column(\"\")] a: u8 }", "needs a name");
    check_one("struct F { #[column(name = 3)] a: u8 }", "text in quotes");
    check_one("struct F { #[column(\"x\", \"y\")] a: u8 }", "no options: write `#[column(\"name\")]`");
    check_one("#[row(\"camelCase\")] struct F { a: u8 }", "write `#[row(rename_all = \"camelCase\")]`");
    check_one("struct F { #[column(\"x\")] #[column(\"y\")] a: u8 }", "keep one of the two");
    check_one("#[row(rename_al = \"camelCase\")] struct F { a: u8 }", "did you mean `rename_all`?");
    check_one("#[row(rename_all = \"camelcase\")] struct F { a: u8 }", "did you mean `camelCase`?");
    check_one("#[row] struct F { a: u8 }", "options are missing");
    check_one("#[column(\"x\")] struct F { a: u8 }", "belongs on a field");
    check_one("struct F { #[row(rename_all = \"camelCase\")] a: u8 }", "belongs on the struct");
}

#[test]
fn names_that_clash() {
    check_one(
        "struct F { a: u8, #[column(\"a\")] b: u8 }",
        "fields `a` and `b` both have the column name \"a\"",
    );
    check_one("struct F { x: u8, _x: u8 }", "accessor `F::X`");
}

#[test]
fn all_mistakes_come_at_once() {
    let errors = errors_of(
        "#[row(rename_all = \"title\")] struct F<'a> { #[column(nam = \"x\")] a: u8, #[column(\"a\")] b: &'a str }",
    );
    assert_eq!(errors.len(), 4, "{errors:?}");
}
