//! The arguments of `#[pipeline]`: `defaults(option, …), #[option] stage(Factory, …), …, keep(Factory, …)`.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, Token, Type, parenthesized};

use crate::errors::{Errors, did_you_mean};
use crate::options::{Allowed, Options};
use crate::policy::{CODE, Limits, RETRY, TIMEOUT, TOTAL_TIMEOUT};

/// What may stand above a stage.
const OPTIONS: &[&str] = &["barrier", "sequential", "no_write"];

/// One `stage(Factory, …)`.
pub(super) struct Stage {
    pub(super) name: Ident,
    pub(super) factories: Vec<Type>,
    /// Of [`OPTIONS`].
    pub(super) options: Vec<Ident>,
}

/// What `defaults(…)` says.
const DEFAULTS: &[Allowed] = &[RETRY, TIMEOUT, TOTAL_TIMEOUT, CODE];

#[derive(Default)]
pub(super) struct Arguments {
    pub(super) stages: Vec<Stage>,
    pub(super) keep: Vec<Type>,
    pub(super) defaults: Option<Limits>,
}

/// Reads the arguments, one after another.
pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Arguments {
    let mut arguments = Arguments::default();
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            if let Err(error) = arguments.parse_one(input, errors) {
                errors.push(error);
                skip_to_comma(input)?;
            }
            if !input.is_empty() {
                expect_comma(input)?;
            }
        }
        Ok(())
    };
    if let Err(error) = parser.parse2(tokens) {
        errors.push(error);
    }
    arguments
}

impl Arguments {
    fn parse_one(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let options = check_options(input.call(Attribute::parse_outer)?, errors);
        let Ok(name) = input.call(Ident::parse_any) else {
            return Err(input.error(
                "expected a stage: a name, and its factories in parentheses, as `extract(ReadOrders)`",
            ));
        };
        if !input.peek(syn::token::Paren) {
            let message = format!(
                "`{name}` stands where a stage should be: write `stage_name({name})` if it is a factory, \
                 or `{name}(Factory, ...)` if it is a stage"
            );
            return Err(syn::Error::new(name.span(), message));
        }
        let content;
        parenthesized!(content in input);
        if name == "defaults" {
            let options = Options::parse(content.parse()?, "defaults(...)", DEFAULTS, errors);
            if self.defaults.replace(Limits::of(&options, errors)).is_some() {
                errors.at(name, "`defaults` is given twice: put all options into one");
            }
            return Ok(());
        }
        let factories = Punctuated::<Type, Token![,]>::parse_terminated_with(&content, parse_listed)
            .map_err(|error| {
                // What is left unread would be complained of again.
                let _ = content.parse::<TokenStream>();
                let message =
                    format!("stage `{name}` lists factories by name, separated by commas ({error})");
                syn::Error::new(error.span(), message)
            })?;
        if name == "keep" {
            self.keep.extend(factories);
        } else {
            self.stages.push(Stage { name, factories: factories.into_iter().collect(), options });
        }
        Ok(())
    }
}

/// A factory in a stage, which may have documentation.
fn parse_listed(input: ParseStream<'_>) -> syn::Result<Type> {
    if input.peek(Token![#]) && input.peek2(syn::token::Bracket) {
        let attributes = input.fork().call(Attribute::parse_outer)?;
        if attributes.iter().all(|attribute| attribute.path().is_ident("doc")) {
            input.call(Attribute::parse_outer)?;
        }
    }
    input.parse()
}

/// Options are `#[barrier]`, `#[sequential]`, `#[no_write]`, each once; documentation is welcome.
fn check_options(attributes: Vec<Attribute>, errors: &mut Errors) -> Vec<Ident> {
    let mut options: Vec<Ident> = Vec::new();
    for attribute in attributes.iter().filter(|attribute| !attribute.path().is_ident("doc")) {
        match attribute.path().get_ident() {
            Some(option) if OPTIONS.iter().any(|known| option == known) => {
                if attribute.meta.require_path_only().is_err() {
                    errors.at(
                        attribute,
                        format!("stage option `{option}` takes no value: write `#[{option}]`"),
                    );
                } else if options.contains(option) {
                    errors.at(attribute, format!("stage option `{option}` is given twice: remove one"));
                } else {
                    options.push(option.clone());
                }
            }
            _ => {
                let name = crate::names::readable(attribute.path());
                let near = did_you_mean(&name, OPTIONS);
                errors.at(attribute, format!("unknown stage option `{name}`{near}"));
            }
        }
    }
    options
}

fn expect_comma(input: ParseStream<'_>) -> syn::Result<()> {
    if input.peek(Token![,]) {
        let _: Token![,] = input.parse()?;
        return Ok(());
    }
    Err(input.error("expected a comma between stages: write `extract(ReadOrders), load(WriteReport)`"))
}

/// Goes on with the next stage after one that could not be read.
fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        let _: TokenTree = input.parse()?;
    }
    Ok(())
}
