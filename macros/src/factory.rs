//! `#[factory]`: generates the factory traits for a struct or function.

mod conduct;
mod expand;
mod fallback;
mod fields;
mod function;
mod structure;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Generics, Ident, Item, Type, TypeParamBound};

use crate::delivery::Delivery;
use crate::errors::Errors;
use crate::names::{Unnameable, is_sized, owning, owning_sized, readable, ungrouped, unnameable};
use crate::options::{Allowed, Takes};
use crate::policy::{CODE, MEMORY, RETRY, TIMEOUT, TOTAL_TIMEOUT};
use crate::{cfg, root, unfinished};
use conduct::Conduct;

const ID: Allowed = Allowed { name: "id", takes: Takes::Type, usage: "id = Type" };
const BLOCKING: Allowed = Allowed { name: "blocking", takes: Takes::Nothing, usage: "blocking" };
const ON_FAILURE: Allowed =
    Allowed { name: "on_failure", takes: Takes::Word, usage: "on_failure = fail | skip | fallback(Factory)" };
const WHEN: Allowed = Allowed { name: "when", takes: Takes::Expression, usage: "when = condition" };
const RESOURCE: Allowed =
    Allowed { name: "resource", takes: Takes::Expression, usage: "resource = RESOURCE" };
const CHECKPOINT: Allowed = Allowed { name: "checkpoint", takes: Takes::Nothing, usage: "checkpoint" };
const CACHE: Allowed =
    Allowed { name: "cache", takes: Takes::NothingOrOptions, usage: "cache(max_age = \"7d\")" };
const VOLATILE: Allowed = Allowed { name: "volatile", takes: Takes::Nothing, usage: "volatile" };
const OUTPUT: Allowed = Allowed { name: "output", takes: Takes::Type, usage: "output = Type" };

/// The options on a struct. A function declares its output by its return type.
const OF_STRUCT: &[Allowed] = &[
    OUTPUT,
    ID,
    BLOCKING,
    RETRY,
    TIMEOUT,
    TOTAL_TIMEOUT,
    ON_FAILURE,
    WHEN,
    RESOURCE,
    CHECKPOINT,
    CACHE,
    CODE,
    VOLATILE,
    MEMORY,
];
const OF_FUNCTION: &[Allowed] = match OF_STRUCT {
    [_output, others @ ..] => others,
    [] => &[],
};

const NO_LIFETIMES: &str = "a factory owns what it works on, so it cannot have lifetime parameters: take owned values, or \
                            `#[delivery(shared)]` ones as `Arc`";

/// A parsed factory, in either form.
struct Model {
    name: Ident,
    generics: Generics,
    output: Type,
    id: Option<Type>,
    blocking: bool,
    is_function: bool,
    /// The return type of a function, if only the traits can determine its output.
    returned: Option<Type>,
    /// Its condition and its handling of failures.
    conduct: Conduct,
    deliveries: Vec<Delivery>,
    /// The fingerprint of its code.
    code: u128,
    /// Builds the factory from `__0`, `__1`, …: one variable for each delivery.
    assemble: TokenStream,
}

/// Returns `true` if `#[factory]` has an option with this name.
pub(crate) fn is_option(name: &str) -> bool {
    OF_STRUCT.iter().any(|option| option.name == name)
}

/// Expands `#[factory(arguments)] item`.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let all = arguments.clone();
    root::rooted(arguments, &item.clone(), |arguments| expand_rooted(&all, arguments, item))
}

/// Expands a factory for which the path of setl is set. `all` are the arguments including `crate = …`.
fn expand_rooted(all: &TokenStream, arguments: TokenStream, item: TokenStream) -> TokenStream {
    if let Ok(function) = syn::parse2(item.clone()) {
        return function::expand(arguments, function);
    }
    match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Struct(structure)) if cfg::has_conditional_field(&structure.fields) => {
            cfg::resolve_first(cfg::Which::Factory, all, structure)
        }
        Ok(Item::Struct(structure)) => structure::expand(arguments, structure),
        Ok(other) => {
            let mut errors = Errors::new();
            errors.at(head_of(&other), wrong_item(&other));
            let errors = errors.finish();
            quote!(#other #errors)
        }
        Err(error) => match unfinished::parse(item.clone()) {
            Some(structure) => structure::expand(arguments, structure),
            // The compiler explains an item that cannot be parsed.
            None => {
                let error = error.to_compile_error();
                quote!(#item #error)
            }
        },
    }
}

/// Expands a struct with `#[cfg]` on fields, after these are resolved.
pub(crate) fn expand_resolved(item: TokenStream) -> TokenStream {
    match cfg::resolved(item) {
        Ok((arguments, structure)) => root::rooted(arguments, &structure.to_token_stream(), |arguments| {
            structure::expand_without_item(arguments, structure.clone())
        }),
        Err(error) => error.to_compile_error(),
    }
}

fn wrong_item(item: &Item) -> String {
    let found = match item {
        Item::Enum(_) => "an enum",
        Item::Union(_) => "a union",
        Item::Trait(_) => "a trait",
        Item::Mod(_) => "a module",
        Item::Impl(block) if block.trait_.is_some() => {
            return "`#[factory]` belongs on the struct, not on its `impl Factory` block".to_owned();
        }
        Item::Impl(_) => "an impl block",
        Item::Type(_) => "a type alias",
        _ => "this item",
    };
    format!("`#[factory]` belongs on a struct with `#[delivery]` fields or on a function, not on {found}")
}

/// Checks that an output is owned, since it outlives its factory and is looked up by its type.
fn check_output(output: &Type, errors: &mut Errors) {
    if let Some((place, message)) = mistake_in_output(output) {
        errors.at(place, message);
    }
}

/// Returns the mistake in the type of an output.
fn mistake_in_output(output: &Type) -> Option<(&Type, String)> {
    let message = match unnameable(output) {
        Some(Unnameable::Borrow) => {
            let owned = readable(owning(output));
            format!("an output cannot be borrowed, since it outlives the factory that makes it: deliver `{owned}`")
        }
        Some(Unnameable::Impl) if is_future(output) => {
            "a future is no output, since nobody would await it: write `async fn`, and return what it gives".to_owned()
        }
        Some(Unnameable::Impl) => {
            "an output has one named type, by which others ask for it, and `impl Trait` has none: name the type".to_owned()
        }
        None if !is_sized(output) => {
            let owned = readable(owning_sized(output));
            format!("`{}` has no size, so it cannot be delivered: deliver `{owned}`", readable(output))
        }
        None => return None,
    };
    Some((output, message))
}

/// Returns `true` if a type is written `impl Future<…>`.
fn is_future(ty: &Type) -> bool {
    let Type::ImplTrait(ty) = ungrouped(ty) else { return false };
    ty.bounds.iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| last.ident == "Future"),
        _ => false,
    })
}

/// Returns the part of an item to underline.
fn head_of(item: &Item) -> TokenStream {
    match item {
        Item::Enum(item) => item.ident.to_token_stream(),
        Item::Union(item) => item.ident.to_token_stream(),
        Item::Trait(item) => item.ident.to_token_stream(),
        Item::Mod(item) => item.ident.to_token_stream(),
        Item::Type(item) => item.ident.to_token_stream(),
        Item::Impl(item) => item.self_ty.to_token_stream(),
        item => item.to_token_stream(),
    }
}
