//! What `#[pipeline]` generates.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::Model;
use crate::delivery::{Input, text_of};
use crate::names::{readable, runtime};

impl Model {
    pub(super) fn expand(&self) -> TokenStream {
        let inputs = self.inputs.iter().enumerate().map(|(index, input)| self.expand_input(index, input));
        let factories =
            self.factories().enumerate().map(|(index, factory)| self.expand_factory(index, factory));
        let context = self.expand_context();
        let plan = self.expand_plan();
        let methods = self.expand_methods();
        quote! {
            #(#inputs)*
            #(#factories)*
            #context
            #plan
            #methods
        }
    }

    fn factories(&self) -> impl Iterator<Item = &Type> {
        self.stages.iter().flat_map(|stage| &stage.factories)
    }

    /// ```ignore
    /// impl SoleProducer<Repository<Flight>> for Delays {
    ///     const SOURCE: Source = Source::Input(0);
    /// }
    /// ```
    fn expand_input(&self, index: usize, input: &Input) -> TokenStream {
        let (name, key, span) = (&self.name, input.key(), input.ty.span());
        let setl = runtime(span);
        quote_spanned! {span=>
            impl #setl::SoleProducer<#key> for #name {
                const SOURCE: #setl::Source = #setl::Source::Input(#index);
            }
        }
    }

    /// ```ignore
    /// impl SoleProducer<<CarrierDelays as Produces<Delays>>::Key> for Delays {
    ///     const SOURCE: Source = Source::Factory(1);
    /// }
    /// impl Lists<CarrierDelays> for Delays { … }
    /// ```
    fn expand_factory(&self, index: usize, factory: &Type) -> TokenStream {
        let (name, span) = (&self.name, factory.span());
        let setl = runtime(span);
        let source = quote_spanned!(span=> #setl::Source::Factory(#index));
        quote_spanned! {span=>
            impl #setl::SoleProducer<<#factory as #setl::Produces<#name>>::Key> for #name {
                const SOURCE: #setl::Source = #source;
            }

            impl #setl::Lists<#factory> for #name {
                const SOURCE: #setl::Source = #source;
            }
        }
    }

    fn expand_context(&self) -> TokenStream {
        let setl = runtime(self.name.span());
        let name = &self.name;
        quote! {
            impl #setl::SoleProducer<#setl::Context> for #name {
                const SOURCE: #setl::Source = #setl::Source::Context;
            }
        }
    }

    /// The plan: from whom each factory takes what, and an order, all computed by the compiler.
    ///
    /// What is used once for each factory is a reference: the compiler copies a constant wherever its name stands.
    fn expand_plan(&self) -> TokenStream {
        let span = self.name.span();
        let setl = runtime(span);
        let name = &self.name;
        let text = readable(name);
        let factories: Vec<_> = self.factories().collect();
        let count = factories.len();
        let indices: Vec<_> = (0..count).collect();
        let names = factories.iter().map(readable);
        let gates =
            self.stages.iter().filter(|stage| stage.options.iter().any(|option| option == "barrier")).count();
        let nodes = count + gates;
        let offsets = nodes + 1;
        let stages = self.stages.iter().map(|stage| {
            let (name, count, options) = (stage.name.to_string(), stage.factories.len(), &stage.options);
            quote!(#setl::Stage::new(#name, #count) #(.#options())*)
        });
        let stage_of = self
            .stages
            .iter()
            .enumerate()
            .flat_map(|(index, stage)| stage.factories.iter().map(move |_| index));
        let from = factories.iter().map(|factory| {
            let setl = runtime(factory.span());
            quote_spanned!(factory.span()=> <#factory as #setl::Wired<#name>>::FROM)
        });
        let asked = factories.iter().map(|factory| self.is_asked_for(factory));
        let keeps = factories.iter().enumerate().map(|(index, factory)| {
            quote_spanned!(factory.span()=> impl #setl::Keeps<#factory, { KEPT[#index] }> for #name {})
        });
        let inputs = self.inputs.iter().map(|input| {
            let (name, ty, id) = (readable(&input.name), readable(&input.ty), text_of(input.id.as_ref()));
            quote!(#setl::Input { name: #setl::Cow::Borrowed(#name), type_name: #ty, id: #id })
        });
        let fields = self.inputs.iter().map(|input| {
            let (field, ty, span) = (&input.name, &input.ty, input.ty.span());
            if input.optional {
                quote_spanned!(span=> #setl::payload_if_any(<#ty as #setl::Optional>::into_option(self.#field)))
            } else {
                quote_spanned!(span=> #setl::payload(self.#field))
            }
        });
        let lints = self.inputs.iter().enumerate().map(|(index, input)| {
            let setl = runtime(input.name.span());
            quote_spanned! {input.name.span()=>
                #setl::check_input::<#setl::PipelineInput<{ #setl::input_is_taken(FROM, #index) }>>();
            }
        });
        let presence = self.expand_presence();
        quote_spanned! {span=>
            const _: () = {
                const NAMES: &[&str; #count] = &[#(#names),*];
                const STAGES: &[#setl::Stage] = &[#(#stages),*];
                const FROM: &[&[#setl::Source]; #count] = &[#(#from),*];
                const LINKS: usize = #setl::count_links(FROM, STAGES);
                const GRAPH: &#setl::Links<#nodes, #offsets, LINKS> = &#setl::Links::new(FROM, STAGES);
                const ORDER: &#setl::Ordering<#nodes> = &#setl::order(#text, NAMES, GRAPH, FROM, STAGES);
                const KEPT: &[bool; #count] = &#setl::kept(GRAPH, FROM, [#(#asked),*]);
                #presence

                #(#keeps)*

                #[allow(dead_code, reason = "only checked")]
                fn inputs_are_taken() {
                    #(#lints)*
                }

                impl #setl::PipelineItem for #name {
                    const PLAN: &'static #setl::Plan = &#setl::Plan {
                        pipeline: #setl::Cow::Borrowed(#text),
                        inputs: #setl::Cow::Borrowed(&[#(#inputs),*]),
                        stages: #setl::Cow::Borrowed(STAGES),
                        factories: #setl::Cow::Borrowed(&[#(
                            #setl::node::<#factories>(NAMES[#indices], #stage_of, FROM[#indices], KEPT[#indices])
                        ),*]),
                        offsets: #setl::Cow::Borrowed(&GRAPH.offsets),
                        successors: #setl::Cow::Borrowed(&GRAPH.successors),
                        waits: #setl::Cow::Borrowed(&GRAPH.waits),
                        order: #setl::Cow::Borrowed(&ORDER.order),
                        levels: #setl::Cow::Borrowed(&ORDER.levels),
                    };
                    const STEPS: &'static [#setl::Step] = &[#(
                        #setl::Step::of::<#factories>()
                    ),*];

                    fn into_inputs(self) -> #setl::Vec<#setl::Option<#setl::AnyPayload>> {
                        #setl::Vec::from([#(#fields),*])
                    }
                }
            };
        }
    }

    /// Checks that only optional deliveries are taken from inputs that may be absent.
    fn expand_presence(&self) -> Option<TokenStream> {
        if !self.inputs.iter().any(|input| input.optional) {
            return None;
        }
        let setl = runtime(self.name.span());
        let name = readable(&self.name);
        let inputs = self.inputs.iter().map(|input| {
            let (name, optional) = (readable(&input.name), input.optional);
            quote!((#name, #optional))
        });
        let factories = self.factories();
        Some(quote_spanned! {self.name.span()=>
            const _: () = #setl::check_presence(
                #name, &[#(#inputs),*], NAMES, &[#(<#factories as #setl::FactoryItem>::DELIVERIES),*], FROM,
            );
        })
    }

    /// Whether the output of a factory is in `keep(…)`.
    fn is_asked_for(&self, factory: &Type) -> bool {
        let text = factory.to_token_stream().to_string();
        self.keep.iter().any(|kept| kept.to_token_stream().to_string() == text)
    }

    /// What a user calls on the pipeline.
    fn expand_methods(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let (name, visibility) = (&self.name, &self.visibility);
        quote! {
            #[allow(dead_code, reason = "not every pipeline is inspected")]
            impl #name {
                /// A run of this pipeline with its inputs: `.await` it.
                #visibility fn run(self) -> #setl::Runner<Self> {
                    #setl::Runner::new(self)
                }

                /// What the pipeline consists of, and who delivers to whom.
                #visibility fn plan() -> &'static #setl::Plan {
                    <Self as #setl::PipelineItem>::PLAN
                }

                /// The pipeline as a picture, in Mermaid or DOT.
                #visibility fn diagram() -> #setl::Diagram<'static> {
                    #setl::Diagram::of(Self::plan())
                }

                /// The pipeline as text: stages, factories, what each takes from whom.
                #visibility fn describe() -> #setl::String {
                    #setl::describe(Self::plan())
                }
            }
        }
    }

    /// A pipeline with mistakes in its attribute still has its methods, so that its uses stay as they are.
    pub(super) fn expand_stub(&self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let name = &self.name;
        let methods = self.expand_methods();
        quote! {
            impl #setl::PipelineItem for #name {
                const PLAN: &'static #setl::Plan = &#setl::Plan::EMPTY;
                const STEPS: &'static [#setl::Step] = &[];

                fn into_inputs(self) -> #setl::Vec<#setl::Option<#setl::AnyPayload>> {
                    #setl::Vec::new()
                }
            }

            impl<__Factory> #setl::Lists<__Factory> for #name {
                const SOURCE: #setl::Source = #setl::Source::Context;
            }

            impl<__Factory> #setl::Keeps<__Factory, true> for #name {}

            #methods
        }
    }
}
