//! Words of the attributes, and where generated code finds the runtime.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::Attribute;

pub(crate) const DELIVERY: &str = "delivery";

/// What generated code may use, without the user importing it.
pub(crate) fn runtime(span: Span) -> TokenStream {
    quote_spanned!(span.resolved_at(Span::call_site())=> ::setl::__private)
}

/// Whether this is `#[name]` or `#[setl::name]`.
pub(crate) fn is(attribute: &Attribute, name: &str) -> bool {
    attribute.path().segments.last().is_some_and(|last| last.ident == name)
}

/// Type tokens as a reader would write them: `Dataset<Flight>`, not `Dataset < Flight >`.
pub(crate) fn readable(tokens: impl quote::ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (spaced, tight) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        (" ;", ";"),
        ("( ", "("),
        (" )", ")"),
        (" (", "("),
        ("[ ", "["),
        (" ]", "]"),
        ("r#", ""),
    ] {
        text = text.replace(spaced, tight);
    }
    text
}
