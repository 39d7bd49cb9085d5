//! Parses structs that are still being written.

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Field, Fields, Generics, Ident, ItemStruct, Token, Type, Visibility, braced};

/// Parses a struct, and omits fields that have no name or no type yet.
///
/// The compiler has already reported such fields when the macro sees them. The other fields still count: otherwise all uses of
/// the struct would have errors while a field is typed. `None` if there is no such field: then the mistake is another one, and
/// must be reported.
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

/// Parses a field, if it is complete.
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
            // The type is incomplete.
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
