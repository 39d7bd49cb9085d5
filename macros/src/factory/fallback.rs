//! The code that `#[factory]` generates for an item with mistakes: its uses stay valid.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Generics, Ident, Type, parse_quote};

use super::expand::{is_unit, owned};
use crate::errors::Errors;
use crate::names::runtime;
use crate::root::any_pipeline;

/// Returns a factory without deliveries, and the errors. The first error replaces an unknown output.
pub(super) fn expand(
    name: &Ident,
    generics: &Generics,
    output: Option<&Type>,
    errors: Errors,
) -> TokenStream {
    let setl = runtime(Span::call_site());
    let text = syn::ext::IdentExt::unraw(name).to_string();
    let (output, key, errors) = match output {
        Some(output) if is_unit(output) => {
            (quote!(()), quote!(#setl::NoOutput<Self>), errors.finish_for_stub())
        }
        Some(output) => (quote!(#output), quote!(#output), errors.finish_for_stub()),
        None => {
            let (output, errors) = errors.finish_as_type();
            (output, quote!(<Self as #setl::FactoryItem>::Output), errors)
        }
    };
    let generics = owned(generics);
    let (implementing, arguments, where_clause) = generics.split_for_impl();
    let mut in_pipeline = generics.clone();
    let pipeline = any_pipeline();
    in_pipeline.params.push(parse_quote!(#pipeline));
    let (implementing_in_pipeline, ..) = in_pipeline.split_for_impl();
    quote! {
        impl #implementing #setl::FactoryItem for #name #arguments #where_clause {
            const NAME: &'static #setl::str = #text;
            type Output = #output;
            const DELIVERIES: &'static [#setl::Delivery] = &[];
            type Presence = #setl::Always;
            type Deliveries = ();

            fn receive(_: &mut #setl::Inbox<'_>) -> #setl::Result<()> {
                #setl::Ok(())
            }

            fn assemble((): ()) -> Self {
                #setl::never()
            }

            fn requirements() -> #setl::Vec<#setl::Requirement> {
                #setl::never()
            }

            fn abilities() -> #setl::Abilities<Self> {
                #setl::never()
            }
        }

        impl #implementing_in_pipeline #setl::Produces<#pipeline> for #name #arguments #where_clause {
            type Key = #key;
            type ThisFactory = Self;
        }

        impl #implementing_in_pipeline #setl::Wired<#pipeline> for #name #arguments #where_clause {
            const FROM: &'static [#setl::Source] = &[];
        }

        #errors
    }
}

/// Returns the `process` of a function's stub.
pub(super) fn process(name: &Ident, generics: &Generics) -> TokenStream {
    let setl = runtime(Span::call_site());
    let generics = owned(generics);
    let (implementing, arguments, where_clause) = generics.split_for_impl();
    quote! {
        impl #implementing #setl::Factory for #name #arguments #where_clause {
            async fn process(&mut self) -> #setl::Result<Self::Output> {
                #setl::never()
            }
        }
    }
}
