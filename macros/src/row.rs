//! `#[derive(Row)]`, phase by phase: read the item, check it, write the implementation.

mod check;
mod expand;
mod model;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;

/// The implementation of `Row`; with mistakes, their errors and an implementation that compiles all the same.
pub(crate) fn derive(input: DeriveInput) -> TokenStream {
    let mut errors = Errors::new();
    let row = model::Row::from_syn(&input, &mut errors);
    check::check(&row, &mut errors);
    let body = if errors.is_empty() { expand::walk(&row) } else { expand::stub_walk() };
    let accessors = expand::accessors(&row);
    let implementation = expand::implementation(&row, body);
    let errors = errors.finish();
    quote::quote!(#errors #implementation #accessors)
}

#[cfg(test)]
mod tests;
