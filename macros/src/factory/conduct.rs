//! The options of `#[factory]` for conditions and failures.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, ExprLit, Lit, Type};

use super::Model;
use crate::errors::{Errors, did_you_mean};
use crate::names::{Place, local, readable, runtime, ungrouped};
use crate::options::{Options, Word};
use crate::policy::{Caching, Limits, memory};

const ON_FAILURE: &[&str] = &["fail", "skip", "fallback"];

/// The parsed options.
#[derive(Default)]
pub(super) struct Conduct {
    limits: Limits,
    on_failure: OnFailure,
    when: Option<Expr>,
    resource: Option<Expr>,
    checkpoint: bool,
    cache: Option<Caching>,
    volatile: bool,
    memory: Option<u64>,
    /// The names of the options for failures.
    about_failing: Vec<Ident>,
}

#[derive(Default)]
enum OnFailure {
    #[default]
    Fail,
    Skip,
    Fallback(Box<Type>),
}

impl Conduct {
    /// Reads the options of the factory with this name.
    pub(super) fn of(options: &Options, factory: &Ident, errors: &mut Errors) -> Self {
        check_kept(options, errors);
        let on_failure = options.word("on_failure").map(|word| on_failure(word, factory));
        let when = options.expression("when");
        if let Some(when) = when {
            check_when(when, errors);
        }
        let resource = options.expression("resource");
        if let Some(resource) = resource {
            check_resource(resource, errors);
        }
        let about_failing = ["retry", "on_failure"].map(|name| options.name(name).cloned());
        Self {
            limits: Limits::of(options, errors),
            on_failure: on_failure.and_then(|parsed| errors.keep(parsed)).unwrap_or_default(),
            when: when.cloned(),
            resource: resource.cloned(),
            checkpoint: options.flag("checkpoint").is_some(),
            cache: options.flag("cache").map(|_| Caching::of(options.options("cache"), errors)),
            volatile: options.flag("volatile").is_some(),
            memory: memory(options, errors),
            about_failing: about_failing.into_iter().flatten().collect(),
        }
    }

    /// Checks that an infallible factory has no retries and no fallback.
    pub(super) fn check_infallible(&self, factory: &Ident, errors: &mut Errors) {
        for option in &self.about_failing {
            let nothing = if option == "retry" { "retry" } else { "do on failure" };
            errors.at(
                option,
                format!(
                    "`{factory}` cannot fail, so there is nothing to {nothing}: let it return `setl::Result<...>`, or \
                     remove `{option}`"
                ),
            );
        }
    }

    pub(super) fn fallback(&self) -> Option<&Type> {
        match &self.on_failure {
            OnFailure::Fallback(other) => Some(other),
            OnFailure::Fail | OnFailure::Skip => None,
        }
    }

    /// Returns `Always`, or `Sometimes` if the factory may be skipped.
    pub(super) fn presence(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        if self.when.is_some() || matches!(self.on_failure, OnFailure::Skip) {
            quote!(#setl::Sometimes)
        } else {
            quote!(#setl::Always)
        }
    }

    /// ```text
    /// const POLICY: &'static Policy = &Policy::NONE.retry(Retry::times(3)).timeout(Duration::from_secs(30));
    /// ```
    fn expand_policy(&self) -> Option<TokenStream> {
        let setl = runtime(Span::call_site());
        let limits = self.limits.expand();
        let on_failure = match &self.on_failure {
            OnFailure::Fail => None,
            OnFailure::Skip => Some(quote!(.on_failure(#setl::OnFailure::Skip))),
            OnFailure::Fallback(_) => Some(quote!(.on_failure(#setl::OnFailure::Fallback))),
        };
        let conditional = self.when.as_ref().map(|_| quote!(.conditional()));
        let resource = self.resource.as_ref().map(|resource| {
            // The variable has a type, so that a value of another type is an error of this option only.
            let place = Place::of(resource);
            let at_resource = runtime(place.start);
            let reference = quote_spanned!(place.start=> &);
            let variable = local("resource");
            let declared = quote_spanned! {place.start=>
                let #variable: &'static #at_resource::Resource = #reference #resource;
            };
            quote!(.resource({ #declared #variable }))
        });
        let checkpoint = self.checkpoint.then(|| quote!(.checkpoint()));
        let cache = self.cache.map(Caching::expand);
        let volatile = self.volatile.then(|| quote!(.volatile()));
        let memory = self.memory.map(|bytes| quote!(.memory(#bytes)));
        let said = quote!(#limits #on_failure #conditional #resource #checkpoint #cache #volatile #memory);
        (!said.is_empty()).then(|| quote!(const POLICY: &'static #setl::Policy = &#setl::Policy::NONE #said;))
    }
}

impl Model {
    /// Returns the items of `FactoryItem` that differ from their defaults.
    pub(super) fn expand_conduct(&self) -> TokenStream {
        [self.conduct.expand_policy(), self.expand_fallback(), self.expand_is_due(), self.expand_volatile()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// ```text
    /// const FALLBACK: Option<Fallback> = Some(Fallback::of::<CachedRates, Self, Rates>());
    /// ```
    fn expand_fallback(&self) -> Option<TokenStream> {
        let (other, output) = (self.conduct.fallback()?, &self.output);
        let place = Place::of(other);
        let (setl, at_other) = (runtime(Span::call_site()), runtime(place.start));
        let of = place.last("of");
        let arguments = place.angled(&quote!(#other, Self, #output));
        let call = quote_spanned!(place.end=> ());
        Some(quote! {
            const FALLBACK: #setl::Option<#setl::Fallback> =
                #setl::Some(#at_other::Fallback::#of::#arguments #call);
        })
    }

    /// Evaluates the fallback of a factory that is in no pipeline yet. The fallback of a generic factory cannot be evaluated.
    pub(super) fn expand_check_of_fallback(&self) -> Option<TokenStream> {
        let other = self.conduct.fallback().filter(|_| self.generics.params.is_empty())?;
        let (setl, name, place) = (runtime(Span::call_site()), &self.name, Place::of(other));
        let at_other = runtime(place.start);
        let itself = place.angled(&quote!(#name as #at_other::FactoryItem));
        let fallback = place.last("FALLBACK");
        Some(quote! {
            const _: #setl::Option<#setl::Fallback> = #itself::#fallback;
        })
    }

    /// ```text
    /// fn is_due(__deliveries: &Self::Deliveries) -> Result<bool> {
    ///     let (settings, orders) = __deliveries;
    ///     is_due(settings.full && !orders.is_empty())
    /// }
    /// ```
    fn expand_is_due(&self) -> Option<TokenStream> {
        let when = self.conduct.when.as_ref()?;
        let setl = runtime(Span::call_site());
        let place = Place::of(when);
        let (at_condition, is_due) = (runtime(place.start), place.last("is_due"));
        let bindings = self.deliveries.iter().map(|delivery| &delivery.binding);
        Some(quote! {
            #[allow(unused_variables, reason = "a condition on some of the deliveries")]
            fn is_due(__deliveries: &Self::Deliveries) -> #setl::Result<#setl::bool> {
                let (#(#bindings,)*) = __deliveries;
                #at_condition::#is_due(#when)
            }
        })
    }

    /// Returns the way to keep the output on disk: optional, or required by `checkpoint` and `cache`.
    pub(super) fn expand_persistence(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let output = &self.output;
        let probe = quote!(&&&#setl::Keep::<#output>::NEW);
        if !self.conduct.checkpoint && self.conduct.cache.is_none() {
            return quote!((#probe).__setl_persistence());
        }
        // The error points to the type in the source.
        let place = Place::of(output);
        let (at_output, keep) = (runtime(place.start), place.last("keep"));
        let arguments = place.angled(&quote!(#output, _));
        let call = quote_spanned!(place.end=> ((#probe).__setl_via()));
        quote!(#setl::Some(#at_output::#keep::#arguments #call))
    }

    /// Returns the function that fingerprints the output, with `volatile`.
    fn expand_volatile(&self) -> Option<TokenStream> {
        if !self.conduct.volatile {
            return None;
        }
        let setl = runtime(Span::call_site());
        let output = &self.output;
        let (place, probe) = (Place::of(output), quote!(&&&#setl::FingerprintProbe::<#output>::NEW));
        let (at_output, print) = (runtime(place.start), place.last("print"));
        let arguments = place.angled(&quote!(#output, _));
        let call = quote_spanned!(place.end=> ((#probe).__setl_via()));
        Some(quote! {
            #[allow(unused_imports, reason = "one of them is enough")]
            fn content() -> #setl::Option<#setl::FingerprintOf> {
                use #setl::{NotPrinted as _, PrintedByFrame as _, PrintedBySerde as _};
                #setl::Some(#at_output::#print::#arguments #call)
            }
        })
    }
}

fn on_failure(chosen: &Word, factory: &Ident) -> syn::Result<OnFailure> {
    let Word { word, arguments } = chosen;
    match (word.to_string().as_str(), arguments) {
        ("fail", None) => Ok(OnFailure::Fail),
        ("skip", None) => Ok(OnFailure::Skip),
        ("fallback", Some(arguments)) if !arguments.is_empty() => {
            let other = syn::parse2::<Type>(arguments.clone()).map_err(|_| {
                let message = "`fallback` names one factory: write `on_failure = fallback(Factory)`";
                syn::Error::new_spanned(arguments, message)
            })?;
            if is_itself(&other, factory) {
                let message = format!(
                    "`{factory}` cannot stand in for itself: name another factory with the same output, or write \
                     `retry(times = 3)` to try it again"
                );
                return Err(syn::Error::new_spanned(other, message));
            }
            Ok(OnFailure::Fallback(Box::new(other)))
        }
        ("fallback", _) => {
            let message =
                "`fallback` names the factory that stands in: write `on_failure = fallback(Factory)`";
            Err(syn::Error::new(word.span(), message))
        }
        ("fail" | "skip", Some(_)) => {
            let message = format!("`{word}` takes nothing: write `on_failure = {word}`");
            Err(syn::Error::new(word.span(), message))
        }
        (other, _) => {
            let near = did_you_mean(other, ON_FAILURE);
            Err(syn::Error::new(word.span(), format!("`on_failure` cannot be `{other}`{near}")))
        }
    }
}

/// Returns `true` if a factory names itself as its fallback. Under another name, it is reported as a fallback that has a fallback.
fn is_itself(other: &Type, factory: &Ident) -> bool {
    let Type::Path(path) = ungrouped(other) else { return false };
    let path = &path.path;
    path.segments.len() == 1
        && path.segments.first().is_some_and(|only| only.ident == *factory || only.ident == "Self")
}

/// Checks that the condition does not use `self`: the factory is built from its deliveries only after the condition is evaluated.
fn check_when(when: &Expr, errors: &mut Errors) {
    fn find_self(tokens: TokenStream) -> Option<TokenTree> {
        tokens.into_iter().find_map(|token| match &token {
            TokenTree::Ident(ident) if ident == "self" => Some(token),
            TokenTree::Group(group) => find_self(group.stream()),
            _ => None,
        })
    }
    if let Some(token) = find_self(when.to_token_stream()) {
        errors.at(
            token,
            "`when` is asked before the factory is built, so there is no `self`: deliveries are in scope by name, as in \
             `when = !orders.is_empty()`",
        );
    }
}

/// Checks that a resource is a path: factories share it by naming the same `static`.
fn check_resource(resource: &Expr, errors: &mut Errors) {
    match crate::policy::ungrouped(resource) {
        Expr::Path(_) => {}
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            let name = heck::ToShoutySnakeCase::to_shouty_snake_case(text.value().as_str());
            let name = if syn::parse_str::<Ident>(&name).is_ok() { name } else { "RESOURCE".to_owned() };
            errors.at(
                text,
                format!(
                    "a resource is a `static`, not a text, so that all who name it mean the same: declare \
                     `static {name}: setl::policy::Resource = setl::policy::Resource::new(\"{}\");` and write `resource = {name}`",
                    text.value()
                ),
            );
        }
        other => errors.at(
            other,
            format!(
                "`resource` names a `static` of type `setl::policy::Resource`, found `{}`: write `resource = RESOURCE`",
                readable(other)
            ),
        ),
    }
}

/// Checks that a factory that runs in every run is not kept for the next.
fn check_kept(options: &Options, errors: &mut Errors) {
    for kept in ["checkpoint", "cache"] {
        if let (Some(_), Some(span)) = (options.flag(kept), options.flag("volatile")) {
            let message = format!(
                "`{kept}` and `volatile` exclude each other: what is volatile runs in every run, so nothing of it is kept \
                 for another"
            );
            errors.push(syn::Error::new(span, message));
        }
    }
}
