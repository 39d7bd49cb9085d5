pub struct Delays {
    flights: Repository<Flight>,
    rates: Option<Rates>,
}
const _: () = {
    mod used {
        #[allow(unused_imports, reason = "it marks an import as used")]
        use super::*;
        #[allow(unused_imports, reason = "it marks an import as used")]
        use ::setl::__private::attributes::*;
        #[allow(unused_imports, reason = "it marks an import as used")]
        use delivery as _;
    }
    type __Factory0 = read_flights;
    type __Factory1 = CarrierDelays;
    type __Input0 = Repository<Flight>;
    type __Input1 = Rates;
    type __Kept0 = read_flights;
    impl ::setl::__private::HasExactlyOneProducerOf<
        __Input0,
        ::setl::__private::GiveOneAnIdOrAnotherType,
    > for Delays {
        type Producer = ::setl::__private::NoFactory;
        const SOURCE: ::setl::__private::Source = ::setl::__private::Source::Input(
            0usize,
        );
    }
    impl ::setl::__private::HasExactlyOneProducerOf<
        ::setl::__private::WithId<__Input1, Backup>,
        ::setl::__private::GiveOneAnIdOrAnotherType,
    > for Delays {
        type Producer = ::setl::__private::NoFactory;
        const SOURCE: ::setl::__private::Source = ::setl::__private::Source::Input(
            1usize,
        );
    }
    impl ::setl::__private::HasExactlyOneProducerOf<
        <__Factory0 as ::setl::__private::Produces<Delays>>::Key,
        ::setl::__private::GiveOneAnIdOrAnotherType,
    > for Delays {
        type Producer = ::setl::__private::Nth<0usize>;
        const SOURCE: ::setl::__private::Source = ::setl::__private::Source::Factory(
            0usize,
        );
    }
    impl ::setl::__private::ListsAt<__Factory0, ::setl::__private::Nth<0usize>>
    for Delays {}
    impl ::setl::__private::HasExactlyOneProducerOf<
        <__Factory1 as ::setl::__private::Produces<Delays>>::Key,
        ::setl::__private::GiveOneAnIdOrAnotherType,
    > for Delays {
        type Producer = ::setl::__private::Nth<1usize>;
        const SOURCE: ::setl::__private::Source = ::setl::__private::Source::Factory(
            1usize,
        );
    }
    impl ::setl::__private::ListsAt<__Factory1, ::setl::__private::Nth<1usize>>
    for Delays {}
    impl ::setl::__private::HasExactlyOneProducerOf<
        ::setl::__private::Context,
        ::setl::__private::GiveOneAnIdOrAnotherType,
    > for Delays {
        type Producer = ::setl::__private::NoFactory;
        const SOURCE: ::setl::__private::Source = ::setl::__private::Source::Context;
    }
    const __NAMES: &[&::setl::__private::str; 2usize] = &[
        "read_flights",
        "CarrierDelays",
    ];
    const __STAGES: &[::setl::__private::Stage] = &[
        ::setl::__private::Stage::new("extract", 1usize),
        ::setl::__private::Stage::new("transform", 1usize).barrier(),
    ];
    const __ENTRIES: &[&::setl::__private::FactoryEntry; 2usize] = &[
        <<__Factory0 as ::setl::__private::Produces<
            Delays,
        >>::ThisFactory as ::setl::__private::Listed>::ENTRY,
        <<__Factory1 as ::setl::__private::Produces<
            Delays,
        >>::ThisFactory as ::setl::__private::Listed>::ENTRY,
    ];
    const __FROM: &[::setl::__private::Sources<'static>; 2usize] = &[
        <Delays as ::setl::__private::Wires<
            <__Factory0 as ::setl::__private::Produces<Delays>>::ThisFactory,
        >>::SOURCES,
        <Delays as ::setl::__private::Wires<
            <__Factory1 as ::setl::__private::Produces<Delays>>::ThisFactory,
        >>::SOURCES,
    ];
    const __LINKS: ::setl::__private::usize = ::setl::__private::count_links(
        __FROM,
        __STAGES,
    );
    const __GRAPH: &::setl::__private::Links<3usize, 4usize, __LINKS> = &::setl::__private::Links::new(
        __FROM,
        __STAGES,
    );
    const __ORDER: &::setl::__private::Ordering<3usize> = &::setl::__private::order(
        "Delays",
        __NAMES,
        __GRAPH,
        __FROM,
        __STAGES,
    );
    const __KEPT: &[::setl::__private::bool; 2usize] = &::setl::__private::kept(
        __GRAPH,
        __FROM,
        &[<Delays as ::setl::__private::Lists<__Kept0>>::SOURCE],
    );
    const _: () = {
        #[allow(
            unused_imports,
            reason = "there may be no inputs, or all have a fingerprint"
        )]
        use ::setl::__private::PrintsNot as _;
        ::setl::__private::check_presence(
            "Delays",
            &[("flights", false), ("rates", true)],
            __NAMES,
            __ENTRIES,
            __FROM,
        );
        ::setl::__private::check_fingerprints(
            "Delays",
            &[
                (
                    "flights",
                    "Repository<Flight>",
                    false || <::setl::__private::PrintsByFrame<__Input0>>::__SETL_PRINTS
                        || <::setl::__private::PrintsBySerde<__Input0>>::__SETL_PRINTS,
                ),
                (
                    "rates",
                    "Option<Rates>",
                    false || <::setl::__private::PrintsByFrame<__Input1>>::__SETL_PRINTS
                        || <::setl::__private::PrintsBySerde<__Input1>>::__SETL_PRINTS,
                ),
            ],
            __NAMES,
            __ENTRIES,
            __FROM,
            &__ORDER.order,
        )
    };
    #[allow(unused_imports, reason = "all may be `Result`s")]
    use ::setl::__private::IsNoResult as _;
    const _: () = ::setl::__private::check_output(
        "read_flights",
        true,
        !<<__Factory0 as ::setl::__private::Produces<
            Delays,
        >>::ThisFactory as ::setl::__private::FactoryItem>::OUTPUT_IS_CHECKED
            && <::setl::__private::IsResult<
                <<__Factory0 as ::setl::__private::Produces<
                    Delays,
                >>::ThisFactory as ::setl::__private::FactoryItem>::Output,
            >>::__SETL_IS_RESULT,
    );
    const _: () = ::setl::__private::check_output(
        "CarrierDelays",
        true,
        !<<__Factory1 as ::setl::__private::Produces<
            Delays,
        >>::ThisFactory as ::setl::__private::FactoryItem>::OUTPUT_IS_CHECKED
            && <::setl::__private::IsResult<
                <<__Factory1 as ::setl::__private::Produces<
                    Delays,
                >>::ThisFactory as ::setl::__private::FactoryItem>::Output,
            >>::__SETL_IS_RESULT,
    );
    impl ::setl::__private::KeepsAt<::setl::__private::Nth<0usize>, { __KEPT[0usize] }>
    for Delays {}
    impl ::setl::__private::KeepsAt<::setl::__private::Nth<1usize>, { __KEPT[1usize] }>
    for Delays {}
    #[allow(dead_code, reason = "only checked")]
    fn __inputs_are_taken() {
        ::setl::__private::check_input::<
            ::setl::__private::IsTaken<
                { ::setl::__private::input_is_taken(__FROM, 0usize) },
            >,
        >();
        ::setl::__private::check_input::<
            ::setl::__private::IsTaken<
                { ::setl::__private::input_is_taken(__FROM, 1usize) },
            >,
        >();
        {
            #[allow(unused_imports, reason = "one of them is enough")]
            use ::setl::__private::fields::*;
            ::setl::__private::fields::Fields::<
                Delays,
                _,
            >::of(<__Factory1>::__setl_fields())
                .__setl_lint();
        }
    }
    impl ::setl::__private::PipelineItem for Delays {
        const PLAN: &'static ::setl::__private::Plan = &::setl::__private::Plan {
            pipeline: ::setl::__private::Cow::Borrowed("Delays"),
            inputs: ::setl::__private::Cow::Borrowed(
                &[
                    ::setl::__private::Input {
                        name: ::setl::__private::Cow::Borrowed("flights"),
                        type_name: "Repository<Flight>",
                        id: ::setl::__private::None,
                    },
                    ::setl::__private::Input {
                        name: ::setl::__private::Cow::Borrowed("rates"),
                        type_name: "Option<Rates>",
                        id: ::setl::__private::Some("Backup"),
                    },
                ],
            ),
            stages: ::setl::__private::Cow::Borrowed(__STAGES),
            factories: ::setl::__private::Cow::Borrowed(
                &::setl::__private::nodes(__ENTRIES, __NAMES, __STAGES, __FROM, __KEPT),
            ),
            offsets: ::setl::__private::Cow::Borrowed(&__GRAPH.offsets),
            successors: ::setl::__private::Cow::Borrowed(&__GRAPH.successors),
            waits: ::setl::__private::Cow::Borrowed(&__GRAPH.waits),
            order: ::setl::__private::Cow::Borrowed(&__ORDER.order),
            levels: ::setl::__private::Cow::Borrowed(&__ORDER.levels),
            defaults: ::setl::__private::Policy::NONE
                .retry(::setl::__private::Retry::times(2))
                .timeout(::setl::__private::Duration::from_secs(3600u64)),
        };
        const STEPS: &'static [::setl::__private::Step] = &::setl::__private::steps(
            __ENTRIES,
        );
        fn into_inputs(
            self,
        ) -> ::setl::__private::Vec<
            ::setl::__private::Option<::setl::__private::AnyPayload>,
        > {
            ::setl::__private::vec([
                ::setl::__private::payload::<__Input0>(self.flights),
                ::setl::__private::payload_if_any::<__Input1>(self.rates),
            ])
        }
        #[allow(unused_imports, reason = "one of them is enough")]
        fn fingerprints() -> ::setl::__private::Vec<
            ::setl::__private::Option<::setl::__private::FingerprintOf>,
        > {
            use ::setl::__private::{
                NotPrinted as _, PrintedByFrame as _, PrintedBySerde as _,
            };
            ::setl::__private::vec([
                (&&&::setl::__private::FingerprintProbe::<__Input0>::NEW)
                    .__setl_fingerprint_of(),
                (&&&::setl::__private::FingerprintProbe::<__Input1>::NEW)
                    .__setl_fingerprint_of(),
            ])
        }
    }
};
#[allow(dead_code, reason = "not every pipeline is inspected")]
impl Delays {
    /// Makes a run of this pipeline with its inputs: `.await` it.
    pub fn run(self) -> ::setl::__private::RunBuilder<Self> {
        ::setl::__private::RunBuilder::new(self)
    }
    /// Returns the plan: the parts of the pipeline and their links.
    pub fn plan() -> &'static ::setl::__private::Plan {
        <Self as ::setl::__private::PipelineItem>::PLAN
    }
    /// Draws the pipeline as a diagram, in Mermaid or DOT.
    pub fn diagram() -> ::setl::__private::Diagram<'static> {
        ::setl::__private::Diagram::of(Self::plan())
    }
    /// Describes the pipeline as text: stages, factories, and the source of each delivery.
    pub fn describe() -> ::setl::__private::String {
        ::setl::__private::describe(Self::plan())
    }
}
