//! Fields without `#[delivery]`. Pipelines warn of them if their types are delivered.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Ident, ItemStruct, Member, Type};

use crate::delivery::inner_of;
use crate::names::{readable, runtime};

/// The maximum number of fields that are examined: see `setl::pipeline::fields`.
const LOOKED_AT: usize = 4;

/// A field that starts as `Default`.
pub(super) struct DefaultField {
    pub(super) member: Member,
    pub(super) ty: Type,
}

/// ```text
/// impl Count {
///     pub fn __setl_fields() -> PhantomData<(Vec<u32>, NotADelivery0, ())> { PhantomData }
/// }
/// ```
pub(super) fn expand(item: &ItemStruct, fields: &[DefaultField], own: Option<&Type>) -> Option<TokenStream> {
    let setl = runtime(Span::call_site());
    let own = own.map(readable);
    let asked = fields.iter().flat_map(deliverable).filter(|asked| Some(readable(asked.ty)) != own);
    let asked: Vec<_> = asked.take(LOOKED_AT).collect();
    if asked.is_empty() {
        return None;
    }
    let factory = readable(&item.ident);
    let markers = asked.iter().enumerate().map(|(index, asked)| {
        let marker = marker(index);
        let text = format!(
            "field `{}` of factory `{factory}` is not a delivery, although this pipeline delivers `{}`: write `#[delivery{}]` \
             above it, or `#[delivery(default)]` if it is to start as its default",
            asked.field,
            readable(asked.ty),
            asked.options
        );
        quote! {
            #[doc(hidden)]
            #[must_use = #text]
            pub struct #marker;
        }
    });
    let list = asked.iter().enumerate().rev().fold(quote!(()), |rest, (index, asked)| {
        let (ty, marker) = (asked.ty, marker(index));
        quote!((#ty, #marker, #rest))
    });
    let name = &item.ident;
    let (implementing, arguments, where_clause) = item.generics.split_for_impl();
    Some(quote! {
        const _: () = {
            #(#markers)*

            #[allow(dead_code, private_interfaces, unreachable_pub, clippy::type_complexity, reason = "for pipelines that list it")]
            impl #implementing #name #arguments #where_clause {
                #[doc(hidden)]
                pub fn __setl_fields() -> #setl::PhantomData<#list> {
                    #setl::PhantomData
                }
            }
        };
    })
}

fn marker(index: usize) -> Ident {
    format_ident!("NotADelivery{index}")
}

/// A value that could be delivered to a field.
struct Asked<'field> {
    field: String,
    ty: &'field Type,
    options: &'static str,
}

/// Returns the type itself, and its inner type if an option of `#[delivery]` would unwrap it.
fn deliverable(field: &DefaultField) -> impl Iterator<Item = Asked<'_>> {
    let name = match &field.member {
        Member::Named(name) => readable(name),
        Member::Unnamed(index) => index.index.to_string(),
    };
    let ty = &field.ty;
    let within = match (inner_of(ty, "Option"), inner_of(ty, "Arc")) {
        (Some(inner), _) => Some(match inner_of(inner, "Arc") {
            Some(shared) => (shared, "(optional, shared)"),
            None => (inner, "(optional)"),
        }),
        (None, Some(shared)) => Some((shared, "(shared)")),
        (None, None) => None,
    };
    [Some((ty, "")), within].into_iter().flatten().map(move |(ty, options)| Asked {
        field: name.clone(),
        ty,
        options,
    })
}
