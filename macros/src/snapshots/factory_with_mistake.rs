struct Count {
    names: Vec<String>,
}
impl ::setl::__private::FactoryItem for Count {
    const NAME: &'static ::setl::__private::str = "Count";
    type Output = usize;
    const DELIVERIES: &'static [::setl::__private::Delivery] = &[];
    type Presence = ::setl::__private::Always;
    type Deliveries = ();
    fn receive(_: &mut ::setl::__private::Inbox<'_>) -> ::setl::__private::Result<()> {
        ::setl::__private::Ok(())
    }
    fn assemble((): ()) -> Self {
        ::setl::__private::never()
    }
    fn requirements() -> ::setl::__private::Vec<::setl::__private::Requirement> {
        ::setl::__private::never()
    }
    fn abilities() -> ::setl::__private::Abilities<Self> {
        ::setl::__private::never()
    }
}
impl<ThePipeline> ::setl::__private::Produces<ThePipeline> for Count {
    type Key = usize;
    type ThisFactory = Self;
}
impl<ThePipeline> ::setl::__private::Wired<ThePipeline> for Count {
    const FROM: &'static [::setl::__private::Source] = &[];
}
::core::compile_error! {
    "a shared delivery must have the type `Arc<...>`, found `Vec<String>`: write `Arc<Vec<String>>`, or remove `shared` to get a clone"
}
