//! `#[factory] struct`: fields with `#[delivery]` are injected, all others start with their `Default`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemStruct, Member, parse_quote};

use super::conduct::Conduct;
use super::fields::{self, DefaultField};
use super::{Model, OF_STRUCT, fallback, mistake_in_output};
use crate::attributes::{inherited, under};
use crate::delivery::{AllowedOf, Delivery, take_options, value_of_result};
use crate::errors::{Errors, take_repeated};
use crate::names::{Place, local, make_static, owning, readable, runtime};
use crate::options::Options;

pub(super) fn expand(arguments: TokenStream, mut item: ItemStruct) -> TokenStream {
    let generated = generate(arguments, &mut item);
    quote!(#item #generated)
}

pub(super) fn expand_without_item(arguments: TokenStream, mut item: ItemStruct) -> TokenStream {
    generate(arguments, &mut item)
}

/// Returns the code beside the struct, and removes its `#[delivery]` attributes.
fn generate(arguments: TokenStream, item: &mut ItemStruct) -> TokenStream {
    let mut errors = Errors::new();
    let code = crate::code::of(&item.ident, &quote!(#arguments #item));
    let options = Options::parse(arguments, "#[factory]", OF_STRUCT, &mut errors);
    take_repeated(&mut item.attrs, "factory", &mut errors);
    check_output_is_said(item, &options, &mut errors);
    check_lifetimes(item, &mut errors);
    let mut undelivered = Vec::new();
    let model = Model::of_struct(item, &options, code, &mut undelivered, &mut errors);
    let attributes = inherited(item.attrs.iter().chain(item.fields.iter().flat_map(|field| &field.attrs)));
    if !errors.is_empty() {
        // A type with a mistake counts as absent.
        let output = options.type_of("output");
        let output =
            output.filter(|output| mistake_in_output(output).is_none() && value_of_result(output).is_none());
        return under(&attributes, fallback::expand(&item.ident, &item.generics, output, errors));
    }
    errors.finish();
    // The output of the factory is not meant to be delivered to itself.
    let own = model.id.is_none().then_some(&model.output);
    let (expansion, fields) = (model.expand(), fields::expand(item, &undelivered, own));
    under(&attributes, quote!(#expansion #fields))
}

impl Model {
    fn of_struct(
        item: &mut ItemStruct,
        options: &Options,
        code: u128,
        undelivered: &mut Vec<DefaultField>,
        errors: &mut Errors,
    ) -> Self {
        let mut deliveries = Vec::new();
        let mut fields = Vec::new();
        let members: Vec<_> = item.fields.members().collect();
        let has_lifetimes = item.generics.lifetimes().next().is_some();
        for (member, field) in members.into_iter().zip(&mut item.fields) {
            let options = take_options(&mut field.attrs, AllowedOf::Factory, errors);
            let starts_as_default = options.as_ref().is_some_and(|options| options.is_only("default"));
            let value = match options.filter(|_| !starts_as_default) {
                Some(options) => {
                    let value = local(&format!("__{}", deliveries.len()));
                    let place = match &member {
                        Member::Named(name) => Ok(name),
                        Member::Unnamed(index) => Err(index.index as usize),
                    };
                    // With a lifetime parameter, the mistake is that parameter.
                    let ty = if has_lifetimes { owning(&field.ty) } else { field.ty.clone() };
                    deliveries.push(Delivery::new(place, ty, &options, errors));
                    // The compiler would report a borrow again.
                    make_static(&mut field.ty);
                    quote!(#value)
                }
                None => {
                    let ty = &field.ty;
                    if !starts_as_default {
                        undelivered.push(DefaultField { member: member.clone(), ty: ty.clone() });
                    }
                    let place = Place::of(ty);
                    let setl = runtime(place.start);
                    let starts = place.angled(&quote!(#ty as #setl::DefaultField));
                    let initial = place.last("initial");
                    quote!(#starts::#initial())
                }
            };
            fields.push(quote!(#member: #value));
        }
        Self {
            name: item.ident.clone(),
            generics: item.generics.clone(),
            output: options.type_of("output").cloned().unwrap_or_else(|| parse_quote!(())),
            id: options.type_of("id").cloned(),
            is_function: false,
            returned: None,
            blocking: options.flag("blocking").is_some(),
            conduct: Conduct::of(options, &item.ident, errors),
            deliveries,
            code,
            assemble: quote!(Self { #(#fields,)* }),
        }
    }
}

/// Checks that `output = …` is present, so that the attribute shows deliveries and output.
fn check_output_is_said(item: &ItemStruct, options: &Options, errors: &mut Errors) {
    if let Some(output) = options.type_of("output") {
        super::check_output(output, errors);
        // A function returns a result. A struct names the value type.
        if let Some((value, _)) = value_of_result(output) {
            let value = readable(value);
            errors.at(
                output,
                format!(
                    "`output` is what is delivered if there was no error: write `output = {value}`, and let `process` return \
                     `Result<Self::Output>`"
                ),
            );
        }
    } else if errors.is_empty() {
        let message = format!(
            "factory `{}` does not say what it delivers: write `#[factory(output = Type)]`, or `output = ()` if nobody \
             takes anything from it",
            item.ident
        );
        errors.at(&item.ident, message);
    }
}

/// Checks that there are no lifetimes: a factory moves to the thread that runs it, and may outlive a borrow.
///
/// Each becomes `'static` by a bound, so that `impl Factory`, which has these lifetimes, too, gives no further error.
fn check_lifetimes(item: &mut ItemStruct, errors: &mut Errors) {
    let lifetimes: Vec<_> = item.generics.lifetimes().map(|parameter| parameter.lifetime.clone()).collect();
    for lifetime in lifetimes {
        item.generics.make_where_clause().predicates.push(parse_quote!(#lifetime: 'static));
        errors.at(lifetime, super::NO_LIFETIMES);
    }
}
