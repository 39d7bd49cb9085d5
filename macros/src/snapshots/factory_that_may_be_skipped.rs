#[allow(
    clippy::needless_pass_by_value,
    clippy::too_many_arguments,
    reason = "the parameters are deliveries"
)]
fn report<T: Row>((first, _): (T, T), rates: Option<Rates>) -> Result<T> {
    Ok(first)
}
#[allow(non_camel_case_types, reason = "stands for the function of the same name")]
struct report<T: Row> {
    deliveries: ::setl::__private::Option<((T, T), Option<Rates>)>,
    marker: ::setl::__private::PhantomData<fn() -> (*const T,)>,
}
impl<T: Row> ::setl::__private::FactoryItem for report<T>
where
    T: ::setl::__private::Payload,
{
    const NAME: &'static ::setl::__private::str = "report";
    type Output = T;
    const DELIVERIES: &'static [::setl::__private::Delivery] = &[
        ::setl::__private::Delivery {
            name: "0",
            type_name: "(T, T)",
            id: ::setl::__private::None,
            producer: ::setl::__private::None,
            optional: false,
            mode: ::setl::__private::DeliveryMode::Owned,
        },
        ::setl::__private::Delivery {
            name: "rates",
            type_name: "Option<Rates>",
            id: ::setl::__private::None,
            producer: ::setl::__private::None,
            optional: true,
            mode: ::setl::__private::DeliveryMode::Owned,
        },
    ];
    const CODE: ::setl::__private::u128 = 44262757206321397878607399163466490936u128;
    const BLOCKING: ::setl::__private::bool = true;
    const OUTPUT_IS_CHECKED: ::setl::__private::bool = false;
    type Presence = ::setl::__private::Sometimes;
    type Deliveries = ((T, T), Option<Rates>);
    fn receive(
        inbox: &mut ::setl::__private::Inbox<'_>,
    ) -> ::setl::__private::Result<Self::Deliveries> {
        ::setl::__private::Ok((
            <::setl::__private::ByGenericValue as ::setl::__private::TakeByValueGeneric<
                (T, T),
            >>::take(inbox, 0usize)?,
            <::setl::__private::ByValue as ::setl::__private::TakeByValue<
                Rates,
            >>::take_optional(inbox, 1usize)?,
        ))
    }
    fn assemble((__0, __1): Self::Deliveries) -> Self {
        Self {
            deliveries: ::setl::__private::Some((__0, __1)),
            marker: ::setl::__private::PhantomData,
        }
    }
    fn requirements() -> ::setl::__private::Vec<::setl::__private::Requirement> {
        ::setl::__private::vec([
            ::setl::__private::Requirement::new::<
                (T, T),
                (T, T),
            >(false, ::setl::__private::None),
            ::setl::__private::Requirement::new::<
                Rates,
                Rates,
            >(true, ::setl::__private::None),
        ])
    }
    #[allow(unused_imports, reason = "one of each is enough")]
    fn abilities() -> ::setl::__private::Abilities<Self> {
        use ::setl::__private::{
            Inspectable as _, KeptByFrame as _, KeptBySerde as _, Lasting as _,
            NotKept as _, Opaque as _, Undoable as _,
        };
        ::setl::__private::Abilities {
            inspect: (&&::setl::__private::Probe::<T>::NEW).__setl_inspector(),
            undo: (&&::setl::__private::UndoProbe::<Self>::NEW).__setl_undo(),
            persistence: ::setl::__private::Some(
                ::setl::__private::keep::<
                    T,
                    _,
                >((&&&::setl::__private::Keep::<T>::NEW).__setl_via()),
            ),
        }
    }
    const POLICY: &'static ::setl::__private::Policy = &::setl::__private::Policy::NONE
        .retry(::setl::__private::Retry::times(0))
        .on_failure(::setl::__private::OnFailure::Skip)
        .conditional()
        .checkpoint()
        .cache(
            ::setl::__private::Caching::DEFAULT
                .max_age(::setl::__private::Duration::from_secs(604800u64)),
        );
    #[allow(unused_variables, reason = "a condition on some of the deliveries")]
    fn is_due(
        __deliveries: &Self::Deliveries,
    ) -> ::setl::__private::Result<::setl::__private::bool> {
        let (_0, rates) = __deliveries;
        ::setl::__private::is_due(rates.is_some() || _0.is_due()?)
    }
}
impl<T: Row, ThePipeline> ::setl::__private::Produces<ThePipeline> for report<T>
where
    T: ::setl::__private::Payload,
{
    type Key = T;
    type ThisFactory = Self;
}
impl<T: Row, ThePipeline> ::setl::__private::Wired<ThePipeline> for report<T>
where
    T: ::setl::__private::Payload,
    ::setl::__private::TheWiring: ::setl::__private::Finds<(T, T), ThePipeline>,
    ::setl::__private::TheWiring: ::setl::__private::FindsOptional<
        Rates,
        Option<Rates>,
        ThePipeline,
    >,
{
    const FROM: &'static [::setl::__private::Source] = &[
        <::setl::__private::TheWiring as ::setl::__private::Finds<
            (T, T),
            ThePipeline,
        >>::SOURCE,
        <::setl::__private::TheWiring as ::setl::__private::FindsOptional<
            Rates,
            Option<Rates>,
            ThePipeline,
        >>::SOURCE,
    ];
}
impl<T: Row> ::setl::__private::Factory for report<T>
where
    T: ::setl::__private::Payload,
{
    #[allow(
        clippy::unit_arg,
        clippy::let_unit_value,
        reason = "the function may return nothing"
    )]
    async fn process(&mut self) -> ::setl::__private::Result<Self::Output> {
        let ::setl::__private::Some((__0, __1)) = ::setl::__private::Option::take(
            &mut self.deliveries,
        ) else {
            return ::setl::__private::Err(::setl::__private::processed_twice());
        };
        <Result<T> as ::setl::__private::Fallible>::into_result(report::<T>(__0, __1))
    }
}
