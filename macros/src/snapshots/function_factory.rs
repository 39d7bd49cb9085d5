/// Reads.
#[allow(
    clippy::needless_pass_by_value,
    clippy::too_many_arguments,
    reason = "the parameters are deliveries"
)]
pub async fn read_flights<T: Row>(
    source: Repository<T>,
    limit: usize,
) -> Result<Dataset<T>> {
    source.load(limit).await
}
/// Reads.
#[allow(non_camel_case_types, reason = "stands for the function of the same name")]
pub struct read_flights<T: Row> {
    deliveries: ::setl::__private::Option<(Repository<T>, usize)>,
    marker: ::setl::__private::PhantomData<fn() -> (*const T,)>,
}
impl<T: Row> ::setl::__private::FactoryItem for read_flights<T>
where
    T: ::setl::__private::Payload,
{
    const NAME: &'static ::setl::__private::str = "read_flights";
    type Output = Dataset<T>;
    const DELIVERIES: &'static [::setl::__private::Delivery] = &[
        ::setl::__private::Delivery {
            name: "source",
            type_name: "Repository<T>",
            id: ::setl::__private::None,
            producer: ::setl::__private::None,
            optional: false,
            mode: ::setl::__private::DeliveryMode::Owned,
        },
        ::setl::__private::Delivery {
            name: "limit",
            type_name: "usize",
            id: ::setl::__private::None,
            producer: ::setl::__private::None,
            optional: false,
            mode: ::setl::__private::DeliveryMode::Owned,
        },
    ];
    const CODE: ::setl::__private::u128 = 183016529280881147413837213343937641492u128;
    const OUTPUT_IS_CHECKED: ::setl::__private::bool = false;
    type Presence = ::setl::__private::Always;
    type Deliveries = (Repository<T>, usize);
    fn receive(
        inbox: &mut ::setl::__private::Inbox<'_>,
    ) -> ::setl::__private::Result<Self::Deliveries> {
        ::setl::__private::Ok((
            <::setl::__private::ByGenericValue as ::setl::__private::TakeByValueGeneric<
                Repository<T>,
            >>::take(inbox, 0usize)?,
            <::setl::__private::ByValue as ::setl::__private::TakeByValue<
                usize,
            >>::take(inbox, 1usize)?,
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
                Repository<T>,
                Repository<T>,
            >(false, ::setl::__private::None),
            ::setl::__private::Requirement::new::<
                usize,
                usize,
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
            inspect: (&&::setl::__private::Probe::<Dataset<T>>::NEW).__setl_inspector(),
            undo: (&&::setl::__private::UndoProbe::<Self>::NEW).__setl_undo(),
            persistence: (&&&::setl::__private::Keep::<Dataset<T>>::NEW)
                .__setl_persistence(),
        }
    }
}
impl<T: Row, ThePipeline> ::setl::__private::Produces<ThePipeline> for read_flights<T>
where
    T: ::setl::__private::Payload,
{
    type Key = Dataset<T>;
    type ThisFactory = Self;
}
impl<T: Row, ThePipeline> ::setl::__private::Wired<ThePipeline> for read_flights<T>
where
    T: ::setl::__private::Payload,
    ::setl::__private::TheWiring: ::setl::__private::Finds<Repository<T>, ThePipeline>,
    ::setl::__private::TheWiring: ::setl::__private::Finds<usize, ThePipeline>,
{
    const FROM: &'static [::setl::__private::Source] = &[
        <::setl::__private::TheWiring as ::setl::__private::Finds<
            Repository<T>,
            ThePipeline,
        >>::SOURCE,
        <::setl::__private::TheWiring as ::setl::__private::Finds<
            usize,
            ThePipeline,
        >>::SOURCE,
    ];
}
impl<T: Row> ::setl::__private::Factory for read_flights<T>
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
        <Result<
            Dataset<T>,
        > as ::setl::__private::Fallible>::into_result(read_flights::<T>(__0, __1).await)
    }
}
