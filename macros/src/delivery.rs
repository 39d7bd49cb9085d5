//! `#[delivery]`: a delivery of a factory, or an input of a pipeline.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, GenericArgument, Ident, PathArguments, Type};

use crate::errors::Errors;
use crate::names::{
    DELIVERY, Place, Unnameable, is, is_sized, local, owning, owning_sized, readable, runtime, ungrouped,
    unnameable,
};
use crate::options::{Allowed, Options, Takes, arguments};
use crate::root::any_pipeline;

const ID: Allowed = Allowed { name: "id", takes: Takes::Type, usage: "id = Type" };
const OPTIONAL: Allowed = Allowed { name: "optional", takes: Takes::Nothing, usage: "optional" };

/// The options on a delivery of a factory.
const OF_FACTORY: &[Allowed] = &[
    ID,
    Allowed { name: "producer", takes: Takes::Type, usage: "producer = Factory" },
    OPTIONAL,
    Allowed { name: "shared", takes: Takes::Nothing, usage: "shared" },
    Allowed { name: "auto_load", takes: Takes::Nothing, usage: "auto_load" },
    Allowed { name: "condition", takes: Takes::Expression, usage: "condition = expression" },
    Allowed { name: "default", takes: Takes::Nothing, usage: "default" },
];

/// The options on an input of a pipeline.
const OF_PIPELINE: &[Allowed] =
    &[ID, OPTIONAL, Allowed { name: "opaque", takes: Takes::Nothing, usage: "opaque" }];

/// A field or parameter of a factory that is injected.
pub(crate) struct Delivery {
    pub(crate) name: String,
    /// The variable of the value in `when = …`. A delivery without a name is called `_0`, `_1`, ….
    pub(crate) binding: Ident,
    pub(crate) ty: Type,
    /// The requested type: `ty` without the `Option` and the `Arc` of the mode.
    payload: Type,
    id: Option<Type>,
    producer: Option<Type>,
    optional: bool,
    shared: bool,
    pub(crate) auto_load: bool,
    condition: Option<Expr>,
}

/// A field of a pipeline.
pub(crate) struct Input {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) id: Option<Type>,
    pub(crate) optional: bool,
    /// The lint levels of the field.
    pub(crate) attributes: TokenStream,
    /// `true` if outputs that depend on it stay valid when it changes.
    pub(crate) opaque: bool,
}

/// Removes `#[delivery]` from `attributes` and returns its options; `None` if it is absent.
pub(crate) fn take_options(
    attributes: &mut Vec<Attribute>,
    allowed_of: AllowedOf,
    errors: &mut Errors,
) -> Option<Options> {
    let (deliveries, others): (Vec<_>, Vec<_>) =
        std::mem::take(attributes).into_iter().partition(|attribute| is(attribute, DELIVERY));
    *attributes = others;
    let mut deliveries = deliveries.into_iter();
    let first = deliveries.next()?;
    for again in deliveries {
        errors.at(again, "`#[delivery]` is given twice: put all options into one");
    }
    let allowed = match allowed_of {
        AllowedOf::Factory => OF_FACTORY,
        AllowedOf::Pipeline => OF_PIPELINE,
    };
    let tokens = errors.keep(arguments(&first)).unwrap_or_default();
    Some(Options::parse(tokens, "#[delivery]", allowed, errors))
}

#[derive(Clone, Copy)]
pub(crate) enum AllowedOf {
    Factory,
    Pipeline,
}

impl Delivery {
    /// Makes a delivery at the place with this name, or else with this number.
    pub(crate) fn new(
        place: Result<&Ident, usize>,
        ty: Type,
        options: &Options,
        errors: &mut Errors,
    ) -> Self {
        check_default(options, errors);
        check_shared_auto_load(options, errors);
        check_condition(options, errors);
        check_id_and_producer(options, errors);
        // A type that is itself a mistake is not examined further.
        let payload = match check_borrow(&ty, errors) || check_result(&ty, errors) {
            true => ty.clone(),
            false => check_payload(&ty, options, errors),
        };
        let (name, binding) = match place {
            Ok(name) => (name.unraw().to_string(), name.clone()),
            Err(index) => (index.to_string(), format_ident!("_{index}")),
        };
        Self {
            name,
            binding,
            payload,
            ty,
            id: options.type_of("id").cloned(),
            producer: options.type_of("producer").cloned(),
            optional: options.flag("optional").is_some(),
            shared: options.flag("shared").is_some(),
            auto_load: options.flag("auto_load").is_some(),
            condition: options.expression("condition").cloned(),
        }
    }

    /// Returns the bound on the pipeline, spanned on the type.
    ///
    /// ```text
    /// TheWiring: Finds<Dataset<Flight>, ThePipeline>
    /// ```
    ///
    /// The result is a type and a trait. The type of the delivery selects the trait, whose error proposes an option.
    pub(crate) fn wanted(&self) -> (TokenStream, TokenStream) {
        let place = Place::of(&self.ty);
        let setl = runtime(place.start);
        let (ty, payload) = (ungrouped(&self.ty), &self.payload);
        if let Some(producer) = &self.producer {
            let arguments = place.angled(producer);
            return (any_pipeline().to_token_stream(), quote!(#setl::Lists #arguments));
        }
        let (of, arguments) = match (self.auto_load, &self.id) {
            (true, None) => ("FindsSourceOf", quote!(#payload)),
            (true, Some(id)) => ("FindsSourceWithId", quote!(#payload, #id)),
            (false, Some(id)) => ("FindsWithId", quote!(#payload, #id)),
            (false, None) if self.optional => ("FindsOptional", quote!(#payload, #ty)),
            (false, None) if self.shared => ("FindsShared", quote!(#payload, #ty)),
            (false, None) => match shape(payload) {
                Some((of, inner)) => (of, quote!(#payload, #inner)),
                None => ("Finds", quote!(#payload)),
            },
        };
        let of = Ident::new(of, place.start);
        let pipeline = any_pipeline();
        let arguments = place.angled(&quote!(#arguments, #pipeline));
        (quote!(#setl::TheWiring), quote!(#setl::#of #arguments))
    }

    /// Returns the check that is independent of the pipeline: a named producer delivers this type.
    pub(crate) fn check(&self) -> Option<TokenStream> {
        let (producer, payload) = (self.producer.as_ref()?, &self.payload);
        let place = Place::of(producer);
        let setl = runtime(place.start);
        let delivers = place.angled(&quote!(#producer as #setl::Delivers<#payload>));
        let what = place.last("DELIVERS");
        Some(quote!(let () = #delivers::#what;))
    }

    /// Returns `<ByValue as TakeByValue<Dataset<Flight>>>::take(inbox, 0)?`.
    ///
    /// If one of the `generics` is not `Clone`, the error is the compiler's own.
    pub(crate) fn receive(&self, index: usize, generics: &syn::Generics) -> TokenStream {
        let Self { ty, payload, .. } = self;
        let place = Place::of(ty);
        let setl = runtime(place.start);
        let some = match &self.condition {
            Some(condition) => {
                let setl = runtime(condition.span());
                quote_spanned!(condition.span()=> #setl::Some(#setl::Into::into(#condition)))
            }
            None => quote!(#setl::None),
        };
        let method = match (self.auto_load, self.shared, self.optional) {
            (true, _, false) => "load",
            (true, _, true) => "load_optional",
            (false, true, false) => "share",
            (false, true, true) => "share_optional",
            (false, false, false) => "take",
            (false, false, true) => "take_optional",
        };
        let method = Ident::new(method, place.end);
        let inbox = local("inbox");
        if self.auto_load {
            let loadable = place.angled(&quote!(#payload as #setl::Loadable));
            let call = quote_spanned!(place.end=> (#inbox, #index, #some)?);
            return quote!(#loadable::#method #call);
        }
        if self.shared {
            return quote!(#setl::#method::<#payload>(#inbox, #index)?);
        }
        let is_generic =
            generics.type_params().any(|parameter| mentions(payload.to_token_stream(), &parameter.ident));
        let (by_value, hands_over) = match is_generic {
            true => (place.last("ByGenericValue"), quote!(TakeByValueGeneric)),
            false => (place.last("ByValue"), quote!(TakeByValue)),
        };
        let by_value = place.angled(&quote!(#setl::#by_value as #setl::#hands_over<#payload>));
        quote!(#by_value::#method(#inbox, #index)?)
    }

    /// Returns the description for diagrams and reports.
    pub(crate) fn describe(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let Self { name, ty, optional, .. } = self;
        let type_name = readable(ty);
        let id = text_of(self.id.as_ref());
        let producer = text_of(self.producer.as_ref());
        let mode = match (self.auto_load, self.shared) {
            (true, _) => quote!(Loaded),
            (false, true) => quote!(Shared),
            (false, false) => quote!(Owned),
        };
        quote!(#setl::Delivery {
            name: #name, type_name: #type_name, id: #id, producer: #producer, optional: #optional,
            mode: #setl::DeliveryMode::#mode,
        })
    }

    /// Returns the requirement for pipelines that are wired at run time.
    pub(crate) fn requirement(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let (payload, optional) = (&self.payload, self.optional);
        let producer = match &self.producer {
            Some(producer) => quote!(#setl::Some(#setl::TypeId::of::<#producer>())),
            None => quote!(#setl::None),
        };
        if self.auto_load {
            let place = Place::of(&self.ty);
            let method = match self.id {
                Some(_) => Ident::new("requirement_with_id", place.end),
                None => Ident::new("requirement", place.end),
            };
            let id = self.id.as_ref().map(|id| quote!(::<#id>));
            let setl = runtime(place.start);
            let loadable = place.angled(&quote!(#payload as #setl::Loadable));
            let call = quote_spanned!(place.end=> (#optional, #producer));
            return quote!(#loadable::#method #id #call);
        }
        let key = match &self.id {
            Some(id) => quote!(#setl::WithId<#payload, #id>),
            None => quote!(#payload),
        };
        quote!(#setl::Requirement::new::<#payload, #key>(#optional, #producer))
    }
}

impl Input {
    /// Returns the type of the input when it is present.
    pub(crate) fn payload(&self) -> &Type {
        if self.optional { inner_of_option(&self.ty).unwrap_or(&self.ty) } else { &self.ty }
    }

    /// Returns the key by which factories look up the input. It is in the head of an implementation, where the compiler accepts
    /// no projection from a foreign type. Therefore `Option` is removed here.
    ///
    /// The second argument of the key is the cure if two inputs or factories have the same key.
    pub(crate) fn key(&self, payload: &TokenStream) -> TokenStream {
        let setl = runtime(self.ty.span());
        match &self.id {
            Some(id) => quote!(#setl::WithId<#payload, #id>, #setl::GiveOneAnIdOrAnotherType),
            None => quote!(#payload, #setl::GiveOneAnIdOrAnotherType),
        }
    }
}

/// Returns the trait for a plain delivery whose type looks as if an option is missing, and the inner type. The trait only changes
/// the error: the delivery is found by its whole type.
fn shape(ty: &Type) -> Option<(&'static str, &Type)> {
    if let Some(inner) = inner_of_option(ty) {
        return Some(match inner_of(inner, "Arc") {
            Some(shared) => ("FindsOptionOfArc", shared),
            None => ("FindsOption", inner),
        });
    }
    if let Some(inner) = inner_of(ty, "Arc") {
        return is_sized(inner).then_some(("FindsArc", inner));
    }
    Some(("FindsResult", inner_of(ty, "Result")?))
}

/// Returns `true` if a name occurs in these tokens.
fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => ident == *name,
        proc_macro2::TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

/// Returns the `T` of `Option<T>`.
pub(crate) fn inner_of_option(ty: &Type) -> Option<&Type> {
    inner_of(ty, "Option")
}

/// Returns the `T` of `name<T>`. The type is recognized by its tokens, as for a result, so an alias is not recognized.
pub(crate) fn inner_of<'ty>(ty: &'ty Type, name: &str) -> Option<&'ty Type> {
    let Type::Path(path) = ungrouped(ty) else { return None };
    first_type_argument(path.path.segments.last().filter(|last| last.ident == name)?)
}

/// Returns the `T` of `Name<T>` or `Name<T, …>`.
pub(crate) fn first_type_argument(segment: &syn::PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Returns `Some("Raw")` or `None` as tokens.
pub(crate) fn text_of(ty: Option<&Type>) -> TokenStream {
    let setl = runtime(Span::call_site());
    match ty.map(readable) {
        Some(text) => quote!(#setl::Some(#text)),
        None => quote!(#setl::None),
    }
}

/// Checks that a delivery is owned, since the factory may outlive a borrow.
fn check_borrow(ty: &Type, errors: &mut Errors) -> bool {
    match unnameable(ty) {
        Some(Unnameable::Borrow) => {
            let owned = readable(owning(ty));
            let mut message = format!("a delivery cannot be borrowed: take `{owned}` by value");
            if let Type::Reference(reference) = ungrouped(ty)
                && unnameable(&reference.elem).is_none()
            {
                let target = readable(&reference.elem);
                message += &format!(
                    ", or share it: `#[delivery(shared)]` with the type `std::sync::Arc<{target}>`"
                );
            }
            errors.at(ty, message);
        }
        Some(Unnameable::Impl) => errors.at(
            ty,
            "a delivery has one named type, by which its producer is found, and `impl Trait` has none: name the type",
        ),
        None => return false,
    }
    true
}

/// Checks that a delivery is not a `Result`, since a failed factory delivers nothing. An input may be a `Result` with its own
/// error type: see [`shape`].
fn check_result(ty: &Type, errors: &mut Errors) -> bool {
    let Some((value, 1)) = value_of_result(ty) else { return false };
    let value = readable(value);
    errors.at(
        ty,
        format!("a delivery is no `Result`, since an output is delivered only if there was no error: take `{value}`"),
    );
    true
}

/// Returns the `T` of `Result<T>` or `Result<T, E>`, and the number of arguments.
pub(crate) fn value_of_result(ty: &Type) -> Option<(&Type, usize)> {
    let Type::Path(path) = ungrouped(ty) else { return None };
    let result = path.path.segments.last().filter(|last| last.ident == "Result")?;
    let PathArguments::AngleBracketed(arguments) = &result.arguments else { return None };
    Some((first_type_argument(result)?, arguments.args.len()))
}

/// Checks that an optional delivery is an `Option`, a shared one an `Arc`, and one that is both an `Option<Arc<…>>`.
fn check_payload(ty: &Type, options: &Options, errors: &mut Errors) -> Type {
    let optional = options.flag("optional").is_some();
    let shared = options.flag("shared").is_some() && options.flag("auto_load").is_none();
    let within_option = if optional { inner_of_option(ty) } else { Some(ty) };
    let payload = within_option.and_then(|ty| if shared { inner_of(ty, "Arc") } else { Some(ty) });
    if let Some(payload) = payload {
        check_sized(payload, ty, shared, errors);
        return payload.clone();
    }
    let found = readable(ty);
    let bare = {
        let mut bare = ty;
        while let Some(inner) = inner_of(bare, "Option").or_else(|| inner_of(bare, "Arc")) {
            bare = inner;
        }
        readable(bare)
    };
    errors.at(
        ty,
        match (optional, shared) {
            (true, true) => format!(
                "an optional shared delivery must have the type `Option<Arc<...>>`, found `{found}`: \
                 write `Option<Arc<{bare}>>`"
            ),
            (true, false) => format!(
                "an optional delivery must have the type `Option<...>`, found `{found}`: \
                 write `Option<{found}>`, or remove `optional` if it is always there"
            ),
            _ => format!(
                "a shared delivery must have the type `Arc<...>`, found `{found}`: \
                 write `Arc<{found}>`, or remove `shared` to get a clone"
            ),
        },
    );
    ty.clone()
}

/// Checks that a payload has a size. An `Arc` of an unsized type is a payload itself.
fn check_sized(payload: &Type, ty: &Type, shared: bool, errors: &mut Errors) {
    if is_sized(payload) {
        return;
    }
    let (payload, owned) = (readable(payload), readable(owning_sized(payload)));
    let whole = readable(inner_of_option(ty).unwrap_or(ty));
    errors.at(
        ty,
        match shared {
            true => format!(
                "`{payload}` has no size, so it is not delivered by itself: let `{whole}` be delivered, and remove `shared`"
            ),
            false => format!("`{payload}` has no size, so it cannot be delivered: take `{owned}`"),
        },
    );
}

/// Checks that `default` has no other option beside it, since it declares that the field is not a delivery.
fn check_default(options: &Options, errors: &mut Errors) {
    if let Some(span) = options.flag("default") {
        let message = "`default` is for a field that is no delivery, and has no other options: remove it, or all the others; a \
                       parameter is always a delivery";
        errors.push(syn::Error::new(span, message));
    }
}

/// Checks that `auto_load` is not `shared`, since a loaded dataset belongs to its factory.
fn check_shared_auto_load(options: &Options, errors: &mut Errors) {
    if let (Some(span), Some(_)) = (options.flag("shared"), options.flag("auto_load")) {
        let message = "`shared` and `auto_load` exclude each other: what is loaded is this factory's own";
        errors.push(syn::Error::new(span, message));
    }
}

/// Checks that a `condition` comes with `auto_load`, whose rows it restricts.
fn check_condition(options: &Options, errors: &mut Errors) {
    if let (Some(condition), None) = (options.expression("condition"), options.flag("auto_load")) {
        errors.at(
            condition,
            "`condition` restricts what `auto_load` loads: write `#[delivery(auto_load, condition = ...)]`",
        );
    }
}

/// Checks that `producer` has no `id` beside it, since it names one factory whatever the id of its output.
fn check_id_and_producer(options: &Options, errors: &mut Errors) {
    if let (Some(_), Some(producer)) = (options.type_of("id"), options.type_of("producer")) {
        errors.at(producer, "`id` and `producer` exclude each other: a producer is asked whatever its id");
    }
}

/// Expands `#[delivery]` on an item: reports where it belongs, and leaves the item unchanged.
pub(crate) fn misplaced(item: TokenStream) -> TokenStream {
    let message = "`#[delivery]` belongs on a field of a `#[factory]` struct, on a parameter of a `#[factory]` \
                   function, or on an input of a `#[pipeline]` struct";
    quote! {
        ::core::compile_error!(#message);
        #item
    }
}
