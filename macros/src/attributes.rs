//! The attributes of an item that generated code inherits.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Meta, parse_quote};

/// Returns `#[cfg]` and lint levels such as `#[allow(deprecated)]`. A deprecated item may be named where it is declared.
pub(crate) fn inherited<'a>(attributes: impl IntoIterator<Item = &'a Attribute>) -> TokenStream {
    attributes.into_iter().filter_map(inherit).collect()
}

fn inherit(attribute: &Attribute) -> Option<TokenStream> {
    let name = attribute.path().get_ident()?;
    // `expect` applies once, to the item itself. A level of `forbid` could not be lowered for single lines of generated code.
    let level = match name.to_string().as_str() {
        "cfg" | "allow" | "warn" | "deny" => return Some(quote!(#attribute)),
        "expect" => quote!(allow),
        "forbid" => quote!(deny),
        "deprecated" => return Some(quote!(#[allow(deprecated)])),
        _ => return None,
    };
    let Meta::List(list) = &attribute.meta else { return None };
    let lints = &list.tokens;
    Some(quote!(#[#level(#lints)]))
}

/// Puts these attributes on all generated items.
pub(crate) fn under(attributes: &TokenStream, generated: TokenStream) -> TokenStream {
    match attributes.is_empty() {
        true => generated,
        false => quote!(#attributes const _: () = { #generated };),
    }
}

/// Allows parameters that are passed by value: parameters are deliveries, so the author does not choose how they are passed.
pub(crate) fn allow_owned_parameters(attributes: &mut Vec<Attribute>) {
    attributes.push(parse_quote! {
        #[allow(clippy::needless_pass_by_value, clippy::too_many_arguments, reason = "the parameters are deliveries")]
    });
}
