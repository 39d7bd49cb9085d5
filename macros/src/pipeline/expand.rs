//! The code that `#[pipeline]` generates.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, Type, parse_quote};

use super::Model;
use crate::delivery::{Input, text_of};
use crate::errors::Errors;
use crate::names::{Place, readable, runtime, ungrouped};

/// A factory in a stage.
struct Listed<'model> {
    index: usize,
    written: &'model Type,
    /// The alias `__Factory0<>`. Its first and last token have their own places.
    alias: TokenStream,
    place: Place,
}

impl<'model> Listed<'model> {
    fn new(index: usize, written: &'model Type) -> Self {
        let place = Place::of(written);
        Self { index, written, alias: alias(place, "__Factory", index), place }
    }
}

/// Returns `__Factory0<>`. The brackets carry the end of the place.
fn alias(place: Place, prefix: &str, index: usize) -> TokenStream {
    let name = format_ident!("{prefix}{index}", span = place.start);
    let arguments = place.angled(&TokenStream::new());
    quote!(#name #arguments)
}

impl Model {
    /// Generates all code. Each factory and input is named once, by an alias, so that an unknown name is one error.
    ///
    /// ```text
    /// const _: () = {
    ///     type __Factory0 = read_flights;
    ///     …
    /// };
    /// ```
    pub(super) fn expand(&self) -> TokenStream {
        let aliases = self.factories().enumerate().map(|(index, factory)| {
            let alias = format_ident!("__Factory{index}");
            quote!(type #alias = #factory;)
        });
        let input_aliases = self.inputs.iter().enumerate().map(|(index, input)| {
            let (alias, payload) = (format_ident!("__Input{index}"), input.payload());
            let attributes = &input.attributes;
            quote!(#attributes type #alias = #payload;)
        });
        let kept_aliases = self.keep.iter().enumerate().map(|(index, kept)| {
            let alias = format_ident!("__Kept{index}");
            quote!(type #alias = #kept;)
        });
        let inputs = self.inputs.iter().enumerate().map(|(index, input)| self.expand_input(index, input));
        let factories = self.listed().map(|factory| self.expand_factory(&factory));
        let context = self.expand_context();
        let plan = self.expand_plan();
        let methods = self.expand_methods();
        let setl = runtime(Span::call_site());
        quote! {
            const _: () = {
                // The attribute is removed before the compiler sees it, so its import would count as unused.
                mod used {
                    #[allow(unused_imports, reason = "it marks an import as used")]
                    use super::*;
                    #[allow(unused_imports, reason = "it marks an import as used")]
                    use #setl::attributes::*;
                    #[allow(unused_imports, reason = "it marks an import as used")]
                    use delivery as _;
                }
                #(#aliases)*
                #(#input_aliases)*
                #(#kept_aliases)*
                #(#inputs)*
                #(#factories)*
                #context
                #plan
            };
            #methods
        }
    }

    fn factories(&self) -> impl Iterator<Item = &Type> {
        self.stages.iter().flat_map(|stage| &stage.factories)
    }

    fn listed(&self) -> impl Iterator<Item = Listed<'_>> {
        self.factories().enumerate().map(|(index, written)| Listed::new(index, written))
    }

    /// Returns the name of the pipeline, with a span at the end of the underlined tokens.
    fn name_at(&self, place: Place) -> Ident {
        let mut name = self.name.clone();
        name.set_span(name.span().located_at(place.end));
        name
    }

    /// ```text
    /// impl HasExactlyOneProducerOf<Repository<Flight>, GiveOneAnIdOrAnotherType> for Delays {
    ///     type Producer = NoFactory;
    ///     const SOURCE: Source = Source::Input(0);
    /// }
    /// ```
    fn expand_input(&self, index: usize, input: &Input) -> TokenStream {
        let place = Place::of(&input.ty);
        let (name, key) = (self.name_at(place), input.key(&alias(place, "__Input", index)));
        let setl = runtime(place.start);
        let body = quote_spanned! {place.end=> {
            type Producer = #setl::NoFactory;
            const SOURCE: #setl::Source = #setl::Source::Input(#index);
        }};
        quote_spanned!(place.start=> impl #setl::HasExactlyOneProducerOf<#key> for #name #body)
    }

    /// ```text
    /// impl HasExactlyOneProducerOf<<CarrierDelays as Produces<Delays>>::Key, GiveOneAnIdOrAnotherType> for Delays {
    ///     type Producer = Nth<1>;
    ///     const SOURCE: Source = Source::Factory(1);
    /// }
    /// impl ListsAt<CarrierDelays, Nth<1>> for Delays {}
    /// ```
    fn expand_factory(&self, factory: &Listed<'_>) -> TokenStream {
        let Listed { index, alias, place, .. } = factory;
        let (name, setl) = (self.name_at(*place), runtime(place.start));
        let produces = place.angled(&quote!(#alias as #setl::Produces<#name>));
        let key = place.last("Key");
        let body = quote_spanned! {place.end=> {
            type Producer = #setl::Nth<#index>;
            const SOURCE: #setl::Source = #setl::Source::Factory(#index);
        }};
        quote_spanned! {place.start=>
            impl #setl::HasExactlyOneProducerOf<#produces::#key, #setl::GiveOneAnIdOrAnotherType> for #name #body

            impl #setl::ListsAt<#alias, #setl::Nth<#index>> for #name {}
        }
    }

    fn expand_context(&self) -> TokenStream {
        let setl = runtime(self.name.span());
        let name = &self.name;
        quote_spanned! {self.name.span()=>
            impl #setl::HasExactlyOneProducerOf<#setl::Context, #setl::GiveOneAnIdOrAnotherType> for #name {
                type Producer = #setl::NoFactory;
                const SOURCE: #setl::Source = #setl::Source::Context;
            }
        }
    }

    /// Returns the plan: the source of each delivery, and an order, both computed by the compiler.
    ///
    /// Values that are used once for each factory are references, since the compiler copies a constant at each use.
    fn expand_plan(&self) -> TokenStream {
        let span = self.name.span();
        let setl = runtime(span);
        let name = &self.name;
        let text = readable(name);
        let factories: Vec<_> = self.listed().collect();
        let count = factories.len();
        let names = factories.iter().map(|factory| readable(factory.written));
        let gates =
            self.stages.iter().filter(|stage| stage.options.iter().any(|option| option == "barrier")).count();
        let nodes = count + gates;
        let offsets = nodes + 1;
        let stages = self.stages.iter().map(|stage| {
            let (name, count, options) = (readable(&stage.name), stage.factories.len(), &stage.options);
            quote!(#setl::Stage::new(#name, #count) #(.#options())*)
        });
        let from = factories.iter().map(|factory| self.expand_sources(factory));
        let entries = factories.iter().map(|factory| self.expand_entry(factory));
        let kept = self.keep.iter().enumerate().map(|(index, kept)| self.expand_kept(index, kept));
        let keeps = factories.iter().map(|factory| {
            let index = factory.index;
            quote!(impl #setl::KeepsAt<#setl::Nth<#index>, { __KEPT[#index] }> for #name {})
        });
        let inputs = self.inputs.iter().map(|input| {
            let (name, ty, id) = (readable(&input.name), readable(&input.ty), text_of(input.id.as_ref()));
            quote!(#setl::Input { name: #setl::Cow::Borrowed(#name), type_name: #ty, id: #id })
        });
        // All uses of `self` must have the same span, even if the pipeline comes from a macro.
        let this = Ident::new("self", Span::call_site());
        let fields = self.inputs.iter().enumerate().map(|(index, input)| {
            let (field, place) = (&input.name, Place::of(&input.ty));
            let (setl, alias) = (runtime(place.start), alias(place, "__Input", index));
            let payload = if input.optional { "payload_if_any" } else { "payload" };
            let payload = Ident::new(payload, place.start);
            quote!(#setl::#payload::<#alias>(#this.#field))
        });
        // A leading underscore marks an unused input, as for variables.
        let is_silenced = |input: &Input| readable(&input.name).starts_with('_');
        let told = self.inputs.iter().enumerate().filter(|(_, input)| !is_silenced(input));
        let lints = told.map(|(index, input)| {
            let (setl, attributes) = (runtime(input.name.span()), &input.attributes);
            quote_spanned! {input.name.span()=>
                #attributes
                #setl::check_input::<#setl::IsTaken<{ #setl::input_is_taken(__FROM, #index) }>>();
            }
        });
        let undelivered = self.expand_fields(&factories);
        let outputs = factories.iter().map(|factory| self.expand_check_of_output(factory));
        let fingerprints = self.inputs.iter().enumerate().map(|(index, input)| {
            let alias = format_ident!("__Input{index}");
            match input.opaque {
                true => quote!(#setl::Some(#setl::opaque)),
                false => quote!((&&&#setl::FingerprintProbe::<#alias>::NEW).__setl_fingerprint_of()),
            }
        });
        let checks = self.expand_checks();
        let defaults = self.defaults.expand();
        quote_spanned! {span=>
            const __NAMES: &[&#setl::str; #count] = &[#(#names),*];
            const __STAGES: &[#setl::Stage] = &[#(#stages),*];
            const __ENTRIES: &[&#setl::FactoryEntry; #count] = &[#(#entries),*];
            const __FROM: &[#setl::Sources<'static>; #count] = &[#(#from),*];
            const __LINKS: #setl::usize = #setl::count_links(__FROM, __STAGES);
            const __GRAPH: &#setl::Links<#nodes, #offsets, __LINKS> = &#setl::Links::new(__FROM, __STAGES);
            const __ORDER: &#setl::Ordering<#nodes> = &#setl::order(#text, __NAMES, __GRAPH, __FROM, __STAGES);
            const __KEPT: &[#setl::bool; #count] = &#setl::kept(__GRAPH, __FROM, &[#(#kept),*]);
            #checks
            // Once for all, since it costs the compiler as much as what it is imported for.
            #[allow(unused_imports, reason = "all may be `Result`s")]
            use #setl::IsNoResult as _;
            #(#outputs)*

            #(#keeps)*

            #[allow(dead_code, reason = "only checked")]
            fn __inputs_are_taken() {
                #(#lints)*
                #undelivered
            }

            impl #setl::PipelineItem for #name {
                const PLAN: &'static #setl::Plan = &#setl::Plan {
                    pipeline: #setl::Cow::Borrowed(#text),
                    inputs: #setl::Cow::Borrowed(&[#(#inputs),*]),
                    stages: #setl::Cow::Borrowed(__STAGES),
                    factories: #setl::Cow::Borrowed(&#setl::nodes(__ENTRIES, __NAMES, __STAGES, __FROM, __KEPT)),
                    offsets: #setl::Cow::Borrowed(&__GRAPH.offsets),
                    successors: #setl::Cow::Borrowed(&__GRAPH.successors),
                    waits: #setl::Cow::Borrowed(&__GRAPH.waits),
                    order: #setl::Cow::Borrowed(&__ORDER.order),
                    levels: #setl::Cow::Borrowed(&__ORDER.levels),
                    defaults: #setl::Policy::NONE #defaults,
                };
                const STEPS: &'static [#setl::Step] = &#setl::steps(__ENTRIES);

                fn into_inputs(#this) -> #setl::Vec<#setl::Option<#setl::AnyPayload>> {
                    #setl::vec([#(#fields),*])
                }

                #[allow(unused_imports, reason = "one of them is enough")]
                fn fingerprints() -> #setl::Vec<#setl::Option<#setl::FingerprintOf>> {
                    use #setl::{NotPrinted as _, PrintedByFrame as _, PrintedBySerde as _};
                    #setl::vec([#(#fingerprints),*])
                }
            }
        }
    }

    /// Checks presence (see [`Self::expand_presence`]), and that every input that a checkpoint or a cache depends on has a
    /// fingerprint.
    fn expand_checks(&self) -> TokenStream {
        let setl = runtime(self.name.span());
        let name = readable(&self.name);
        let inputs = self.inputs.iter().enumerate().map(|(index, input)| {
            let alias = format_ident!("__Input{index}");
            let (field, ty, opaque) = (readable(&input.name), readable(&input.ty), input.opaque);
            quote! {
                (#field, #ty, #opaque || <#setl::PrintsByFrame<#alias>>::__SETL_PRINTS || <#setl::PrintsBySerde<#alias>>::__SETL_PRINTS)
            }
        });
        let presence = self.expand_presence();
        quote_spanned! {self.name.span()=>
            // The constant refers to the order, so that a cycle is reported first, and alone.
            const _: () = {
                #[allow(unused_imports, reason = "there may be no inputs, or all have a fingerprint")]
                use #setl::PrintsNot as _;
                #presence
                #setl::check_fingerprints(#name, &[#(#inputs),*], __NAMES, __ENTRIES, __FROM, &__ORDER.order)
            };
        }
    }

    /// Returns the sources of a factory: `<Delays as Wires<<CarrierDelays as Produces<Delays>>::ThisFactory>>::SOURCES`.
    ///
    /// This and [`Self::expand_entry`] use `Produces`, so that a type that is not a factory fails only there.
    fn expand_sources(&self, factory: &Listed<'_>) -> TokenStream {
        let place = factory.place;
        let (setl, itself) = (runtime(place.start), self.itself(factory));
        // The brackets carry the place, as in an alias.
        let (mut name, brackets) = (self.name.clone(), place.angled(&TokenStream::new()));
        name.set_span(name.span().located_at(place.start));
        let wired = place.angled(&itself);
        let pipeline = place.angled(&quote!(#name #brackets as #setl::Wires #wired));
        let sources = place.last("SOURCES");
        quote!(#pipeline::#sources)
    }

    /// Returns the entry of a factory: `<<CarrierDelays as Produces<Delays>>::ThisFactory as Listed>::ENTRY`.
    fn expand_entry(&self, factory: &Listed<'_>) -> TokenStream {
        let place = factory.place;
        let (setl, itself) = (runtime(place.start), self.itself(factory));
        let listed = place.angled(&quote!(#itself as #setl::Listed));
        let entry = place.last("ENTRY");
        quote!(#listed::#entry)
    }

    /// Returns `<CarrierDelays as Produces<Delays>>::ThisFactory`.
    fn itself(&self, factory: &Listed<'_>) -> TokenStream {
        let Listed { alias, place, .. } = factory;
        let (name, setl) = (self.name_at(*place), runtime(place.start));
        let produces = place.angled(&quote!(#alias as #setl::Produces<#name>));
        let itself = place.last("ThisFactory");
        quote!(#produces::#itself)
    }

    /// Warns of fields that are not deliveries although their types are delivered. A factory in lower case is a function.
    ///
    /// ```text
    /// Fields::<Delays, _>::of(<CarrierDelays>::__setl_fields()).__setl_lint();
    /// ```
    fn expand_fields(&self, factories: &[Listed<'_>]) -> Option<TokenStream> {
        let structs = factories.iter().filter(|factory| {
            let segment = match ungrouped(factory.written) {
                Type::Path(path) => path.path.segments.last(),
                _ => None,
            };
            segment.is_some_and(|last| readable(&last.ident).starts_with(char::is_uppercase))
        });
        let setl = runtime(self.name.span());
        let name = &self.name;
        let mut told = structs
            .map(|factory| {
                let Listed { alias, place, .. } = factory;
                let setl = runtime(place.start);
                let of = quote_spanned!(place.start=> #setl::fields::Fields::<#name, _>::of(<#alias>::__setl_fields()));
                quote_spanned!(place.start=> #of.__setl_lint();)
            })
            .peekable();
        told.peek()?;
        Some(quote! {
            {
                #[allow(unused_imports, reason = "one of them is enough")]
                use #setl::fields::*;
                #(#told)*
            }
        })
    }

    /// Checks that the output of a generic factory is not a `Result`. The factory may be listed by an alias, or with a default
    /// type parameter.
    fn expand_check_of_output(&self, factory: &Listed<'_>) -> TokenStream {
        let (place, text) = (factory.place, readable(factory.written));
        let (setl, itself) = (runtime(place.start), self.itself(factory));
        let item = place.angled(&quote!(#itself as #setl::FactoryItem));
        let (checked, output) = (place.last("OUTPUT_IS_CHECKED"), place.last("Output"));
        let of_output = place.angled(&quote!(#setl::IsResult<#item::#output>));
        let is_result = place.last("__SETL_IS_RESULT");
        let is_result = quote_spanned!(place.end=> !#item::#checked && #of_output::#is_result);
        quote_spanned!(place.start=> const _: () = #setl::check_output(#text, true, #is_result);)
    }

    /// Checks that values that may be absent are only taken as optional.
    fn expand_presence(&self) -> TokenStream {
        let setl = runtime(self.name.span());
        let name = readable(&self.name);
        let inputs = self.inputs.iter().map(|input| {
            let (name, optional) = (readable(&input.name), input.optional);
            quote!((#name, #optional))
        });
        quote_spanned! {self.name.span()=>
            #setl::check_presence(#name, &[#(#inputs),*], __NAMES, __ENTRIES, __FROM);
        }
    }

    /// Returns the source of a factory in `keep(…)`: `<Delays as Lists<CarrierDelays>>::SOURCE`.
    fn expand_kept(&self, index: usize, kept: &Type) -> TokenStream {
        let place = Place::of(kept);
        let (name, setl, alias) = (self.name_at(place), runtime(place.start), alias(place, "__Kept", index));
        let lists = place.angled(&alias);
        let this = place.angled(&quote!(#name as #setl::Lists #lists));
        let source = place.last("SOURCE");
        quote!(#this::#source)
    }

    /// Generates the methods of the pipeline.
    fn expand_methods(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let (name, visibility) = (&self.name, &self.visibility);
        // The span is that of the name, as for everything that uses the plan, so that a mistake in the plan is reported once.
        let plan = {
            let setl = runtime(name.span());
            quote_spanned!(name.span()=> <Self as #setl::PipelineItem>::PLAN)
        };
        let (implementing, arguments, where_clause) = self.generics.split_for_impl();
        quote! {
            #[allow(dead_code, reason = "not every pipeline is inspected")]
            impl #implementing #name #arguments #where_clause {
                /// Makes a run of this pipeline with its inputs: `.await` it.
                #visibility fn run(self) -> #setl::RunBuilder<Self> {
                    #setl::RunBuilder::new(self)
                }

                /// Returns the plan: the parts of the pipeline and their links.
                #visibility fn plan() -> &'static #setl::Plan {
                    #plan
                }

                /// Draws the pipeline as a diagram, in Mermaid or DOT.
                #visibility fn diagram() -> #setl::Diagram<'static> {
                    #setl::Diagram::of(Self::plan())
                }

                /// Describes the pipeline as text: stages, factories, and the source of each delivery.
                #visibility fn describe() -> #setl::String {
                    #setl::describe(Self::plan())
                }
            }
        }
    }

    /// Generates the methods of a pipeline with mistakes in its attribute, so that its uses stay valid.
    pub(super) fn expand_stub(&self, errors: Errors) -> TokenStream {
        let errors = errors.finish_for_stub();
        let setl = runtime(Span::call_site());
        let name = &self.name;
        let methods = self.expand_methods();
        let (implementing, arguments, where_clause) = self.generics.split_for_impl();
        let mut of_all = self.generics.clone();
        of_all.params.push(parse_quote!(__T));
        let mut with_cure = of_all.clone();
        with_cure.params.push(parse_quote!(__Cure));
        let ((implementing_of_all, ..), (implementing_with_cure, ..)) =
            (of_all.split_for_impl(), with_cure.split_for_impl());
        quote! {
            impl #implementing #setl::PipelineItem for #name #arguments #where_clause {
                const PLAN: &'static #setl::Plan = &#setl::Plan::EMPTY;
                const STEPS: &'static [#setl::Step] = &[];

                fn into_inputs(self) -> #setl::Vec<#setl::Option<#setl::AnyPayload>> {
                    #setl::never()
                }
            }

            impl #implementing_with_cure #setl::HasExactlyOneProducerOf<__T, __Cure> for #name #arguments #where_clause {
                type Producer = #setl::AnyFactory;
                const SOURCE: #setl::Source = #setl::Source::Context;
            }

            impl #implementing_of_all #setl::ListsAt<__T, #setl::AnyFactory> for #name #arguments #where_clause {}

            impl #implementing #setl::KeepsAt<#setl::AnyFactory, true> for #name #arguments #where_clause {}

            #methods

            #errors
        }
    }
}
