//! `#[delivery]`: one thing that a factory is given, or that a pipeline gives.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, GenericArgument, Ident, PathArguments, Type};

use crate::errors::Errors;
use crate::names::{DELIVERY, is, readable, runtime};
use crate::options::{Allowed, Options, Takes, arguments};

const ID: Allowed = Allowed { name: "id", takes: Takes::Type, usage: "id = Type" };
const OPTIONAL: Allowed = Allowed { name: "optional", takes: Takes::Nothing, usage: "optional" };

/// Of a factory's delivery.
const OF_FACTORY: &[Allowed] = &[
    ID,
    Allowed { name: "producer", takes: Takes::Type, usage: "producer = Factory" },
    OPTIONAL,
    Allowed { name: "shared", takes: Takes::Nothing, usage: "shared" },
    Allowed { name: "auto_load", takes: Takes::Nothing, usage: "auto_load" },
    Allowed { name: "condition", takes: Takes::Expression, usage: "condition = expression" },
];

/// Of a pipeline's input.
const OF_PIPELINE: &[Allowed] = &[ID, OPTIONAL];

/// A field or parameter of a factory that is injected.
pub(crate) struct Delivery {
    pub(crate) name: String,
    pub(crate) ty: Type,
    id: Option<Type>,
    producer: Option<Type>,
    optional: bool,
    shared: bool,
    auto_load: bool,
    condition: Option<Expr>,
}

/// A field of a pipeline.
pub(crate) struct Input {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) id: Option<Type>,
    pub(crate) optional: bool,
}

/// Takes `#[delivery]` off `attributes`, and gives its options; `None` if it is not there.
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
    Some(Options::parse(tokens, DELIVERY, allowed, errors))
}

#[derive(Clone, Copy)]
pub(crate) enum AllowedOf {
    Factory,
    Pipeline,
}

impl Delivery {
    pub(crate) fn new(name: String, ty: Type, options: &Options, errors: &mut Errors) -> Self {
        check_borrow(&ty, errors);
        check_shared_auto_load(options, errors);
        check_condition(options, errors);
        check_id_and_producer(options, errors);
        Self {
            name,
            ty,
            id: options.type_of("id").cloned(),
            producer: options.type_of("producer").cloned(),
            optional: options.flag("optional").is_some(),
            shared: options.flag("shared").is_some(),
            auto_load: options.flag("auto_load").is_some(),
            condition: options.expression("condition").cloned(),
        }
    }

    fn span(&self) -> Span {
        self.ty.span()
    }

    /// The type that is asked for: without `Option`, `Arc` or what is loaded, each of which the traits unpack.
    fn payload(&self) -> TokenStream {
        let (setl, ty) = (runtime(self.span()), &self.ty);
        let mut payload = quote!(#ty);
        if self.optional {
            payload = quote_spanned!(self.span()=> <#payload as #setl::Optional>::Payload);
        }
        if self.auto_load {
            payload = quote_spanned!(self.span()=> <#payload as #setl::AutoLoad>::Source);
        } else if self.shared {
            payload = quote_spanned!(self.span()=> <#payload as #setl::Shared>::Payload);
        }
        payload
    }

    /// [`Delivery::payload`] with its id.
    fn key(&self) -> TokenStream {
        let (setl, payload) = (runtime(self.span()), self.payload());
        match &self.id {
            Some(id) => quote_spanned!(self.span()=> #setl::WithId<#payload, #id>),
            None => payload,
        }
    }

    /// What the pipeline must have, spanned on the field.
    ///
    /// ```ignore
    /// __Pipeline: SoleProducer<Dataset<Flight>>
    /// ```
    pub(crate) fn bound(&self) -> TokenStream {
        let setl = runtime(self.span());
        let wanted = match &self.producer {
            Some(producer) => quote_spanned!(self.span()=> #setl::Lists<#producer>),
            None => {
                let key = self.key();
                quote_spanned!(self.span()=> #setl::SoleProducer<#key>)
            }
        };
        quote_spanned!(self.span()=> __Pipeline: #wanted)
    }

    /// `<__Pipeline as SoleProducer<Dataset<Flight>>>::SOURCE`
    pub(crate) fn source(&self) -> TokenStream {
        let setl = runtime(self.span());
        match &self.producer {
            Some(producer) => quote!(<__Pipeline as #setl::Lists<#producer>>::SOURCE),
            None => {
                let key = self.key();
                quote!(<__Pipeline as #setl::SoleProducer<#key>>::SOURCE)
            }
        }
    }

    /// What must hold whatever the pipeline: a named producer delivers this type.
    pub(crate) fn check(&self) -> Option<TokenStream> {
        let producer = self.producer.as_ref()?;
        let (setl, payload) = (runtime(producer.span()), self.payload());
        Some(quote_spanned!(producer.span()=> #setl::producer_delivers::<#producer, #payload>();))
    }

    /// `inbox.take::<Dataset<Flight>>(0)?`
    pub(crate) fn receive(&self, index: usize) -> TokenStream {
        let (setl, ty) = (runtime(self.span()), &self.ty);
        let span = self.span();
        let condition = match &self.condition {
            Some(condition) => {
                quote_spanned!(condition.span()=> #setl::Some(#setl::Into::into(#condition)))
            }
            None => quote!(#setl::None),
        };
        let inner = quote_spanned!(span=> <#ty as #setl::Optional>::Payload);
        match (self.auto_load, self.shared, self.optional) {
            (true, _, false) => quote_spanned!(span=> inbox.load::<#ty>(#index, #condition)?),
            (true, _, true) => quote_spanned!(span=>
                <#ty as #setl::Optional>::from_option(inbox.load_optional::<#inner>(#index, #condition)?)
            ),
            (false, true, false) => {
                quote_spanned!(span=> <#ty as #setl::Shared>::from_arc(inbox.share(#index)?))
            }
            (false, true, true) => quote_spanned!(span=>
                <#ty as #setl::Optional>::from_option(
                    #setl::Option::map(inbox.share_optional(#index)?, <#inner as #setl::Shared>::from_arc)
                )
            ),
            (false, false, false) => quote_spanned!(span=> inbox.take::<#ty>(#index)?),
            (false, false, true) => quote_spanned!(span=>
                <#ty as #setl::Optional>::from_option(inbox.take_optional::<#inner>(#index)?)
            ),
        }
    }

    /// For diagrams and reports.
    pub(crate) fn describe(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let Self { name, ty, optional, .. } = self;
        let type_name = readable(ty);
        let id = text_of(self.id.as_ref());
        let producer = text_of(self.producer.as_ref());
        let taking = match (self.auto_load, self.shared) {
            (true, _) => quote!(Loaded),
            (false, true) => quote!(Shared),
            (false, false) => quote!(Owned),
        };
        quote!(#setl::Delivery {
            name: #name, type_name: #type_name, id: #id, producer: #producer, optional: #optional,
            taking: #setl::Taking::#taking,
        })
    }

    /// For pipelines that are wired at run time.
    pub(crate) fn requirement(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let (payload, key, optional) = (self.payload(), self.key(), self.optional);
        let producer = match &self.producer {
            Some(producer) => quote!(#setl::Some(#setl::TypeId::of::<#producer>())),
            None => quote!(#setl::None),
        };
        quote!(#setl::Requirement::new::<#payload, #key>(#optional, #producer))
    }
}

impl Input {
    /// What factories ask for. It stands in the head of an implementation, where the compiler accepts no projection
    /// from a foreign type, so that `Option` is taken off here.
    pub(crate) fn key(&self) -> TokenStream {
        let (setl, ty) = (runtime(self.ty.span()), &self.ty);
        let payload = if self.optional { inner_of_option(ty).unwrap_or(ty) } else { ty };
        match &self.id {
            Some(id) => quote_spanned!(ty.span()=> #setl::WithId<#payload, #id>),
            None => quote!(#payload),
        }
    }
}

/// `T` of `Option<T>`.
pub(crate) fn inner_of_option(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
    first_type_argument(last)
}

/// `T` of `Name<T>` or `Name<T, …>`.
pub(crate) fn first_type_argument(segment: &syn::PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// `Some("Raw")` or `None`
pub(crate) fn text_of(ty: Option<&Type>) -> TokenStream {
    let setl = runtime(Span::call_site());
    match ty.map(readable) {
        Some(text) => quote!(#setl::Some(#text)),
        None => quote!(#setl::None),
    }
}

/// A delivery is owned: the factory may outlive whatever it would borrow from.
fn check_borrow(ty: &Type, errors: &mut Errors) {
    if let Type::Reference(reference) = ty {
        let target = readable(&reference.elem);
        errors.at(
            ty,
            format!(
                "a delivery cannot be borrowed: take `{target}` by value, or share it: \
                 `#[delivery(shared)]` with the type `std::sync::Arc<{target}>`"
            ),
        );
    }
    if let Type::ImplTrait(_) = ty {
        errors.at(ty, "a delivery has one named type, by which its producer is found: `impl Trait` has none");
    }
}

/// A dataset that is loaded belongs to its factory.
fn check_shared_auto_load(options: &Options, errors: &mut Errors) {
    if let (Some(span), Some(_)) = (options.flag("shared"), options.flag("auto_load")) {
        let message = "`shared` and `auto_load` exclude each other: what is loaded is this factory's own";
        errors.push(syn::Error::new(span, message));
    }
}

/// A condition restricts what `auto_load` loads.
fn check_condition(options: &Options, errors: &mut Errors) {
    if let (Some(condition), None) = (options.expression("condition"), options.flag("auto_load")) {
        errors.at(
            condition,
            "`condition` restricts what `auto_load` loads: write `#[delivery(auto_load, condition = ...)]`",
        );
    }
}

/// A producer is one factory, whatever the id of its output.
fn check_id_and_producer(options: &Options, errors: &mut Errors) {
    if let (Some(_), Some(producer)) = (options.type_of("id"), options.type_of("producer")) {
        errors.at(producer, "`id` and `producer` exclude each other: a producer is asked whatever its id");
    }
}

/// `#[delivery]` on an item: it says where it belongs, and leaves the item alone.
pub(crate) fn misplaced(item: TokenStream) -> TokenStream {
    let message = "`#[delivery]` belongs on a field of a `#[factory]` struct, on a parameter of a `#[factory]` \
                   function, or on an input of a `#[pipeline]` struct";
    quote! {
        ::core::compile_error!(#message);
        #item
    }
}
