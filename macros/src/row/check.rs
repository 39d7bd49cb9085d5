//! The rules of a row, one function each.

use std::collections::HashMap;

use super::model::{Column, Row};
use crate::errors::Errors;

pub(crate) fn check(row: &Row<'_>, errors: &mut Errors) {
    check_owns_its_values(row, errors);
    check_distinct_names(row, errors);
    check_distinct_accessors(row, errors);
}

/// Checks that a row borrows nothing, since it outlives the frame it is read from.
fn check_owns_its_values(row: &Row<'_>, errors: &mut Errors) {
    for parameter in row.generics.lifetimes() {
        errors.at(
            &parameter.lifetime,
            format!(
                "a row owns its values, so `{}` cannot borrow for `{}`: use `String` for text",
                row.ident, parameter.lifetime
            ),
        );
    }
}

/// Checks that no two columns have the same name, since a frame has only one column of a name.
fn check_distinct_names(row: &Row<'_>, errors: &mut Errors) {
    let mut seen: HashMap<&str, &Column<'_>> = HashMap::new();
    for column in &row.columns {
        let Some(first) = seen.insert(&column.name, column) else {
            continue;
        };
        let message = format!(
            "fields `{}` and `{}` both have the column name \"{}\": give one of them another with `#[column(\"…\")]`",
            first.field, column.field, column.name
        );
        match &column.renamed {
            Some(name) => errors.at(name, message),
            None => errors.at(column.field, message),
        }
    }
}

/// Checks that each field has its own associated constant.
fn check_distinct_accessors(row: &Row<'_>, errors: &mut Errors) {
    let mut seen: HashMap<String, &Column<'_>> = HashMap::new();
    for column in &row.columns {
        if let Some(first) = seen.insert(column.accessor.to_string(), column) {
            errors.at(
                column.field,
                format!(
                    "fields `{}` and `{}` both have the accessor `{}::{}`: rename one, and keep its column name with `#[column(\"{}\")]`",
                    first.field, column.field, row.ident, column.accessor, column.name
                ),
            );
        }
    }
}
