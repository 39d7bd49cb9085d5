//! `#[cfg]` on fields: an attribute macro sees fields that may not be there, a derive macro only those that are.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Fields, ItemStruct, Token};

use crate::names::{DELIVERY, is, is_named, runtime};
use crate::options::arguments;

/// Which attribute the struct is under.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    Factory,
    Pipeline,
}

/// What stands in for `#[delivery]` and for the attribute's own arguments, until the derive macro runs.
const RESOLVED_DELIVERY: &str = "__setl_delivery";
const ARGUMENTS: &str = "__setl_arguments";

pub(crate) fn has_conditional_field(fields: &Fields) -> bool {
    fields
        .iter()
        .any(|field| field.attrs.iter().any(|attribute| is(attribute, "cfg") || is(attribute, "cfg_attr")))
}

/// Hands the struct to a derive macro, which sees it after `#[cfg]`, and does the rest in [`resolved`].
pub(crate) fn resolve_first(which: Which, arguments: &TokenStream, mut item: ItemStruct) -> TokenStream {
    let setl = runtime(Span::call_site());
    for field in &mut item.fields {
        for attribute in &mut field.attrs {
            if is(attribute, DELIVERY) {
                rename(attribute, RESOLVED_DELIVERY);
            } else if is(attribute, "cfg_attr") {
                rename_conditional(&mut attribute.meta);
            }
        }
    }
    let derive = match which {
        Which::Factory => quote!(ResolvedFactory),
        Which::Pipeline => quote!(ResolvedPipeline),
    };
    quote! {
        #[derive(#setl::#derive)]
        #[__setl_arguments(#arguments)]
        #item
    }
}

/// The arguments and the struct as they were given to the attribute, without fields that are not there.
pub(crate) fn resolved(item: TokenStream) -> syn::Result<(TokenStream, ItemStruct)> {
    let mut item: ItemStruct = syn::parse2(item)?;
    for field in &mut item.fields {
        for attribute in field.attrs.iter_mut().filter(|attribute| is(attribute, RESOLVED_DELIVERY)) {
            rename(attribute, DELIVERY);
        }
    }
    let own = item.attrs.iter().find(|attribute| is(attribute, ARGUMENTS));
    let tokens = own.map_or_else(|| Ok(TokenStream::new()), arguments)?;
    Ok((tokens, item))
}

/// `#[cfg_attr(condition, delivery(…))]`
fn rename_conditional(meta: &mut syn::Meta) {
    let syn::Meta::List(list) = meta else { return };
    let metas = Punctuated::<syn::Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone());
    // What cannot be read is left for the compiler to explain.
    let Ok(mut metas) = metas else { return };
    for meta in metas.iter_mut().skip(1) {
        if is_named(meta.path(), DELIVERY) {
            rename_path(meta, RESOLVED_DELIVERY);
        } else if meta.path().is_ident("cfg_attr") {
            rename_conditional(meta);
        }
    }
    list.tokens = metas.to_token_stream();
}

fn rename(attribute: &mut syn::Attribute, name: &str) {
    rename_path(&mut attribute.meta, name);
}

fn rename_path(meta: &mut syn::Meta, name: &str) {
    let span = syn::spanned::Spanned::span(meta.path());
    let ident = syn::Ident::new(name, span);
    match meta {
        syn::Meta::Path(path) => *path = ident.into(),
        syn::Meta::List(list) => list.path = ident.into(),
        syn::Meta::NameValue(pair) => pair.path = ident.into(),
    }
}
