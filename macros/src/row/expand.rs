//! Generates the code of `#[derive(Row)]`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{GenericArgument, GenericParam, Generics, Lifetime, parse_quote};

use super::model::Row;
use crate::root::root;

/// ```text
/// impl ::setl::dataset::Row for Flight {
///     const NAME: &'static str = "Flight";
///     …
/// }
/// ```
pub(crate) fn implementation(row: &Row<'_>, methods: TokenStream) -> TokenStream {
    let Row { ident, .. } = row;
    let setl = root(Span::call_site());
    let name = syn::ext::IdentExt::unraw(*ident).to_string();
    let (generics, arguments) = owned(row.generics);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impl_generics #setl::dataset::Row for #ident #arguments #where_clause {
            const NAME: &'static #setl::__private::str = #name;
            #methods
        }
    }
}

/// ```text
/// fn walk<L: Layout<Self>>(mut layout: L) -> Result<L::Output, DataError> {
///     let mut column_0 = layout.column::<String>("carrier", |row: &Self| &row.carrier)?;
///     layout.finish(move || Some(Self { carrier: column_0.next()? }))
/// }
/// ```
pub(crate) fn walk(row: &Row<'_>) -> TokenStream {
    let setl = root(Span::call_site());
    let fields: Vec<_> = row.columns.iter().map(|column| column.field).collect();
    let types: Vec<_> = row.columns.iter().map(|column| column.ty).collect();
    let names: Vec<_> = row.columns.iter().map(|column| &column.name).collect();
    let cells: Vec<_> =
        (0..fields.len()).map(|index| format_ident!("column_{index}", span = Span::mixed_site())).collect();
    quote! {
        fn walk<__Layout: #setl::dataset::Layout<Self>>(
            mut layout: __Layout,
        ) -> ::core::result::Result<__Layout::Output, #setl::dataset::DataError> {
            #(let mut #cells = #setl::dataset::Layout::column::<#types>(&mut layout, #names, |row: &Self| &row.#fields)?;)*
            #setl::dataset::Layout::finish(layout, move || {
                ::core::option::Option::Some(Self { #(#fields: ::core::iter::Iterator::next(&mut #cells)?),* })
            })
        }
    }
}

/// Returns a walk that compiles for any item, so that its mistakes are the only errors.
pub(crate) fn stub_walk() -> TokenStream {
    let setl = root(Span::call_site());
    quote! {
        fn walk<__Layout: #setl::dataset::Layout<Self>>(
            _: __Layout,
        ) -> ::core::result::Result<__Layout::Output, #setl::dataset::DataError> {
            ::core::unreachable!()
        }
    }
}

/// ```text
/// impl Flight {
///     /// The column `carrier`.
///     pub const CARRIER: ::setl::dataset::Column<Self, String> = ::setl::dataset::Column::new("carrier");
/// }
/// ```
pub(crate) fn accessors(row: &Row<'_>) -> TokenStream {
    let Row { ident, generics, .. } = row;
    let setl = root(Span::call_site());
    let (impl_generics, arguments, where_clause) = generics.split_for_impl();
    let mut taken = Vec::new();
    // If two fields have the same accessor, which is a mistake, the first one keeps it.
    let columns = row.columns.iter().filter(|column| {
        let fresh = !taken.contains(&&column.accessor);
        taken.push(&column.accessor);
        fresh
    });
    let constants = columns.map(|column| {
        let (visibility, accessor, ty, name) = (column.visibility, &column.accessor, column.ty, &column.name);
        let doc = format!("The column `{name}`.");
        quote! {
            #[doc = #doc]
            #visibility const #accessor: #setl::dataset::Column<Self, #ty> = #setl::dataset::Column::new(#name);
        }
    });
    quote! {
        #[automatically_derived]
        #[allow(dead_code, reason = "not every column is used in a condition")]
        impl #impl_generics #ident #arguments #where_clause {
            #(#constants)*
        }
    }
}

/// Returns the generics of the implementation, and the arguments of the type. A row owns its values, so a lifetime is already
/// reported. It becomes `'static`, so that the implementation adds no error.
fn owned(generics: &Generics) -> (Generics, TokenStream) {
    let mut kept = generics.clone();
    kept.params = generics
        .params
        .iter()
        .filter(|parameter| !matches!(parameter, GenericParam::Lifetime(_)))
        .cloned()
        .collect();
    let arguments: Vec<GenericArgument> = generics
        .params
        .iter()
        .map(|parameter| match parameter {
            GenericParam::Lifetime(_) => {
                GenericArgument::Lifetime(Lifetime::new("'static", Span::call_site()))
            }
            GenericParam::Type(parameter) => {
                let ident = &parameter.ident;
                parse_quote!(#ident)
            }
            GenericParam::Const(parameter) => {
                let ident = &parameter.ident;
                parse_quote!(#ident)
            }
        })
        .collect();
    let arguments = if arguments.is_empty() { TokenStream::new() } else { quote!(<#(#arguments),*>) };
    (kept, arguments)
}
