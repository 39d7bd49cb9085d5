#[allow(
    clippy::needless_pass_by_value,
    clippy::too_many_arguments,
    reason = "the parameters are deliveries"
)]
fn take(flights: Dataset<Flight>) {}
#[allow(non_camel_case_types, reason = "stands for the function of the same name")]
struct take {
    deliveries: ::setl::__private::Option<(Dataset<Flight>,)>,
    marker: ::setl::__private::PhantomData<fn() -> ()>,
}
impl ::setl::__private::FactoryItem for take {
    const NAME: &'static ::setl::__private::str = "take";
    type Output = ();
    const DELIVERIES: &'static [::setl::__private::Delivery] = &[
        ::setl::__private::Delivery {
            name: "flights",
            type_name: "Dataset<Flight>",
            id: ::setl::__private::None,
            producer: ::setl::__private::None,
            optional: false,
            mode: ::setl::__private::DeliveryMode::Loaded,
        },
    ];
    const CODE: ::setl::__private::u128 = 73879275568590947948402066961119422317u128;
    const BLOCKING: ::setl::__private::bool = true;
    type Presence = ::setl::__private::Always;
    type Deliveries = (Dataset<Flight>,);
    fn receive(
        inbox: &mut ::setl::__private::Inbox<'_>,
    ) -> ::setl::__private::Result<Self::Deliveries> {
        ::setl::__private::Ok((
            <Dataset<
                Flight,
            > as ::setl::__private::Loadable>::load(
                inbox,
                0usize,
                ::setl::__private::Some(::setl::__private::Into::into(late())),
            )?,
        ))
    }
    fn assemble((__0,): Self::Deliveries) -> Self {
        Self {
            deliveries: ::setl::__private::Some((__0,)),
            marker: ::setl::__private::PhantomData,
        }
    }
    fn requirements() -> ::setl::__private::Vec<::setl::__private::Requirement> {
        ::setl::__private::vec([
            <Dataset<
                Flight,
            > as ::setl::__private::Loadable>::requirement(
                false,
                ::setl::__private::None,
            ),
        ])
    }
    #[allow(unused_imports, reason = "one of each is enough")]
    fn abilities() -> ::setl::__private::Abilities<Self> {
        use ::setl::__private::{
            Inspectable as _, KeptByFrame as _, KeptBySerde as _, Lasting as _,
            NotKept as _, Opaque as _, Undoable as _,
        };
        ::setl::__private::Abilities {
            inspect: (&&::setl::__private::Probe::<()>::NEW).__setl_inspector(),
            undo: (&&::setl::__private::UndoProbe::<Self>::NEW).__setl_undo(),
            persistence: (&&&::setl::__private::Keep::<()>::NEW).__setl_persistence(),
        }
    }
}
impl<ThePipeline> ::setl::__private::Produces<ThePipeline> for take {
    type Key = ::setl::__private::NoOutput<Self>;
    type ThisFactory = Self;
}
impl<ThePipeline> ::setl::__private::Wired<ThePipeline> for take
where
    ::setl::__private::TheWiring: ::setl::__private::FindsSourceOf<
        Dataset<Flight>,
        ThePipeline,
    >,
{
    const FROM: &'static [::setl::__private::Source] = &[
        <::setl::__private::TheWiring as ::setl::__private::FindsSourceOf<
            Dataset<Flight>,
            ThePipeline,
        >>::SOURCE,
    ];
}
impl ::setl::__private::Factory for take {
    #[allow(
        clippy::unit_arg,
        clippy::let_unit_value,
        reason = "the function may return nothing"
    )]
    async fn process(&mut self) -> ::setl::__private::Result<Self::Output> {
        let ::setl::__private::Some((__0,)) = ::setl::__private::Option::take(
            &mut self.deliveries,
        ) else {
            return ::setl::__private::Err(::setl::__private::processed_twice());
        };
        ::setl::__private::Ok(take(__0))
    }
}
