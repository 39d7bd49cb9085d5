struct Daily;
impl ::setl::__private::PipelineItem for Daily {
    const PLAN: &'static ::setl::__private::Plan = &::setl::__private::Plan::EMPTY;
    const STEPS: &'static [::setl::__private::Step] = &[];
    fn into_inputs(
        self,
    ) -> ::setl::__private::Vec<
        ::setl::__private::Option<::setl::__private::AnyPayload>,
    > {
        ::setl::__private::never()
    }
}
impl<__T, __Cure> ::setl::__private::HasExactlyOneProducerOf<__T, __Cure> for Daily {
    type Producer = ::setl::__private::AnyFactory;
    const SOURCE: ::setl::__private::Source = ::setl::__private::Source::Context;
}
impl<__T> ::setl::__private::ListsAt<__T, ::setl::__private::AnyFactory> for Daily {}
impl ::setl::__private::KeepsAt<::setl::__private::AnyFactory, true> for Daily {}
#[allow(dead_code, reason = "not every pipeline is inspected")]
impl Daily {
    /// Makes a run of this pipeline with its inputs: `.await` it.
    fn run(self) -> ::setl::__private::RunBuilder<Self> {
        ::setl::__private::RunBuilder::new(self)
    }
    /// Returns the plan: the parts of the pipeline and their links.
    fn plan() -> &'static ::setl::__private::Plan {
        <Self as ::setl::__private::PipelineItem>::PLAN
    }
    /// Draws the pipeline as a diagram, in Mermaid or DOT.
    fn diagram() -> ::setl::__private::Diagram<'static> {
        ::setl::__private::Diagram::of(Self::plan())
    }
    /// Describes the pipeline as text: stages, factories, and the source of each delivery.
    fn describe() -> ::setl::__private::String {
        ::setl::__private::describe(Self::plan())
    }
}
::core::compile_error! {
    "stage `extract` has no factories: list them in its parentheses, or remove the stage"
}
