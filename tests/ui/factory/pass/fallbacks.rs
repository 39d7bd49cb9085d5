//! Fallbacks with deliveries of their own, of generic factories, of another crate, and by path.

use elsewhere::{Names, Raw, fetch_names};
use setl::prelude::*;

#[factory(output = Vec<T>, on_failure = fallback(Stored<T>))]
struct Load<T: Clone> {
    #[delivery]
    first: T,
}

impl<T: Clone + Send + Sync + 'static> Factory for Load<T> {
    async fn process(&mut self) -> Result<Vec<T>> {
        Ok(vec![self.first.clone()])
    }
}

#[factory(output = Vec<T>)]
struct Stored<T: Clone> {
    #[delivery(shared)]
    first: std::sync::Arc<T>,
    context: Option<u8>,
}

impl<T: Clone + Send + Sync + 'static> Factory for Stored<T> {
    async fn process(&mut self) -> Result<Vec<T>> {
        assert!(self.context.is_none());
        Ok(vec![(*self.first).clone()])
    }
}

mod inner {
    use setl::prelude::*;

    /// Its fallback takes what it takes itself, and more, under ids and from a certain producer.
    #[factory(id = super::Raw, on_failure = fallback(deep::names_of_file))]
    pub async fn names_of_service(url: String) -> Result<super::Names> {
        Err(setl::Error::msg(url))
    }

    pub mod deep {
        use setl::prelude::*;

        #[factory]
        pub(super) fn names_of_file(
            url: String,
            #[delivery(producer = crate::Load<u8>)] bytes: Vec<u8>,
            #[delivery(optional)] limit: Option<u64>,
            context: Context,
        ) -> crate::Names {
            crate::Names(vec![url, context.factory().to_owned(), format!("{bytes:?} {limit:?}")])
        }
    }
}

#[factory]
fn count(names: Names, bytes: Vec<u8>) -> usize {
    names.0.len() + bytes.len()
}

#[pipeline(extract(Load<u8>, inner::names_of_service, fetch_names), transform(count))]
struct Daily {
    byte: u8,
    url: String,
    #[delivery(optional)]
    limit: Option<u64>,
}

fn main() {
    let _ = Daily { byte: 1, url: String::new(), limit: None };
    let fallbacks: Vec<_> =
        Daily::plan().factories.iter().map(|node| node.fallback.as_ref().map(|fallback| fallback.name)).collect();
    assert_eq!(fallbacks, [Some("Stored"), Some("names_of_file"), Some("known_names"), None]);
}
