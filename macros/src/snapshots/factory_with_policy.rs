struct FetchRates {
    settings: Settings,
    day: u8,
}
impl ::setl::__private::FactoryItem for FetchRates {
    const NAME: &'static ::setl::__private::str = "FetchRates";
    type Output = Rates;
    const DELIVERIES: &'static [::setl::__private::Delivery] = &[
        ::setl::__private::Delivery {
            name: "settings",
            type_name: "Settings",
            id: ::setl::__private::None,
            producer: ::setl::__private::None,
            optional: false,
            mode: ::setl::__private::DeliveryMode::Owned,
        },
        ::setl::__private::Delivery {
            name: "day",
            type_name: "u8",
            id: ::setl::__private::None,
            producer: ::setl::__private::None,
            optional: false,
            mode: ::setl::__private::DeliveryMode::Owned,
        },
    ];
    const CODE: ::setl::__private::u128 = 29962458629514086359614098256016641280u128;
    type Presence = ::setl::__private::Sometimes;
    type Deliveries = (Settings, u8);
    fn receive(
        inbox: &mut ::setl::__private::Inbox<'_>,
    ) -> ::setl::__private::Result<Self::Deliveries> {
        ::setl::__private::Ok((
            <::setl::__private::ByValue as ::setl::__private::TakeByValue<
                Settings,
            >>::take(inbox, 0usize)?,
            <::setl::__private::ByValue as ::setl::__private::TakeByValue<
                u8,
            >>::take(inbox, 1usize)?,
        ))
    }
    fn assemble((__0, __1): Self::Deliveries) -> Self {
        Self { settings: __0, day: __1 }
    }
    fn requirements() -> ::setl::__private::Vec<::setl::__private::Requirement> {
        ::setl::__private::vec([
            ::setl::__private::Requirement::new::<
                Settings,
                Settings,
            >(false, ::setl::__private::None),
            ::setl::__private::Requirement::new::<u8, u8>(false, ::setl::__private::None),
        ])
    }
    #[allow(unused_imports, reason = "one of each is enough")]
    fn abilities() -> ::setl::__private::Abilities<Self> {
        use ::setl::__private::{
            Inspectable as _, KeptByFrame as _, KeptBySerde as _, Lasting as _,
            NotKept as _, Opaque as _, Undoable as _,
        };
        ::setl::__private::Abilities {
            inspect: (&&::setl::__private::Probe::<Rates>::NEW).__setl_inspector(),
            undo: (&&::setl::__private::UndoProbe::<Self>::NEW).__setl_undo(),
            persistence: (&&&::setl::__private::Keep::<Rates>::NEW).__setl_persistence(),
        }
    }
    const POLICY: &'static ::setl::__private::Policy = &::setl::__private::Policy::NONE
        .retry(
            ::setl::__private::Retry::times(3)
                .backoff(
                    ::setl::__private::Duration::from_millis(100u64),
                    ::setl::__private::Duration::from_secs(10u64),
                )
                .factor(2f32)
                .jitter(false)
                .on({
                    let on: ::setl::__private::RetryIf = is_busy;
                    ::setl::__private::RetryOn::If(on)
                }),
        )
        .timeout(::setl::__private::Duration::from_secs(30u64))
        .total_timeout(::setl::__private::Duration::from_millis(90005u64))
        .on_failure(::setl::__private::OnFailure::Fallback)
        .conditional()
        .resource({
            let resource: &'static ::setl::__private::Resource = &RATES;
            resource
        })
        .volatile()
        .memory(2147483648u64);
    const FALLBACK: ::setl::__private::Option<::setl::__private::Fallback> = ::setl::__private::Some(
        ::setl::__private::Fallback::of::<CachedRates, Self, Rates>(),
    );
    #[allow(unused_variables, reason = "a condition on some of the deliveries")]
    fn is_due(
        __deliveries: &Self::Deliveries,
    ) -> ::setl::__private::Result<::setl::__private::bool> {
        let (settings, day) = __deliveries;
        ::setl::__private::is_due(settings.full && *day > 0)
    }
    #[allow(unused_imports, reason = "one of them is enough")]
    fn content() -> ::setl::__private::Option<::setl::__private::FingerprintOf> {
        use ::setl::__private::{
            NotPrinted as _, PrintedByFrame as _, PrintedBySerde as _,
        };
        ::setl::__private::Some(
            ::setl::__private::print::<
                Rates,
                _,
            >((&&&::setl::__private::FingerprintProbe::<Rates>::NEW).__setl_via()),
        )
    }
}
impl<ThePipeline> ::setl::__private::Produces<ThePipeline> for FetchRates {
    type Key = Rates;
    type ThisFactory = Self;
}
impl<ThePipeline> ::setl::__private::Wired<ThePipeline> for FetchRates
where
    ::setl::__private::TheWiring: ::setl::__private::Finds<Settings, ThePipeline>,
    ::setl::__private::TheWiring: ::setl::__private::Finds<u8, ThePipeline>,
    CachedRates: ::setl::__private::Wired<ThePipeline>,
{
    const FROM: &'static [::setl::__private::Source] = &[
        <::setl::__private::TheWiring as ::setl::__private::Finds<
            Settings,
            ThePipeline,
        >>::SOURCE,
        <::setl::__private::TheWiring as ::setl::__private::Finds<
            u8,
            ThePipeline,
        >>::SOURCE,
    ];
    const FALLBACK_FROM: &'static [::setl::__private::Source] = <CachedRates as ::setl::__private::Wired<
        ThePipeline,
    >>::FROM;
}
const _: ::setl::__private::Option<::setl::__private::Fallback> = <FetchRates as ::setl::__private::FactoryItem>::FALLBACK;
const _: () = {
    #[allow(unused_imports, reason = "it may be one of them")]
    use ::setl::__private::{IsNoResult as _, IsNoUnit as _};
    ::setl::__private::check_output(
        "FetchRates",
        false,
        <::setl::__private::IsResult<Rates>>::__SETL_IS_RESULT,
    );
    ::setl::__private::check_unit(
        "FetchRates",
        false,
        <::setl::__private::IsUnit<Rates>>::__SETL_IS_UNIT,
    )
};
