//! Names in attributes and types, and the path of the runtime in generated code.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::visit::Visit;
use syn::visit_mut::VisitMut;
use syn::{Attribute, Type, parse_quote};

use crate::root::other_root;

pub(crate) const DELIVERY: &str = "delivery";

/// Returns the path of the items that generated code uses without an import.
pub(crate) fn runtime(span: Span) -> TokenStream {
    match other_root(span) {
        Some(root) => quote_spanned!(span=> #root::__private),
        None => quote_spanned!(span=> ::setl::__private),
    }
}

/// The first and the last span of some tokens of the user.
///
/// Stable Rust cannot join two spans, but the compiler gives everything that it parses a span from the first token to the last.
/// So the tokens that are generated for a type start with a token at its start and end with one at its end. An error then
/// underlines the whole type.
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

    /// Makes an identifier at the end of the place.
    pub(crate) fn last(self, name: &str) -> Ident {
        Ident::new(name, self.end)
    }

    /// Returns `<body>`, with the brackets at both ends of the place.
    pub(crate) fn angled(self, body: &impl ToTokens) -> TokenStream {
        let (open, close) = (quote_spanned!(self.start=> <), quote_spanned!(self.end=> >));
        quote_spanned!(self.start=> #open #body #close)
    }
}

/// Makes a variable of generated code that is distinct from variables in user code.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// Replaces `Self` by its type, for a place where `Self` is unknown.
pub(crate) fn without_self(tokens: TokenStream, this: &TokenStream) -> TokenStream {
    let replaced = tokens.into_iter().flat_map(|token| match token {
        TokenTree::Ident(ident) if ident == "Self" => this.clone(),
        TokenTree::Group(group) => {
            let mut inner = proc_macro2::Group::new(group.delimiter(), without_self(group.stream(), this));
            inner.set_span(group.span());
            TokenTree::Group(inner).into()
        }
        other => other.into(),
    });
    replaced.collect()
}

/// Removes the invisible brackets around a type that was passed to a `macro_rules!` macro.
pub(crate) fn ungrouped(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        };
    }
}

/// Returns `true` for `#[name]` and `#[setl::name]`.
pub(crate) fn is(attribute: &Attribute, name: &str) -> bool {
    is_named(attribute.path(), name)
}

/// Returns `true` for `name` and `setl::name`.
pub(crate) fn is_named(path: &syn::Path, name: &str) -> bool {
    path.segments.last().is_some_and(|last| last.ident == name)
}

/// Formats type tokens as a reader would write them: `Dataset<Flight>`, not `Dataset < Flight >`.
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

/// The reason why a type cannot be used outside of the signature that contains it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unnameable {
    /// The type borrows: it has a reference or a lifetime other than `'static`.
    Borrow,
    /// The type has an `impl Trait`, which has no name.
    Impl,
}

/// Returns the reason why a type cannot be used outside of a signature, if there is one.
///
/// Lifetimes that the type itself binds are not borrows: those of `for<'a>`, and elided ones in the signature of a function
/// pointer or of `Fn(...)`.
pub(crate) fn unnameable(ty: &Type) -> Option<Unnameable> {
    let mut find = Find::default();
    find.visit_type(ty);
    find.found
}

#[derive(Default)]
struct Find<'ast> {
    found: Option<Unnameable>,
    /// The lifetimes that are bound at this point.
    bound: Vec<&'ast Ident>,
    /// `true` if an elided lifetime is bound at this point.
    in_signature: bool,
}

impl<'ast> Find<'ast> {
    fn find(&mut self, what: Unnameable) {
        self.found = self.found.or(Some(what));
    }

    fn within_bound(&mut self, lifetimes: Option<&'ast syn::BoundLifetimes>, visit: impl FnOnce(&mut Self)) {
        let before = self.bound.len();
        let parameters = lifetimes.into_iter().flat_map(|bound| &bound.lifetimes);
        self.bound.extend(parameters.filter_map(|parameter| match parameter {
            syn::GenericParam::Lifetime(parameter) => Some(&parameter.lifetime.ident),
            _ => None,
        }));
        visit(self);
        self.bound.truncate(before);
    }

    /// Visits a signature. An elided lifetime in the output comes from an input, if any input has one.
    fn signature(
        &mut self,
        inputs: impl Iterator<Item = &'ast syn::NamedArg>,
        output: &'ast syn::ReturnType,
    ) {
        let mut any = Find::default();
        let before = std::mem::replace(&mut self.in_signature, true);
        for input in inputs {
            any.visit_type(&input.ty);
            self.visit_type(&input.ty);
        }
        self.in_signature = any.found == Some(Unnameable::Borrow);
        self.visit_return_type(output);
        self.in_signature = before;
    }
}

impl<'ast> Visit<'ast> for Find<'ast> {
    fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
        self.find(Unnameable::Impl);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
        let name = &lifetime.ident;
        let is_bound = self.bound.contains(&name) || (self.in_signature && name == "_");
        if name != "static" && !is_bound {
            self.find(Unnameable::Borrow);
        }
    }

    fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
        if reference.lifetime.is_none() && !self.in_signature {
            self.find(Unnameable::Borrow);
        }
        syn::visit::visit_type_reference(self, reference);
    }

    fn visit_trait_bound(&mut self, bound: &'ast syn::TraitBound) {
        self.within_bound(bound.lifetimes.as_ref(), |this| this.visit_path(&bound.path));
    }

    fn visit_type_fn_ptr(&mut self, pointer: &'ast syn::TypeFnPtr) {
        self.within_bound(pointer.lifetimes.as_ref(), |this| {
            this.signature(pointer.inputs.iter(), &pointer.output);
        });
    }

    fn visit_parenthesized_generic_arguments(&mut self, arguments: &'ast syn::ParenthesizedGenericArguments) {
        self.signature(arguments.inputs.iter(), &arguments.output);
    }

    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        if borrowed_by_cow(segment).is_some() && !self.in_signature {
            self.find(Unnameable::Borrow);
        }
        syn::visit::visit_path_segment(self, segment);
    }

    // An expression, such as the length of an array, is not part of the type.
    fn visit_expr(&mut self, _: &'ast syn::Expr) {}
}

/// Returns the `str` of `Cow<str>`, the one type of the standard library whose lifetime is often elided.
fn borrowed_by_cow(segment: &syn::PathSegment) -> Option<&Type> {
    let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.first()? {
        syn::GenericArgument::Type(ty) if segment.ident == "Cow" && arguments.args.len() == 1 => Some(ty),
        _ => None,
    }
}

/// Returns `true` if a value of this type has a size, as far as the tokens show.
pub(crate) fn is_sized(ty: &Type) -> bool {
    match ungrouped(ty) {
        Type::TraitObject(_) | Type::Slice(_) => false,
        Type::Path(path) => !path.path.is_ident("str"),
        _ => true,
    }
}

/// Returns the owned type to write in place of one that borrows.
///
/// References become the types that own their content, and other lifetimes become `'static`.
pub(crate) fn owning(ty: &Type) -> Type {
    struct Own;

    impl VisitMut for Own {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            while let Some(target) = borrowed(ty) {
                *ty = match target {
                    Type::Slice(slice) => {
                        let element = slice.elem;
                        parse_quote!(Vec<#element>)
                    }
                    Type::Path(path) if path.path.is_ident("str") => parse_quote!(String),
                    Type::TraitObject(object) => parse_quote!(Box<#object>),
                    other => other,
                };
            }
            syn::visit_mut::visit_type_mut(self, ty);
        }

        fn visit_type_fn_ptr_mut(&mut self, _: &mut syn::TypeFnPtr) {}

        fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut syn::ParenthesizedGenericArguments) {}

        fn visit_trait_bound_mut(&mut self, bound: &mut syn::TraitBound) {
            if bound.lifetimes.is_none() {
                syn::visit_mut::visit_trait_bound_mut(self, bound);
            }
        }

        fn visit_lifetime_mut(&mut self, lifetime: &mut syn::Lifetime) {
            lifetime.ident = Ident::new("static", lifetime.ident.span());
        }

        fn visit_expr_mut(&mut self, _: &mut syn::Expr) {}
    }

    fn borrowed(ty: &Type) -> Option<Type> {
        match ty {
            Type::Reference(reference) => Some((*reference.elem).clone()),
            Type::Path(path) => path.path.segments.last().and_then(borrowed_by_cow).cloned(),
            _ => None,
        }
    }

    let mut ty = ty.clone();
    Own.visit_type_mut(&mut ty);
    ty
}

/// Returns the type to write in place of an unsized one.
pub(crate) fn owning_sized(ty: &Type) -> Type {
    match ungrouped(ty) {
        Type::TraitObject(object) => parse_quote!(std::sync::Arc<#object>),
        other => owning(&parse_quote!(&#other)),
    }
}

/// Writes `'static` where a type borrows, so that the compiler reports no further error. Named lifetimes stay.
pub(crate) fn make_static(ty: &mut Type) {
    struct Static;

    impl VisitMut for Static {
        fn visit_type_reference_mut(&mut self, reference: &mut syn::TypeReference) {
            let span = reference.and_token.spans[0];
            reference.lifetime.get_or_insert_with(|| syn::Lifetime::new("'static", span));
            syn::visit_mut::visit_type_reference_mut(self, reference);
        }

        fn visit_type_fn_ptr_mut(&mut self, _: &mut syn::TypeFnPtr) {}

        fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut syn::ParenthesizedGenericArguments) {}

        fn visit_lifetime_mut(&mut self, lifetime: &mut syn::Lifetime) {
            if lifetime.ident == "_" {
                lifetime.ident = Ident::new("static", lifetime.ident.span());
            }
        }

        fn visit_path_segment_mut(&mut self, segment: &mut syn::PathSegment) {
            if borrowed_by_cow(segment).is_some()
                && let syn::PathArguments::AngleBracketed(arguments) = &mut segment.arguments
            {
                arguments.args.insert(0, parse_quote!('static));
            }
            syn::visit_mut::visit_path_segment_mut(self, segment);
        }

        fn visit_expr_mut(&mut self, _: &mut syn::Expr) {}
    }

    Static.visit_type_mut(ty);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_type_binds_itself_is_no_borrow() {
        let check = |ty: &str, expected| {
            let parsed = syn::parse_str(ty).unwrap_or_else(|error| panic!("{ty}: {error}"));
            assert_eq!(unnameable(&parsed), expected, "{ty}");
        };
        for named in [
            "Vec<String>",
            "&'static str",
            "Cow<'static, str>",
            "Box<dyn Fn(&str) -> usize + Send + Sync>",
            "Box<dyn Fn(&str) -> &str>",
            "Box<dyn for<'a> Fn(&'a str, &u8) -> &'a str>",
            "Arc<dyn for<'a> Parse<'a, Output = &'a str>>",
            "fn(&str) -> &str",
            "for<'a> fn(&'a str, W<'_>) -> W<'a>",
            "fn(fn(&u8) -> &u8) -> u8",
            "[u8; { const fn len(x: &str) -> usize { x.len() } 3 }]",
        ] {
            check(named, None);
        }
        for borrow in [
            "&str",
            "Vec<&str>",
            "W<'_>",
            "W<'a>",
            "Cow<[u8]>",
            "(&'static str, &u8)",
            "Box<dyn Tr + '_>",
            "Box<dyn Fn() -> &str>",
            "fn(&fn() -> &u8)",
            "Box<dyn for<'a> Fn(&'b str) -> &'a str>",
            "(fn(&u8), &u8)",
            "(Box<dyn for<'a> Fn(&'a u8)>, W<'a>)",
            "Box<dyn Iterator<Item = &u8>>",
        ] {
            check(borrow, Some(Unnameable::Borrow));
        }
        for without_name in ["impl Clone", "Vec<impl Clone>", "Result<Vec<(u8, impl Iterator<Item = u8>)>>"] {
            check(without_name, Some(Unnameable::Impl));
        }
    }

    #[test]
    fn what_is_proposed_borrows_nothing() {
        for (ty, expected) in [
            ("&str", "String"),
            ("&mut [&str]", "Vec<String>"),
            ("Vec<(&u8, W<'_>)>", "Vec<(u8, W<'static>)>"),
            ("Box<dyn Fn(&str) -> &str + 'a>", "Box<dyn Fn(&str) -> &str + 'static>"),
            ("&dyn Fn(&str)", "Box<dyn Fn(&str)>"),
            ("Vec<std::borrow::Cow<str>>", "Vec<String>"),
        ] {
            let parsed = syn::parse_str(ty).unwrap_or_else(|error| panic!("{ty}: {error}"));
            assert_eq!(readable(owning(&parsed)), expected);
        }
    }
}
