//! Parses `retry(times = 3, backoff = "100ms..10s", …)`.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit};

use super::duration::{range_of_option, ungrouped};
use super::expand_duration;
use crate::errors::Errors;
use crate::names::{Place, runtime};
use crate::options::{Allowed, Options, Takes};

const ALLOWED: &[Allowed] = &[
    Allowed { name: "times", takes: Takes::Expression, usage: "times = 3" },
    Allowed { name: "backoff", takes: Takes::Expression, usage: "backoff = \"100ms..10s\"" },
    Allowed { name: "factor", takes: Takes::Expression, usage: "factor = 2.0" },
    Allowed { name: "jitter", takes: Takes::Expression, usage: "jitter = false" },
    Allowed { name: "on", takes: Takes::Expression, usage: "on = transient | any | function" },
];

pub(super) struct Retry {
    times: Expr,
    backoff: Option<(Duration, Duration)>,
    factor: Option<f32>,
    jitter: Option<bool>,
    on: Option<On>,
}

enum On {
    Transient,
    Any,
    If(Expr),
}

impl Retry {
    /// Parses the content of the parentheses of the option with this `name`.
    pub(super) fn parse(name: &Ident, tokens: TokenStream, errors: &mut Errors) -> Option<Self> {
        let is_empty = tokens.is_empty();
        let options = Options::parse(tokens, "retry(...)", ALLOWED, errors);
        let backoff = options
            .expression("backoff")
            .and_then(|value| errors.keep(range_of_option(value, "backoff", "100ms..10s")));
        let factor = options.expression("factor").and_then(|value| errors.keep(factor(value)));
        let jitter = options.expression("jitter").and_then(|value| errors.keep(jitter(value)));
        let on = options.expression("on").and_then(|value| errors.keep(on(value)));
        let Some(times) = options.expression("times").cloned() else {
            // A mistake in `times` is already reported.
            if is_empty || errors.is_empty() {
                errors.at(name, "`retry` does not say how often: write `retry(times = 3)` for three times after the first");
            }
            return None;
        };
        errors.keep(check_times(&times))?;
        Some(Self { times, backoff, factor, jitter, on })
    }

    /// Returns `Retry::times(3).backoff(…)`.
    pub(super) fn expand(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let times = &self.times;
        let backoff = self.backoff.map(|(delay, longest)| {
            let (delay, longest) = (expand_duration(delay), expand_duration(longest));
            quote!(.backoff(#delay, #longest))
        });
        let factor = self.factor.map(|factor| quote!(.factor(#factor)));
        let jitter = self.jitter.map(|jitter| quote!(.jitter(#jitter)));
        let on = self.on.as_ref().map(|on| {
            let on = on.expand();
            quote!(.on(#on))
        });
        quote!(#setl::Retry::times(#times) #backoff #factor #jitter #on)
    }
}

impl On {
    fn expand(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        match self {
            Self::Transient => quote!(#setl::RetryOn::Transient),
            Self::Any => quote!(#setl::RetryOn::Any),
            // The variable has a type, so that a value of another type is an error of the expression only.
            Self::If(function) => {
                let place = Place::of(function);
                let at_function = runtime(place.start);
                // Both uses have the same span, so that they are one variable even if the function comes from a macro.
                let variable = Ident::new("on", Span::call_site());
                let declared =
                    quote_spanned!(place.start=> let #variable: #at_function::RetryIf = #function;);
                quote!({ #declared #setl::RetryOn::If(#variable) })
            }
        }
    }
}

/// Checks for a number, or a path of a constant.
fn check_times(times: &Expr) -> syn::Result<()> {
    let is_number = match ungrouped(times) {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse::<u32>().is_ok(),
        Expr::Lit(_) | Expr::Unary(_) => false,
        _ => true,
    };
    if is_number {
        return Ok(());
    }
    let message = "`times` is how often it is tried again, a whole number: write `times = 3`";
    Err(syn::Error::new_spanned(times, message))
}

/// Reads the ratio of each wait to the previous one.
fn factor(value: &Expr) -> syn::Result<f32> {
    let number = match ungrouped(value) {
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => number.base10_parse::<f32>().ok(),
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse::<f32>().ok(),
        _ => None,
    };
    number.filter(|factor| *factor >= 1.0 && factor.is_finite()).ok_or_else(|| {
        let message = "`factor` is how many times as long each wait is as the one before, at least 1: write `factor = 2.0`";
        syn::Error::new_spanned(value, message)
    })
}

fn jitter(value: &Expr) -> syn::Result<bool> {
    match ungrouped(value) {
        Expr::Lit(ExprLit { lit: Lit::Bool(jitter), .. }) => Ok(jitter.value),
        _ => Err(syn::Error::new_spanned(
            value,
            "`jitter` says whether waits are random, `true` or `false`: write `jitter = false`",
        )),
    }
}

/// Reads one of two words, or an expression for a function.
fn on(value: &Expr) -> syn::Result<On> {
    let word = match ungrouped(value) {
        Expr::Path(path) => path.path.get_ident().map(Ident::to_string),
        Expr::Lit(_) => {
            let message = "`on` says after which errors it is tried again: write `on = transient`, `on = any`, or \
                           `on = function` with a `fn(&setl::Error) -> bool`";
            return Err(syn::Error::new(value.span(), message));
        }
        _ => None,
    };
    Ok(match word.as_deref() {
        Some("transient") => On::Transient,
        Some("any") => On::Any,
        _ => On::If(value.clone()),
    })
}
