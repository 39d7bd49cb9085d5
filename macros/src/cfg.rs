//! Resolves `#[cfg]` on fields: an attribute macro also sees disabled fields, a derive macro only enabled ones.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Fields, ItemStruct, Token};

use crate::names::{DELIVERY, is, is_named, runtime};
use crate::options::arguments;

/// The attribute on the struct.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    Factory,
    Pipeline,
}

/// The attributes that hold `#[delivery]` and the arguments of the original attribute until the derive macro runs.
const RESOLVED_DELIVERY: &str = "__setl_delivery";
const ARGUMENTS: &str = "__setl_arguments";

pub(crate) fn has_conditional_field(fields: &Fields) -> bool {
    fields
        .iter()
        .any(|field| field.attrs.iter().any(|attribute| is(attribute, "cfg") || is(attribute, "cfg_attr")))
}

/// Passes the struct to a derive macro, which sees it after `#[cfg]` is resolved and continues in [`resolved`].
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

/// Returns the original arguments and the struct, without disabled fields.
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

/// Renames the attribute in `#[cfg_attr(condition, delivery(…))]`.
fn rename_conditional(meta: &mut syn::Meta) {
    let syn::Meta::List(list) = meta else { return };
    let metas = Punctuated::<syn::Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone());
    // The compiler explains an attribute that cannot be parsed.
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
