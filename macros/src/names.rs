//! Words of the attributes, and where generated code finds the runtime.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::visit::Visit;
use syn::{Attribute, Type};

pub(crate) const DELIVERY: &str = "delivery";

/// What generated code may use, without the user importing it.
pub(crate) fn runtime(span: Span) -> TokenStream {
    quote_spanned!(span=> ::setl::__private)
}

/// Where tokens of the user start and end.
///
/// On stable a span cannot be made of two, but the compiler makes one for whatever it parses: from the first token to the
/// last. So what is generated for a type starts with a token at its start, ends with one at its end, and is then
/// underlined as a whole.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) start: Span,
    pub(crate) end: Span,
}

impl Place {
    pub(crate) fn of(tokens: &impl ToTokens) -> Self {
        let mut spans = tokens.to_token_stream().into_iter().map(|token| token.span());
        let start = spans.next().unwrap_or_else(Span::call_site);
        Self { start, end: spans.last().unwrap_or(start) }
    }

    /// `name` at the end.
    pub(crate) fn last(self, name: &str) -> Ident {
        Ident::new(name, self.end)
    }

    /// `<body>`
    pub(crate) fn angled(self, body: &impl ToTokens) -> TokenStream {
        let (open, close) = (quote_spanned!(self.start=> <), quote_spanned!(self.end=> >));
        quote_spanned!(self.start=> #open #body #close)
    }
}

/// A type without the invisible brackets around what a `macro_rules!` macro was given.
pub(crate) fn ungrouped(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        };
    }
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

/// Whether a type has parts that cannot stand outside of a signature.
pub(crate) fn contains_borrow_or_impl(ty: &Type) -> bool {
    struct Find(bool);

    impl<'ast> Visit<'ast> for Find {
        fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
            self.0 = true;
        }

        fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
            self.0 |= lifetime.ident != "static";
        }

        fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
            self.0 |= reference.lifetime.is_none();
            syn::visit::visit_type_reference(self, reference);
        }
    }

    let mut find = Find(false);
    find.visit_type(ty);
    find.0
}
