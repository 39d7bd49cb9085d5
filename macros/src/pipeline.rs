//! `#[pipeline]`: the stages of a pipeline, and the inputs from its struct.

mod expand;
mod stages;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Fields, Ident, Item, ItemStruct, Type};

use crate::attributes::{inherited, under};
use crate::delivery::{AllowedOf, Input, inner_of_option, take_options};
use crate::errors::{Errors, take_repeated};
use crate::names::{Unnameable, make_static, owning, readable, unnameable};
use crate::options::Options;
use crate::policy::Limits;
use crate::{cfg, root, unfinished};
use stages::{Arguments, Stage};

/// A parsed pipeline.
struct Model {
    name: Ident,
    visibility: syn::Visibility,
    /// The generics of the struct. A valid pipeline has none.
    generics: syn::Generics,
    stages: Vec<Stage>,
    keep: Vec<Type>,
    /// The retries and limits of all factories that do not set their own.
    defaults: Limits,
    inputs: Vec<Input>,
}

/// Expands `#[pipeline(arguments)] item`.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let all = arguments.clone();
    root::rooted(arguments, &item.clone(), |arguments| expand_rooted(&all, arguments, item))
}

/// Expands a pipeline for which the path of setl is set. `all` are the arguments including `crate = …`.
fn expand_rooted(all: &TokenStream, arguments: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Struct(structure)) if cfg::has_conditional_field(&structure.fields) => {
            cfg::resolve_first(cfg::Which::Pipeline, all, structure)
        }
        Ok(Item::Struct(mut structure)) => {
            let generated = generate(arguments, &mut structure);
            quote!(#structure #generated)
        }
        Ok(other) => {
            let mut errors = Errors::new();
            let place = match &other {
                Item::Enum(item) => item.ident.to_token_stream(),
                Item::Fn(item) => item.sig.ident.to_token_stream(),
                other => other.to_token_stream(),
            };
            errors
                .at(place, "`#[pipeline]` belongs on a struct, whose fields are the inputs of the pipeline");
            let errors = errors.finish();
            quote!(#other #errors)
        }
        Err(error) => match unfinished::parse(item.clone()) {
            Some(mut structure) => {
                let generated = generate(arguments, &mut structure);
                quote!(#structure #generated)
            }
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
        Ok((arguments, mut structure)) => {
            root::rooted(arguments, &structure.to_token_stream(), |arguments| {
                generate(arguments, &mut structure)
            })
        }
        Err(error) => error.to_compile_error(),
    }
}

fn generate(arguments: TokenStream, item: &mut ItemStruct) -> TokenStream {
    let mut errors = Errors::new();
    take_repeated(&mut item.attrs, "pipeline", &mut errors);
    let Arguments { stages, keep, defaults } = stages::parse(arguments, &mut errors);
    check_generics(item, &mut errors);
    check_stages(item, &stages, &mut errors);
    check_listed_twice(&stages, &mut errors);
    let inputs = take_inputs(item, &mut errors);
    check_inputs(&inputs, &mut errors);
    let model = Model {
        name: item.ident.clone(),
        visibility: item.vis.clone(),
        generics: item.generics.clone(),
        stages,
        keep,
        defaults: defaults.unwrap_or_default(),
        inputs,
    };
    let attributes = inherited(&item.attrs);
    if errors.is_empty() {
        errors.finish();
        return under(&attributes, model.expand());
    }
    under(&attributes, model.expand_stub(errors))
}

fn take_inputs(item: &mut ItemStruct, errors: &mut Errors) -> Vec<Input> {
    if let Fields::Unnamed(fields) = &item.fields {
        errors.at(fields, "the inputs of a pipeline have names: write `{ name: Type, ... }`");
        return Vec::new();
    }
    let mut inputs = Vec::new();
    for field in &mut item.fields {
        let options = take_options(&mut field.attrs, AllowedOf::Pipeline, errors).unwrap_or_default();
        let Some(name) = field.ident.clone() else { continue };
        check_optional_input(&field.ty, &options, errors);
        check_input_type(&mut field.ty, errors);
        inputs.push(Input {
            name,
            ty: without_self(&field.ty, &item.ident),
            attributes: inherited(&field.attrs),
            id: options.type_of("id").cloned(),
            optional: options.flag("optional").is_some(),
            opaque: options.flag("opaque").is_some(),
        });
    }
    inputs
}

/// Checks that an input is owned, since the run may outlive a borrow.
fn check_input_type(ty: &mut Type, errors: &mut Errors) {
    match unnameable(ty) {
        Some(Unnameable::Borrow) => {
            let owned = readable(owning(ty));
            let message = format!(
                "an input cannot be borrowed, since the run may outlive what it borrows from: take `{owned}`"
            );
            errors.at(&*ty, message);
            // The compiler would report the same mistake again.
            make_static(ty);
        }
        Some(Unnameable::Impl) => errors.at(
            ty,
            "an input has one named type, by which factories ask for it, and `impl Trait` has none: name the type",
        ),
        None => {}
    }
}

/// Replaces `Self` in the type of a field, for a place where `Self` is unknown.
fn without_self(ty: &Type, this: &Ident) -> Type {
    let replaced = crate::names::without_self(ty.to_token_stream(), &this.to_token_stream());
    syn::parse2(replaced).unwrap_or_else(|_| ty.clone())
}

/// Checks that an optional input is an `Option`.
fn check_optional_input(ty: &Type, options: &Options, errors: &mut Errors) {
    if options.flag("optional").is_some() && inner_of_option(ty).is_none() {
        let ty_text = crate::names::readable(ty);
        errors.at(
            ty,
            format!(
                "an optional input must have the type `Option<...>`, found `{ty_text}`: \
                 write `Option<{ty_text}>`, or remove `optional` if it is always there"
            ),
        );
    }
}

/// Checks that there are no generics: the plan is one constant, so there is one pipeline.
fn check_generics(item: &ItemStruct, errors: &mut Errors) {
    if !item.generics.params.is_empty() {
        errors.at(
            &item.generics,
            "a pipeline cannot be generic: its plan is a constant. List generic factories with their types, as `Load<Flight>`",
        );
    }
}

/// Checks that there are stages, with distinct names and at least one factory each.
fn check_stages(item: &ItemStruct, stages: &[Stage], errors: &mut Errors) {
    if stages.is_empty() && errors.is_empty() {
        errors.at(
            &item.ident,
            format!("pipeline `{}` has no stages: list its factories, as `#[pipeline(extract(ReadOrders), load(WriteReport))]`", item.ident),
        );
    }
    for (index, stage) in stages.iter().enumerate() {
        if stage.is_empty {
            errors.at(
                &stage.name,
                format!(
                    "stage `{}` has no factories: list them in its parentheses, or remove the stage",
                    stage.name
                ),
            );
        }
        let name = readable(&stage.name);
        if stages[..index].iter().any(|other| readable(&other.name) == name) {
            errors.at(&stage.name, format!("stage `{name}` is there twice: put all its factories into one"));
        }
    }
}

/// Checks that no factory is listed twice. Names that are written differently are compared by the traits.
fn check_listed_twice(stages: &[Stage], errors: &mut Errors) {
    let mut seen: Vec<(String, &Ident)> = Vec::new();
    for stage in stages {
        for factory in &stage.factories {
            let text = readable(factory).replace("::<", "<");
            match seen.iter().find(|(other, _)| *other == text) {
                Some((_, first)) => {
                    let name = crate::names::readable(factory);
                    errors.at(factory, format!("factory `{name}` is listed twice, first in stage `{first}`: each factory runs once in a run"));
                }
                None => seen.push((text, &stage.name)),
            }
        }
    }
}

/// Checks that no two inputs have the same type and id, since their deliveries would be ambiguous.
fn check_inputs(inputs: &[Input], errors: &mut Errors) {
    for (index, input) in inputs.iter().enumerate() {
        let same = |other: &&Input| {
            let key = |input: &Input| {
                let id = input.id.as_ref().map(|id| id.to_token_stream().to_string());
                (input.ty.to_token_stream().to_string(), id)
            };
            key(other) == key(input)
        };
        if let Some(other) = inputs[..index].iter().find(same) {
            let ty = crate::names::readable(&input.ty);
            errors.at(
                &input.ty,
                format!(
                    "inputs `{}` and `{}` both deliver `{ty}`: tell them apart by an id, as `#[delivery(id = Backup)]` \
                     with a type `struct Backup;`, here and where it is taken",
                    other.name, input.name
                ),
            );
        }
    }
}
