/// How late carriers are.
struct CarrierDelays {
    flights: Dataset<Flight>,
    cache: Vec<u8>,
}
impl ::setl::__private::FactoryItem for CarrierDelays {
    const NAME: &'static ::setl::__private::str = "CarrierDelays";
    type Output = Delays;
    const DELIVERIES: &'static [::setl::__private::Delivery] = &[
        ::setl::__private::Delivery {
            name: "flights",
            type_name: "Dataset<Flight>",
            id: ::setl::__private::None,
            producer: ::setl::__private::None,
            optional: false,
            mode: ::setl::__private::DeliveryMode::Owned,
        },
    ];
    const CODE: ::setl::__private::u128 = 82339148129275642686254456401675035507u128;
    const ID: ::setl::__private::Option<&'static ::setl::__private::str> = ::setl::__private::Some(
        "Clean",
    );
    const BLOCKING: ::setl::__private::bool = true;
    type Presence = ::setl::__private::Always;
    type Deliveries = (Dataset<Flight>,);
    fn receive(
        inbox: &mut ::setl::__private::Inbox<'_>,
    ) -> ::setl::__private::Result<Self::Deliveries> {
        ::setl::__private::Ok((
            <::setl::__private::ByValue as ::setl::__private::TakeByValue<
                Dataset<Flight>,
            >>::take(inbox, 0usize)?,
        ))
    }
    fn assemble((__0,): Self::Deliveries) -> Self {
        Self {
            flights: __0,
            cache: <Vec<u8> as ::setl::__private::DefaultField>::initial(),
        }
    }
    fn requirements() -> ::setl::__private::Vec<::setl::__private::Requirement> {
        ::setl::__private::vec([
            ::setl::__private::Requirement::new::<
                Dataset<Flight>,
                Dataset<Flight>,
            >(false, ::setl::__private::None),
        ])
    }
    #[allow(unused_imports, reason = "one of each is enough")]
    fn abilities() -> ::setl::__private::Abilities<Self> {
        use ::setl::__private::{
            Inspectable as _, KeptByFrame as _, KeptBySerde as _, Lasting as _,
            NotKept as _, Opaque as _, Undoable as _,
        };
        ::setl::__private::Abilities {
            inspect: (&&::setl::__private::Probe::<Delays>::NEW).__setl_inspector(),
            undo: (&&::setl::__private::UndoProbe::<Self>::NEW).__setl_undo(),
            persistence: (&&&::setl::__private::Keep::<Delays>::NEW).__setl_persistence(),
        }
    }
}
impl<ThePipeline> ::setl::__private::Produces<ThePipeline> for CarrierDelays {
    type Key = ::setl::__private::WithId<Delays, Clean>;
    type ThisFactory = Self;
}
impl<ThePipeline> ::setl::__private::Wired<ThePipeline> for CarrierDelays
where
    ::setl::__private::TheWiring: ::setl::__private::Finds<Dataset<Flight>, ThePipeline>,
{
    const FROM: &'static [::setl::__private::Source] = &[
        <::setl::__private::TheWiring as ::setl::__private::Finds<
            Dataset<Flight>,
            ThePipeline,
        >>::SOURCE,
    ];
}
const _: () = {
    #[allow(unused_imports, reason = "it may be one of them")]
    use ::setl::__private::{IsNoResult as _, IsNoUnit as _};
    ::setl::__private::check_output(
        "CarrierDelays",
        false,
        <::setl::__private::IsResult<Delays>>::__SETL_IS_RESULT,
    );
    ::setl::__private::check_unit(
        "CarrierDelays",
        false,
        <::setl::__private::IsUnit<Delays>>::__SETL_IS_UNIT,
    )
};
const _: () = {
    #[doc(hidden)]
    #[must_use = "field `cache` of factory `CarrierDelays` is not a delivery, although this pipeline delivers `Vec<u8>`: write `#[delivery]` above it, or `#[delivery(default)]` if it is to start as its default"]
    pub struct NotADelivery0;
    #[allow(
        dead_code,
        private_interfaces,
        unreachable_pub,
        clippy::type_complexity,
        reason = "for pipelines that list it"
    )]
    impl CarrierDelays {
        #[doc(hidden)]
        pub fn __setl_fields() -> ::setl::__private::PhantomData<
            (Vec<u8>, NotADelivery0, ()),
        > {
            ::setl::__private::PhantomData
        }
    }
};
