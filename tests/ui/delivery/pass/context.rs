use std::sync::Arc;

use setl::prelude::*;

#[factory]
fn name(context: Context) -> String {
    context.factory().to_owned()
}

#[factory(output = usize)]
struct Watched {
    #[delivery]
    context: setl::Context,
    #[delivery(shared)]
    again: Arc<Context>,
    #[delivery(optional)]
    maybe: Option<Context>,
}

impl Factory for Watched {
    async fn process(&mut self) -> Result<usize> {
        assert!(self.maybe.is_some());
        Ok(self.context.factory().len() + self.again.pipeline().len())
    }
}

#[pipeline(all(name, Watched))]
struct Daily;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = Daily.run().await?;
    assert_eq!((run.get::<name>().as_str(), *run.get::<Watched>()), ("name", 12));
    Ok(())
}
