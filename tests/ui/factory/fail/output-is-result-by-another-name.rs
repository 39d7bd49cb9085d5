use setl::prelude::*;

type Outcome<T> = std::result::Result<T, std::fmt::Error>;
type LoadResult = std::result::Result<u16, std::fmt::Error>;

#[factory]
fn read_orders() -> Outcome<u8> {
    Err(std::fmt::Error)
}

#[factory]
fn load() -> LoadResult {
    Err(std::fmt::Error)
}

#[factory(output = Outcome<u32>)]
struct Count;

impl Factory for Count {
    async fn process(&mut self) -> Result<Outcome<u32>> {
        Ok(Err(std::fmt::Error))
    }
}

#[factory]
fn generic<T>() -> T {
    unimplemented!()
}

#[pipeline(extract(generic<Outcome<u64>>))]
struct Daily;

fn main() {}
