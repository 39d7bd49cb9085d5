//! One value may be taken twice where that is said: by its producer, shared and by value, or with an id and without.

use std::sync::Arc;

use setl::prelude::*;

#[factory]
fn read_words() -> Vec<String> {
    vec!["tea".to_owned()]
}

#[factory(id = Yesterday)]
fn read_old_words() -> Vec<String> {
    Vec::new()
}

struct Yesterday;

#[factory]
fn diff(
    #[delivery(id = Yesterday)] before: Vec<String>,
    after: Vec<String>,
    #[delivery(shared)] shared: Arc<Vec<String>>,
    #[delivery(producer = read_words)] again: Vec<String>,
    now: Context,
    then: Context,
) -> usize {
    let _ = (now, then);
    before.len() + after.len() + shared.len() + again.len()
}

#[pipeline(extract(read_words, read_old_words), transform(diff))]
struct Daily;

#[tokio::main]
async fn main() -> Result<()> {
    assert_eq!(*Daily.run().await?.get::<diff>(), 3);
    Ok(())
}
