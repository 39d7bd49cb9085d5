//! One grammar for the options of all attributes: `flag`, `name = value`, `name(options)`, separated by commas.

use heck::ToUpperCamelCase as _;
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, Ident, Token, Type, parenthesized};

use crate::errors::{Errors, did_you_mean};

/// The form of an option.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// `name`
    Nothing,
    /// `name = Type`
    Type,
    /// `name = expression`
    Expression,
    /// `name = word` or `name = word(…)`
    Word,
    /// `name(…)`, with nested options
    Options,
    /// `name` or `name(…)`
    NothingOrOptions,
}

/// An option that an attribute allows.
pub(crate) struct Allowed {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    /// An example of how to write it, for errors.
    pub(crate) usage: &'static str,
}

/// An option that was written.
struct Written {
    name: Ident,
    value: Value,
}

enum Value {
    Nothing,
    Type(Box<Type>),
    Expression(Box<Expr>),
    Word(Word),
    Options(TokenStream),
}

/// A word that was chosen, and the tokens in the parentheses after it.
pub(crate) struct Word {
    pub(crate) word: Ident,
    pub(crate) arguments: Option<TokenStream>,
}

/// The options of one attribute, after all its mistakes have been recorded.
#[derive(Default)]
pub(crate) struct Options {
    written: Vec<Written>,
}

impl Options {
    /// Parses the content of the parentheses of an attribute. `attribute` is its name in errors: `#[delivery]`, or `retry(...)`
    /// for nested options.
    pub(crate) fn parse(
        tokens: TokenStream,
        attribute: &str,
        allowed: &[Allowed],
        errors: &mut Errors,
    ) -> Self {
        let mut options = Self::default();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                match parse_option(input, attribute, allowed) {
                    Ok(option) => options.add(option, attribute, errors),
                    Err(error) => {
                        errors.push(error);
                        skip_to_comma(input)?;
                    }
                }
                expect_comma(input, attribute, errors)?;
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            errors.push(error);
        }
        options
    }

    fn add(&mut self, option: Written, attribute: &str, errors: &mut Errors) {
        if self.get(&option.name.to_string()).is_some() {
            errors.at(&option.name, format!("`{}` is given twice in `{attribute}`: remove one", option.name));
        } else {
            self.written.push(option);
        }
    }

    /// Returns `true` if this is the only option.
    pub(crate) fn is_only(&self, name: &str) -> bool {
        matches!(self.written.as_slice(), [only] if only.name == name)
    }

    fn get(&self, name: &str) -> Option<&Written> {
        self.written.iter().find(|option| option.name == name)
    }

    /// Returns the place of a flag, if it was written.
    pub(crate) fn flag(&self, name: &str) -> Option<Span> {
        self.get(name).map(|option| option.name.span())
    }

    /// Returns the name of an option as it was written, if it was.
    pub(crate) fn name(&self, name: &str) -> Option<&Ident> {
        self.get(name).map(|option| &option.name)
    }

    pub(crate) fn type_of(&self, name: &str) -> Option<&Type> {
        match &self.get(name)?.value {
            Value::Type(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn expression(&self, name: &str) -> Option<&Expr> {
        match &self.get(name)?.value {
            Value::Expression(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn word(&self, name: &str) -> Option<&Word> {
        match &self.get(name)?.value {
            Value::Word(value) => Some(value),
            _ => None,
        }
    }

    /// Returns the content of the parentheses of `name(…)`.
    pub(crate) fn options(&self, name: &str) -> Option<&TokenStream> {
        match &self.get(name)?.value {
            Value::Options(value) => Some(value),
            _ => None,
        }
    }
}

fn parse_option(input: ParseStream<'_>, attribute: &str, allowed: &[Allowed]) -> syn::Result<Written> {
    let Ok(name) = input.call(<Ident as syn::ext::IdentExt>::parse_any) else {
        return Err(input.error(format!("expected an option of `{attribute}`, {}", usages(allowed))));
    };
    let Some(option) = allowed.iter().find(|option| name == option.name) else {
        if attribute == "#[factory]" && name == "output" {
            let message = "a function says by its return type what it delivers: remove `output`";
            return Err(syn::Error::new(name.span(), message));
        }
        if attribute == "defaults(...)" && crate::factory::is_option(&name.to_string()) {
            let message = format!(
                "`{name}` belongs on a factory, in `#[factory({name} ...)]`: defaults are {}",
                crate::errors::listed(&allowed.iter().map(|option| option.name).collect::<Vec<_>>())
            );
            return Err(syn::Error::new(name.span(), message));
        }
        let names: Vec<_> = allowed.iter().map(|option| option.name).collect();
        let near = did_you_mean(&name.to_string(), &names);
        return Err(syn::Error::new(name.span(), format!("unknown option `{name}` of `{attribute}`{near}")));
    };
    let wrong = |problem: &str| {
        let usage = option.usage;
        syn::Error::new(name.span(), format!("`{name}` {problem}: write `{usage}` in `{attribute}`"))
    };
    if option.takes == Takes::Nothing {
        if !input.is_empty() && !input.peek(Token![,]) {
            return Err(wrong("takes no value"));
        }
        return Ok(Written { name, value: Value::Nothing });
    }
    if option.takes == Takes::NothingOrOptions {
        if input.is_empty() || input.peek(Token![,]) {
            return Ok(Written { name, value: Value::Nothing });
        }
        if !input.peek(syn::token::Paren) {
            return Err(wrong("takes nothing, or its options in parentheses"));
        }
    }
    if matches!(option.takes, Takes::Options | Takes::NothingOrOptions) {
        if !input.peek(syn::token::Paren) {
            return Err(wrong("takes its options in parentheses"));
        }
        let content;
        parenthesized!(content in input);
        return Ok(Written { name, value: Value::Options(content.parse()?) });
    }
    if input.parse::<Token![=]>().is_err() || input.is_empty() || input.peek(Token![,]) {
        return Err(wrong("needs a value"));
    }
    let value = if option.takes == Takes::Word {
        let Ok(word) = input.call(<Ident as syn::ext::IdentExt>::parse_any) else {
            return Err(wrong("takes a word"));
        };
        let mut arguments = None;
        if input.peek(syn::token::Paren) {
            let content;
            parenthesized!(content in input);
            arguments = Some(content.parse()?);
        }
        Value::Word(Word { word, arguments })
    } else if option.takes == Takes::Type {
        if let Ok(text) = input.fork().parse::<syn::LitStr>() {
            let _: syn::LitStr = input.parse()?;
            return Err(syn::Error::new(text.span(), type_as_text(&name, &text.value())));
        }
        let value = input.fork();
        Value::Type(input.parse().map_err(|_| unreadable(&value, option, attribute, "a type"))?)
    } else {
        let value = input.fork();
        Value::Expression(input.parse().map_err(|_| unreadable(&value, option, attribute, "an expression"))?)
    };
    Ok(Written { name, value })
}

/// Returns the error for a text in place of a type.
fn type_as_text(option: &Ident, text: &str) -> String {
    let ty = syn::parse_str::<Type>(text).ok();
    let (written, declared) = match (ty, option.to_string().as_str()) {
        (Some(_), "producer" | "output") => (text.trim().to_owned(), String::new()),
        (None, "producer") => ("Factory".to_owned(), String::new()),
        (None, "output") => ("Type".to_owned(), String::new()),
        _ => {
            let marker = text.to_upper_camel_case();
            let is_name = syn::parse_str::<Ident>(&marker).is_ok();
            let marker = if is_name { marker } else { "Name".to_owned() };
            (marker.clone(), format!(", with a type `struct {marker};`"))
        }
    };
    format!(
        "`{option}` takes a type, not a string, so that the compiler finds a typing error: write `{option} = {written}`{declared}"
    )
}

/// Makes the error for an invalid or incomplete value.
fn unreadable(value: ParseStream<'_>, option: &Allowed, attribute: &str, what: &str) -> syn::Error {
    let mut tokens = TokenStream::new();
    while !value.is_empty() && !value.peek(Token![,]) {
        match value.parse::<TokenTree>() {
            Ok(token) => tokens.extend([token]),
            Err(error) => return error,
        }
    }
    let (name, usage, found) = (option.name, option.usage, crate::names::readable(&tokens));
    syn::Error::new_spanned(
        tokens,
        format!("`{name}` takes {what}, found `{found}`: write `{usage}` in `{attribute}`"),
    )
}

fn usages(allowed: &[Allowed]) -> String {
    let usages: Vec<_> = allowed.iter().map(|option| format!("`{}`", option.usage)).collect();
    format!("one of {}", usages.join(", "))
}

/// Expects a comma between two options.
fn expect_comma(input: ParseStream<'_>, attribute: &str, errors: &mut Errors) -> syn::Result<()> {
    if !input.is_empty() && !input.peek(Token![,]) {
        let found = input.cursor().token_stream().into_iter().next().map(|token| token.to_string());
        let found = found.unwrap_or_default();
        errors.push(
            input.error(format!("expected a comma before the next option of `{attribute}`, found `{found}`")),
        );
        skip_to_comma(input)?;
    }
    if input.peek(Token![,]) {
        let _: Token![,] = input.parse()?;
    }
    if input.peek(Token![,]) {
        errors
            .push(input.error(format!("one comma too many between the options of `{attribute}`: remove it")));
        while input.peek(Token![,]) {
            let _: Token![,] = input.parse()?;
        }
    }
    Ok(())
}

/// Skips to the next option after one that could not be parsed.
fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        let _: TokenTree = input.parse()?;
    }
    Ok(())
}

/// Returns the tokens in the parentheses of `#[name(…)]`; empty for `#[name]`.
pub(crate) fn arguments(attribute: &syn::Attribute) -> syn::Result<TokenStream> {
    match &attribute.meta {
        syn::Meta::Path(_) => Ok(TokenStream::new()),
        syn::Meta::List(list) => Ok(list.tokens.clone()),
        syn::Meta::NameValue(pair) => {
            let name = pair.path.to_token_stream();
            let message = format!("`#[{name}]` takes its options in parentheses: write `#[{name}(...)]`");
            Err(syn::Error::new_spanned(pair, message))
        }
    }
}
