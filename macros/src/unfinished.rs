//! Structs that are being written: what can be read of them.

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Field, Fields, Generics, Ident, ItemStruct, Token, Type, Visibility, braced};

/// A struct without the fields that have no name or no type yet.
///
/// The compiler has reported them by the time the macro sees them. So there is nothing to add, and what stands beside them
/// still counts: otherwise all uses of the struct would turn red while a field is typed. `None` if there is no such field: what is
/// wrong then is to be told.
pub(crate) fn parse(item: TokenStream) -> Option<ItemStruct> {
    let parser = |input: ParseStream<'_>| {
        let (attrs, vis) = (input.call(Attribute::parse_outer)?, input.parse()?);
        let (struct_token, ident) = (input.parse()?, input.parse::<Ident>()?);
        let mut generics: Generics = input.parse()?;
        generics.where_clause = input.parse()?;
        let content;
        let brace_token = braced!(content in input);
        let mut named = Punctuated::new();
        let mut unfinished = false;
        while !content.is_empty() {
            match content.call(field)? {
                Some(field) => named.push(field),
                None => unfinished = true,
            }
            if !content.is_empty() {
                content.parse::<Token![,]>()?;
            }
        }
        let fields = Fields::Named(syn::FieldsNamed { brace_token, named });
        let item = ItemStruct { attrs, vis, struct_token, ident, generics, fields, semi_token: None };
        Ok(unfinished.then_some(item))
    };
    parser.parse2(item).ok().flatten()
}

/// A field, if there is all of it.
fn field(input: ParseStream<'_>) -> syn::Result<Option<Field>> {
    let ahead = input.fork();
    let is_whole = (|| {
        ahead.call(Attribute::parse_outer)?;
        ahead.parse::<Visibility>()?;
        if at_end(&ahead) {
            return Ok(false);
        }
        ahead.parse::<Ident>()?;
        if at_end(&ahead) {
            return Ok(false);
        }
        ahead.parse::<Token![:]>()?;
        if at_end(&ahead) {
            return Ok(false);
        }
        match ahead.parse::<Type>() {
            Ok(_) => Ok(true),
            // The type ends before it is one.
            Err(_) if ahead.is_empty() => Ok(false),
            Err(error) => Err(error),
        }
    })()?;
    if is_whole {
        return input.call(Field::parse_named).map(Some);
    }
    while !at_end(input) {
        input.parse::<TokenTree>()?;
    }
    Ok(None)
}

fn at_end(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}
