//! Factories that pipelines of another crate list.

use setl::prelude::*;

/// As a facade has it.
pub use setl;

/// The id of what was not cleaned yet.
pub struct Raw;

/// Names from somewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Names(pub Vec<String>);

/// A function factory, whose output has an id.
#[factory(id = Raw)]
pub fn read_names() -> Result<Names> {
    Ok(Names(vec![" ada ".to_owned()]))
}

/// A struct factory.
#[factory(output = Names)]
pub struct Clean {
    #[delivery(id = Raw)]
    names: Names,
}

impl Factory for Clean {
    async fn process(&mut self) -> Result<Names> {
        Ok(Names(self.names.0.iter().map(|name| name.trim().to_owned()).collect()))
    }
}

/// A generic factory.
#[factory(output = Vec<T>)]
pub struct Load<T: Clone> {
    #[delivery]
    first: T,
}

impl<T: Clone + Send + Sync + 'static> Factory for Load<T> {
    async fn process(&mut self) -> Result<Vec<T>> {
        Ok(vec![self.first.clone()])
    }
}

/// A generic function factory that delivers nothing.
#[factory]
pub fn discard<T: Clone>(_value: Vec<T>) {}

/// A generic factory that may be skipped.
#[factory(on_failure = skip, retry(times = 1, backoff = "1ms"))]
pub fn first<T: Clone>(values: Vec<T>) -> Result<T> {
    values.first().cloned().ok_or_else(|| setl::Error::msg("no values"))
}

/// A factory that another one stands in for, which is nobody else's business.
#[factory(on_failure = fallback(known_names))]
pub fn fetch_names(service: String) -> Result<Names> {
    Err(setl::Error::msg(service))
}

#[factory]
fn known_names(#[delivery(id = Raw)] names: Names) -> Names {
    names
}
