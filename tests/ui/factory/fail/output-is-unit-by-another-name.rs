//! Mistake: `()` as an output is written with another name, so that the macro cannot know that it is `()`.

use setl::prelude::*;

type Nothing = ();
type DbResult<E, T> = std::result::Result<T, E>;

#[factory]
fn publish() -> Nothing {}

#[factory]
fn save() -> DbResult<std::fmt::Error, ()> {
    Ok(())
}

#[factory(output = Nothing)]
struct Report;

impl Factory for Report {
    async fn process(&mut self) -> Result<()> {
        Ok(())
    }
}

#[factory]
fn generic<T>() -> T {
    unimplemented!()
}

#[pipeline(load(generic<()>))]
struct Daily;

fn main() {}
