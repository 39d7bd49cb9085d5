//! The code that `#[factory]` generates, for structs and functions.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Generics, Type, parse_quote};

use super::Model;
use crate::delivery::text_of;
use crate::names::{Place, local, runtime, ungrouped, without_self};
use crate::root::any_pipeline;

impl Model {
    pub(super) fn expand(&self) -> TokenStream {
        let item = self.expand_item();
        let wired = self.expand_wired();
        let producers = self.expand_producers();
        let produces = self.expand_produces();
        let fallback = self.expand_check_of_fallback();
        let output = self.expand_check_of_output();
        quote!(#item #produces #wired #producers #fallback #output)
    }

    /// ```text
    /// impl FactoryItem for CarrierDelays {
    ///     const NAME: &'static str = "CarrierDelays";
    ///     type Output = Dataset<CarrierDelay>;
    ///     type Deliveries = (Dataset<Flight>, MinDelay);
    ///     fn receive(#inbox: &mut Inbox<'_>) -> Result<Self::Deliveries> {
    ///         Ok((<ByValue as TakeByValue<Dataset<Flight>>>::take(inbox, 0)?, …))
    ///     }
    ///     fn assemble((__0, __1): Self::Deliveries) -> Self {
    ///         Self { flights: __0, min_delay: __1, cache: DefaultField::initial() }
    ///     }
    ///     …
    /// }
    /// ```
    fn expand_item(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let name = &self.name;
        let text = syn::ext::IdentExt::unraw(name).to_string();
        let generics = self.generics_of_item();
        let (implementing, arguments, where_clause) = generics.split_for_impl();
        let output = &self.output;
        let besides = self.expand_what_is_rare();
        let types = self.deliveries.iter().map(|delivery| &delivery.ty);
        let described = self.deliveries.iter().map(|delivery| delivery.describe());
        let received = self
            .deliveries
            .iter()
            .enumerate()
            .map(|(index, delivery)| delivery.receive(index, &self.generics));
        let requirements = self.deliveries.iter().map(|delivery| delivery.requirement());
        let values = (0..self.deliveries.len()).map(|index| local(&format!("__{index}")));
        let assemble = &self.assemble;
        let unused = self
            .deliveries
            .is_empty()
            .then(|| quote!(#[allow(unused_variables, reason = "there are no deliveries")]));
        let code = self.code;
        let inbox = local("inbox");
        let persistence = self.expand_persistence();
        let (presence, conduct) = (self.conduct.presence(), self.expand_conduct());
        quote! {
            impl #implementing #setl::FactoryItem for #name #arguments #where_clause {
                const NAME: &'static #setl::str = #text;
                type Output = #output;
                const DELIVERIES: &'static [#setl::Delivery] = &[#(#described),*];
                const CODE: #setl::u128 = #code;
                #besides
                type Presence = #presence;
                type Deliveries = (#(#types,)*);

                #unused
                fn receive(#inbox: &mut #setl::Inbox<'_>) -> #setl::Result<Self::Deliveries> {
                    #setl::Ok((#(#received,)*))
                }

                fn assemble((#(#values,)*): Self::Deliveries) -> Self {
                    #assemble
                }

                fn requirements() -> #setl::Vec<#setl::Requirement> {
                    #setl::vec([#(#requirements),*])
                }

                #[allow(unused_imports, reason = "one of each is enough")]
                fn abilities() -> #setl::Abilities<Self> {
                    use #setl::{
                        Inspectable as _, KeptByFrame as _, KeptBySerde as _, Lasting as _, NotKept as _, Opaque as _,
                        Undoable as _,
                    };
                    #setl::Abilities {
                        inspect: (&&#setl::Probe::<#output>::NEW).__setl_inspector(),
                        undo: (&&#setl::UndoProbe::<Self>::NEW).__setl_undo(),
                        persistence: #persistence,
                    }
                }

                #conduct
            }
        }
    }

    /// ```text
    /// impl<P> Wired<P> for CarrierDelays
    /// where
    ///     TheWiring: Finds<Dataset<Flight>, P>,
    ///     TheWiring: Finds<MinDelay, P>,
    /// {
    ///     const FROM: &'static [Source] = &[<TheWiring as Finds<Dataset<Flight>, P>>::SOURCE, …];
    /// }
    /// ```
    fn expand_wired(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let name = &self.name;
        let pipeline = any_pipeline();
        let mut generics = self.generics_of_item();
        let (_, arguments, _) = self.generics.split_for_impl();
        let wanted: Vec<_> = self.deliveries.iter().map(|delivery| delivery.wanted()).collect();
        let mut bounds: Vec<_> = wanted.iter().map(|(wiring, finds)| quote!(#wiring: #finds)).collect();
        let of_fallback = self.conduct.fallback().map(|other| {
            let place = Place::of(other);
            let setl = runtime(place.start);
            let wired = place.last("Wired");
            (other, quote!(#setl::#wired<#pipeline>))
        });
        bounds.extend(of_fallback.as_ref().map(|(other, wired)| quote!(#other: #wired)));
        let fallback_from = of_fallback.map(|(other, wired)| {
            quote!(const FALLBACK_FROM: &'static [#setl::Source] = <#other as #wired>::FROM;)
        });
        // Tokens are enough: to parse them takes as long as all else that is made here.
        let own = generics.where_clause.take().map(|own| own.predicates).unwrap_or_default();
        let bounds: Vec<_> = own.iter().map(|own| own.to_token_stream()).chain(bounds).collect();
        let where_clause = (!bounds.is_empty()).then(|| quote!(where #(#bounds,)*));
        generics.params.push(syn::GenericParam::Type(pipeline.clone().into()));
        let (implementing, _, _) = generics.split_for_impl();
        let sources = wanted.iter().map(|(wiring, finds)| quote!(<#wiring as #finds>::SOURCE));
        quote! {
            impl #implementing #setl::Wired<#pipeline> for #name #arguments #where_clause {
                const FROM: &'static [#setl::Source] = &[#(#sources),*];
                #fallback_from
            }
        }
    }

    /// ```text
    /// impl<P> Produces<P> for CarrierDelays {
    ///     type Key = Dataset<CarrierDelay>;
    ///     type ThisFactory = Self;
    /// }
    /// ```
    fn expand_produces(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let name = &self.name;
        let pipeline = any_pipeline();
        let output = match &self.returned {
            Some(returned) => &parse_quote!(<#returned as #setl::FallibleIn<#pipeline>>::Output),
            None => &self.output,
        };
        let mut generics = self.generics_of_item();
        let (_, arguments, _) = self.generics.split_for_impl();
        generics.params.push(parse_quote!(#pipeline));
        let (implementing, _, where_clause) = generics.split_for_impl();
        let key = match &self.id {
            _ if is_unit(output) => quote!(#setl::NoOutput<Self>),
            Some(id) => quote!(#setl::WithId<#output, #id>),
            None => quote!(#output),
        };
        quote! {
            impl #implementing #setl::Produces<#pipeline> for #name #arguments #where_clause {
                type Key = #key;
                type ThisFactory = Self;
            }
        }
    }

    /// Returns the constants that are not the default. Each constant costs the compiler as much as a function, and most factories
    /// need none of these.
    fn expand_what_is_rare(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let id = self.id.as_ref().map(|id| {
            let id = text_of(Some(id));
            quote!(const ID: #setl::Option<&'static #setl::str> = #id;)
        });
        let blocking = self.blocking.then(|| quote!(const BLOCKING: #setl::bool = true;));
        let unchecked =
            (!self.output_is_checked()).then(|| quote!(const OUTPUT_IS_CHECKED: #setl::bool = false;));
        quote!(#id #blocking #unchecked)
    }

    /// Returns `true` if the type of the output is completely known here.
    fn output_is_checked(&self) -> bool {
        self.generics.params.is_empty() || is_unit(&self.output)
    }

    /// Checks that the output is not a `Result` or `()` under another name. The output of a generic factory is checked where it
    /// is listed.
    fn expand_check_of_output(&self) -> Option<TokenStream> {
        let output = &self.output;
        let may_be_other =
            self.output_is_checked() && matches!(ungrouped(output), Type::Path(_) | Type::Macro(_));
        may_be_other.then(|| {
            let place = self.returned.as_ref().map_or_else(|| Place::of(output), Place::of);
            let (setl, at_output) = (runtime(Span::call_site()), runtime(place.start));
            let (text, is_function) = (syn::ext::IdentExt::unraw(&self.name).to_string(), self.is_function);
            let output = without_self(quote!(#output), &self.name.to_token_stream());
            let (check_unit, is_unit) =
                (place.last("check_unit"), quote!(<#setl::IsUnit<#output>>::__SETL_IS_UNIT));
            let is_result = (self.returned.is_none()).then(|| {
                let is_result = quote!(<#setl::IsResult<#output>>::__SETL_IS_RESULT);
                let (check, call) = (
                    place.last("check_output"),
                    quote_spanned!(place.end=> (#text, #is_function, #is_result)),
                );
                quote!(#at_output::#check #call;)
            });
            let call = quote_spanned!(place.end=> (#text, #is_function, #is_unit));
            quote! {
                const _: () = {
                    #[allow(unused_imports, reason = "it may be one of them")]
                    use #setl::{IsNoResult as _, IsNoUnit as _};
                    #is_result
                    #at_output::#check_unit #call
                };
            }
        })
    }

    /// Checks each `producer = …` separately, so that one mistake is one error.
    fn expand_producers(&self) -> Option<TokenStream> {
        let checks: Vec<_> = self.deliveries.iter().filter_map(|delivery| delivery.check()).collect();
        if checks.is_empty() {
            return None;
        }
        let name = &self.name;
        let generics = self.generics_of_item();
        let (implementing, arguments, where_clause) = generics.split_for_impl();
        let checks = without_self(quote!(#(#checks)*), &quote!(#name #arguments));
        Some(quote! {
            const _: () = {
                #[allow(dead_code, clippy::multiple_bound_locations, reason = "only checked")]
                fn __producers #implementing () #where_clause {
                    #checks
                }
            };
        })
    }

    /// Returns the generics with the bounds of a factory: it moves between threads and may live arbitrarily long.
    fn generics_of_item(&self) -> Generics {
        owned(&self.generics)
    }
}

/// Returns `true` if an output is `()`, which is never delivered.
pub(super) fn is_unit(output: &Type) -> bool {
    matches!(ungrouped(output), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// Returns these generics with the bounds of a payload on each type.
pub(super) fn owned(generics: &Generics) -> Generics {
    let setl = runtime(Span::call_site());
    let mut generics = generics.clone();
    let parameters: Vec<_> = generics.type_params().map(|parameter| parameter.ident.clone()).collect();
    for parameter in parameters {
        generics.make_where_clause().predicates.push(parse_quote!(#parameter: #setl::Payload));
    }
    generics
}
