use super::*;

#[factory(output = A)]
struct Several {
    #[delivery]
    one: Context,
    #[delivery(shared)]
    two: Arc<Context>,
    #[delivery(optional)]
    three: Option<Context>,
}

impl Factory for Several {
    async fn process(&mut self) -> Result<A> {
        let three = self.three.as_ref().unwrap();
        assert_eq!(self.one.run_id(), self.two.run_id());
        assert_eq!(self.one.run_id(), three.run_id());
        for context in [&self.one, &self.two, three] {
            assert_eq!((context.pipeline(), context.factory()), ("Run", "Several"));
        }
        Ok(A(1))
    }
}

#[pipeline(only(Several))]
struct Run;

#[test]
fn the_context_is_delivered_in_every_way() {
    on_each_runtime(async || {
        Run.run().await.unwrap();
    });
}
