//! The attribute and derive macros of `setl`. Use them through the `setl` crate.

mod errors;
mod row;

/// Makes a struct with named fields a row of a dataset: its fields are the columns.
///
/// It implements `setl::Row` and adds a typed column per field, as an associated constant named like the field in
/// capitals. Every field needs a column type; an `Option` may be null.
///
/// | option | on | means |
/// |---|---|---|
/// | `#[column("name")]`, `#[column(name = "name")]` | a field | the name of the column |
/// | `#[row(rename_all = "camelCase")]` | the struct | the case of all names that are not given; the cases of serde |
#[proc_macro_derive(Row, attributes(column, row))]
pub fn derive_row(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    match syn::parse(input) {
        Ok(input) => row::derive(input).into(),
        Err(error) => error.into_compile_error().into(),
    }
}
