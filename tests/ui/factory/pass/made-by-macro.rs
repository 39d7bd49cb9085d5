use setl::prelude::*;

macro_rules! reader {
    ($name:ident: $ty:ty = $value:expr) => {
        #[factory]
        fn $name() -> $ty {
            $value
        }
    };
    ($name:ident($($delivery:ident: $from:ty),*) -> $ty:ty { $($body:tt)* }) => {
        #[factory(output = $ty)]
        struct $name {
            $(#[delivery] $delivery: $from,)*
            count: usize,
        }

        impl Factory for $name {
            async fn process(&mut self) -> Result<$ty> {
                self.count += 1;
                let Self { $($delivery,)* .. } = self;
                $($body)*
            }
        }
    };
}

macro_rules! pipelines {
    ($($name:ident: $input:ty => $($factory:ty),*;)*) => {
        $(
            #[pipeline(all($($factory),*))]
            struct $name {
                input: $input,
                #[delivery(optional)]
                maybe: Option<i64>,
            }
        )*
    };
}

reader!(read_byte: u8 = 1);
reader!(read_all: Result<Vec<u8>> = Ok(vec![1, 2]));
reader!(Add(byte: u8, all: Vec<u8>, input: u64) -> u64 { Ok(u64::from(*byte) + all.len() as u64 + *input) });

macro_rules! optional {
    ($ty:ty) => {
        #[factory]
        fn maybe(#[delivery(optional)] value: $ty) -> bool {
            value.is_some()
        }
    };
}

optional!(Option<i64>);

#[factory]
fn show(#[delivery(producer = Add)] _sum: u64) {}

pipelines! {
    Daily: u32 => read_byte, read_all, Widen, Sum, maybe;
}

reader!(Widen(input: u32) -> u64 { Ok(u64::from(*input)) });
reader!(Sum(byte: u8, all: Vec<u8>, input: u64) -> u128 { Ok(u128::from(*byte) + all.len() as u128 + u128::from(*input)) });

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = Daily { input: 10, maybe: None }.run().await?;
    assert_eq!(*run.get::<Sum>(), 13);
    assert!(!*run.get::<maybe>());
    Ok(())
}
