//! The attribute and derive macros of `setl`. Use them through the `setl` crate.

mod attributes;
mod cfg;
mod code;
mod delivery;
mod errors;
mod factory;
#[cfg(test)]
mod mutated;
mod names;
mod options;
mod pipeline;
mod policy;
mod root;
mod row;
#[cfg(test)]
mod snapshots;
mod unfinished;

use proc_macro::TokenStream;

#[doc = include_str!("docs/factory.md")]
#[proc_macro_attribute]
pub fn factory(arguments: TokenStream, item: TokenStream) -> TokenStream {
    factory::expand(arguments.into(), item.into()).into()
}

#[doc = include_str!("docs/delivery.md")]
#[proc_macro_attribute]
pub fn delivery(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    delivery::misplaced(item.into()).into()
}

#[doc = include_str!("docs/pipeline.md")]
#[proc_macro_attribute]
pub fn pipeline(arguments: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::expand(arguments.into(), item.into()).into()
}

/// Expands `#[factory]` on a struct with `#[cfg]` on fields, after these are resolved.
#[doc(hidden)]
#[proc_macro_derive(ResolvedFactory, attributes(__setl_delivery, __setl_arguments))]
pub fn resolved_factory(item: TokenStream) -> TokenStream {
    factory::expand_resolved(item.into()).into()
}

/// Expands `#[pipeline]` on a struct with `#[cfg]` on fields, after these are resolved.
#[doc(hidden)]
#[proc_macro_derive(ResolvedPipeline, attributes(__setl_delivery, __setl_arguments))]
pub fn resolved_pipeline(item: TokenStream) -> TokenStream {
    pipeline::expand_resolved(item.into()).into()
}

/// Makes a struct with named fields a row of a dataset: its fields are the columns.
///
/// It implements `setl::Row` and adds a typed column per field, as an associated constant with the name of the field in capitals.
/// Each field needs a column type. An `Option` may be null.
///
/// | option | on | meaning |
/// |---|---|---|
/// | `#[column("name")]`, `#[column(name = "name")]` | a field | the name of the column |
/// | `#[row(rename_all = "camelCase")]` | the struct | the case of all names that are not set, as in serde |
/// | `#[row(crate = facade::setl)]` | the struct | the path of setl, if another crate re-exports it |
#[proc_macro_derive(Row, attributes(column, row))]
pub fn derive_row(input: TokenStream) -> TokenStream {
    match syn::parse(input) {
        Ok(input) => row::expand(input).into(),
        Err(error) => error.into_compile_error().into(),
    }
}

/// Replaces `Row` if setl is built without Polars.
#[doc(hidden)]
#[proc_macro_derive(RowWithoutPolars, attributes(column, row))]
pub fn derive_row_without_polars(_input: TokenStream) -> TokenStream {
    let message = "`#[derive(Row)]` needs the feature `polars` of `setl`, which is one of the default features: remove \
                   `default-features = false`, or add `features = [\"polars\"]`";
    syn::Error::new(proc_macro2::Span::call_site(), message).into_compile_error().into()
}
