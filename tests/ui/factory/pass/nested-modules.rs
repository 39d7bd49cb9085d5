use setl::prelude::*;

mod sales {
    pub(crate) mod read {
        use setl::prelude::*;

        #[factory]
        pub(crate) fn orders() -> Vec<u32> {
            vec![1, 2]
        }
    }

    pub(crate) mod total {
        #[derive(Clone)]
        pub(crate) struct Total(pub(crate) u32);

        #[setl::factory(output = Total)]
        pub(crate) struct Sum {
            #[setl::delivery(producer = super::read::orders)]
            orders: Vec<u32>,
        }

        impl setl::Factory for Sum {
            async fn process(&mut self) -> setl::Result<Total> {
                Ok(Total(self.orders.iter().sum()))
            }
        }
    }

    #[setl::pipeline(
        extract(self::read::orders),
        transform(super::sales::total::Sum),
    )]
    pub(crate) struct Daily;
}

fn within() -> &'static str {
    #[factory]
    fn local() -> u8 {
        1
    }

    #[factory(output = ())]
    struct Sink {
        #[delivery]
        _value: u8,
    }

    impl Factory for Sink {
        async fn process(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[pipeline(all(local, Sink))]
    struct Inner;

    &Inner::plan().pipeline
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = sales::Daily.run().await?;
    assert_eq!(run.get::<sales::total::Sum>().0, 3);
    assert_eq!(within(), "Inner");
    Ok(())
}
