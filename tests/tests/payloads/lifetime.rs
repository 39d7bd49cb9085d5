use super::*;

#[factory]
fn drops(parcel: Parcel) -> B {
    B(parcel.value)
}

#[factory]
fn looks(_b: B, books: Books) -> A {
    A(books.0.live() as u64)
}

#[pipeline(extract(make), use_it(drops), look(looks))]
struct Dropped {
    books: Books,
}

#[test]
fn a_payload_is_gone_when_its_last_consumer_has_finished() {
    on_each_runtime(async || {
        let (ledger, log) = (ledger(), Log::default());
        let seen = Arc::clone(&ledger);
        let lives = Log::<(String, usize)>::default();
        let at = lives.clone();
        let run = Dropped { books: Books(Arc::clone(&ledger)) }.run();
        let run = run.observe(log.observer()).observe(move |event| {
            if let setl::Event::Finished { factory, .. } = event {
                at.push(((*factory).to_owned(), seen.live()));
            }
        });
        assert_eq!(run.await.unwrap().get::<looks>(), &A(0));
        let expected = [("make", 1), ("drops", 0), ("looks", 0)];
        assert_eq!(lives.all(), expected.map(|(factory, live)| (factory.to_owned(), live)));
        log.assert_before(&finished("drops"), &started("looks"));
    });
}

/// A struct holds its deliveries to its end, but not beyond.
#[factory(output = B)]
struct Holds {
    #[delivery(shared)]
    parcel: Arc<Parcel>,
}

impl Factory for Holds {
    async fn process(&mut self) -> Result<B> {
        Ok(B(self.parcel.value))
    }

    async fn write(&mut self, _output: &B) -> Result<()> {
        assert_eq!(self.parcel.ledger().live(), 1);
        Ok(())
    }
}

#[pipeline(extract(make), use_it(Holds), look(looks))]
struct Held {
    books: Books,
}

#[test]
fn a_struct_drops_its_deliveries_before_others_start() {
    on_each_runtime(async || {
        let run = Held { books: Books(ledger()) }.run().await.unwrap();
        assert_eq!(run.get::<looks>(), &A(0));
    });
}
