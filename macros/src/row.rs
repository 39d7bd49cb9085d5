//! `#[derive(Row)]`, phase by phase: read the item, check it, write the implementation.

mod check;
mod expand;
mod model;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;
use crate::root;

/// Expands `#[derive(Row)]`, with the path of setl from `#[row(crate = …)]`.
pub(crate) fn expand(mut input: DeriveInput) -> TokenStream {
    let mut roots = TokenStream::new();
    for attribute in input.attrs.iter_mut().filter(|attribute| attribute.path().is_ident("row")) {
        let syn::Meta::List(list) = &mut attribute.meta else { continue };
        if let (Some(_), rest) = root::take_root(list.tokens.clone()) {
            roots = std::mem::replace(&mut list.tokens, rest);
        }
    }
    let item = TokenStream::new();
    root::rooted(roots, &item, |_| derive(input))
}

/// Returns the implementation of `Row`. With mistakes, returns their errors and an implementation that compiles.
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
