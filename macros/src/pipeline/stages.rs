//! The arguments of `#[pipeline]`: `defaults(option, …), #[option] stage(Factory, …), …, keep(Factory, …)`.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, Token, Type, parenthesized};

use crate::errors::{Errors, did_you_mean};
use crate::options::{Allowed, Options};
use crate::policy::{CODE, Limits, RETRY, TIMEOUT, TOTAL_TIMEOUT};

/// The options before a stage.
const OPTIONS: &[&str] = &["barrier", "sequential", "no_write"];

/// One `stage(Factory, …)`.
pub(super) struct Stage {
    pub(super) name: Ident,
    pub(super) factories: Vec<Type>,
    /// `true` if its parentheses are empty.
    pub(super) is_empty: bool,
    /// A subset of [`OPTIONS`].
    pub(super) options: Vec<Ident>,
}

/// The options in `defaults(…)`.
const DEFAULTS: &[Allowed] = &[RETRY, TIMEOUT, TOTAL_TIMEOUT, CODE];

#[derive(Default)]
pub(super) struct Arguments {
    pub(super) stages: Vec<Stage>,
    pub(super) keep: Vec<Type>,
    pub(super) defaults: Option<Limits>,
}

/// Parses the arguments, one after another.
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
        let attributes = input.call(Attribute::parse_outer)?;
        let last = attributes.last().cloned();
        let options = check_options(attributes, errors);
        if let (true, Some(last)) = (input.is_empty(), last) {
            let message = "this stands before a stage, and no stage follows: add one, as `extract(ReadOrders)`, or remove it";
            return Err(syn::Error::new_spanned(last, message));
        }
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
        if name == "defaults" || name == "keep" {
            for option in &options {
                errors.at(
                    option,
                    format!("stage option `{option}` stands before a stage, and `{name}(...)` is none: move it, or remove it"),
                );
            }
        }
        if name == "defaults" {
            let options = Options::parse(content.parse()?, "defaults(...)", DEFAULTS, errors);
            if self.defaults.replace(Limits::of(&options, errors)).is_some() {
                errors.at(name, "`defaults` is given twice: put all options into one");
            }
            return Ok(());
        }
        let is_empty = content.is_empty();
        let factories = parse_factories(&content, &name, errors)?;
        if name == "keep" {
            self.keep.extend(factories);
        } else {
            self.stages.push(Stage { name, factories, is_empty, options });
        }
        Ok(())
    }
}

/// Parses the factories in the parentheses of a stage, which may have documentation.
fn parse_factories(content: ParseStream<'_>, stage: &Ident, errors: &mut Errors) -> syn::Result<Vec<Type>> {
    let mut factories = Vec::new();
    while !content.is_empty() {
        for attribute in content.call(Attribute::parse_outer)? {
            if !attribute.path().is_ident("doc") {
                errors.at(&attribute, misplaced(&attribute));
            }
        }
        if content.peek(Token![,]) {
            errors.push(content.error(format!("one comma too many in stage `{stage}`: remove it")));
        } else if !content.is_empty() {
            let written = content.fork();
            match content.parse() {
                Ok(factory) => factories.push(factory),
                Err(_) => {
                    skip_to_comma(content)?;
                    let found = until_comma(&written)?;
                    let text = crate::names::readable(&found).replace(" ::", "::");
                    let message = format!(
                        "`{text}` is not the name of a factory: stage `{stage}` lists factories by name"
                    );
                    errors.at(found, message);
                }
            }
        }
        if !content.is_empty() && !content.peek(Token![,]) {
            let problem = match content.peek(syn::token::Paren) {
                true => "lists factories by name, without parentheses",
                false => "lists factories by name, separated by commas",
            };
            errors.push(content.error(format!("stage `{stage}` {problem}")));
            // If a comma is missing, a whole stage may come before the next comma.
            content.parse::<TokenStream>()?;
        }
        if !content.is_empty() {
            let _: Token![,] = content.parse()?;
        }
    }
    Ok(factories)
}

/// Returns the error for an attribute on a factory in a stage.
fn misplaced(attribute: &Attribute) -> String {
    let name = crate::names::readable(attribute.path());
    if OPTIONS.contains(&name.as_str()) {
        return format!(
            "`#[{name}]` stands before a stage, not before a factory: write `#[{name}] stage(Factory, ...)`"
        );
    }
    format!(
        "`#[{name}]` on a factory in a stage: the list is the same whatever is compiled; put `#[cfg]` on two versions of the \
         pipeline"
    )
}

/// Checks the options of a stage: `#[barrier]`, `#[sequential]`, `#[no_write]`, each at most once. Documentation is allowed.
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

fn until_comma(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}

/// Skips to the next stage after one that could not be parsed.
fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        let _: TokenTree = input.parse()?;
    }
    Ok(())
}
