use super::*;

/// Panics when it is dropped.
#[derive(Default)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

#[factory(output = Orders)]
struct Armed {
    _bomb: Bomb,
}

impl Factory for Armed {
    async fn process(&mut self) -> Result<Orders> {
        Ok(Orders)
    }
}

#[pipeline(only(Armed, consume))]
struct Factories;

#[test]
fn a_factory_that_panics_in_drop_fails() {
    on_each_runtime(async || {
        let error = Factories.run().await.unwrap_err();
        assert_eq!(
            without_place(&error.failures()[0].to_string()),
            "factory `Armed` of stage `only` panicked in write: dropped"
        );
        assert_eq!(statuses(&error), [("Armed", Status::Failed), ("consume", Status::NotRun)]);
    });
}

#[factory]
async fn holds_a_bomb(latch: Latch) {
    let _bomb = Bomb;
    latch.open();
    std::future::pending().await
}

#[factory]
async fn fails(latch: Latch) -> Result<()> {
    latch.opened().await;
    Err(Error::msg("enough"))
}

#[pipeline(only(holds_a_bomb, fails))]
struct Dropping {
    latch: Latch,
}

#[test]
fn a_factory_may_panic_while_it_is_cancelled() {
    on_each_runtime(async || {
        let error = Dropping { latch: Latch::default() }.run().await.unwrap_err();
        assert_eq!(statuses(&error), [("holds_a_bomb", Status::Cancelled), ("fails", Status::Failed)]);
        assert_eq!(error.failures().len(), 1);
    });
}

#[factory]
async fn delivers_a_bomb() -> Bomb {
    Bomb
}

#[factory]
fn takes_it(#[delivery(shared)] bomb: Arc<Bomb>) {
    std::mem::forget(bomb);
}

#[factory]
fn takes_and_drops_it(#[delivery(shared)] _bomb: Arc<Bomb>) {}

#[pipeline(only(delivers_a_bomb, takes_and_drops_it))]
struct LastConsumer;

#[test]
fn a_payload_that_panics_in_drop_fails_its_last_consumer() {
    on_each_runtime(async || {
        let error = LastConsumer.run().await.unwrap_err();
        assert_eq!(
            statuses(&error),
            [("delivers_a_bomb", Status::Succeeded), ("takes_and_drops_it", Status::Failed)]
        );
    });
}

#[derive(Clone)]
struct Unrelated;

#[factory]
fn unrelated() -> Result<Unrelated> {
    Err(Error::msg("enough"))
}

#[factory]
fn takes_both(#[delivery(shared)] bomb: Arc<Bomb>, _other: Unrelated) {
    std::mem::forget(bomb);
}

#[pipeline(#[sequential] make(delivers_a_bomb, unrelated), take(takes_both))]
struct Undelivered;

#[test]
fn a_payload_that_nobody_got_may_panic_in_drop() {
    on_each_runtime(async || {
        let error = Undelivered.run().await.unwrap_err();
        assert_eq!(error.failures().len(), 1);
        assert_eq!(error.failures()[0].factory, "unrelated");
    });
}

#[factory]
fn panics_with_a_bomb() {
    std::panic::panic_any(Bomb)
}

#[factory]
async fn panics_with_a_bomb_too() {
    std::panic::panic_any(Bomb)
}

#[pipeline(one(panics_with_a_bomb), other(panics_with_a_bomb_too))]
struct Nested;

#[test]
fn what_a_panic_carries_may_panic_in_drop() {
    on_each_runtime(async || {
        let error = Nested.run().await.unwrap_err();
        assert!(!error.failures().is_empty());
        for failure in error.failures() {
            assert!(
                matches!(&failure.cause, Cause::Panic { message, .. } if message == "a panic without a message")
            );
        }
    });
}

#[pipeline(only(delivers_a_bomb, takes_it))]
struct Observed;

#[test]
fn an_observer_may_panic() {
    on_each_runtime(async || {
        let log = Log::default();
        let run = Observed.run().observe(|event| panic!("{event:?}")).observe(log.observer());
        let run = run.await.unwrap();
        assert!(run.entries().iter().all(|entry| entry.status == Status::Succeeded));
        assert_eq!(log.all().len(), 4);
    });
}

/// Panics when it is cloned.
struct Unique;

impl Clone for Unique {
    fn clone(&self) -> Self {
        panic!("cloned")
    }
}

#[factory]
fn unique() -> Unique {
    Unique
}

#[factory]
async fn clones(_unique: Unique) {}

#[factory]
fn clones_too(_unique: Unique) {}

#[pipeline(only(unique, clones, clones_too))]
struct Cloning;

#[test]
fn a_clone_may_panic() {
    on_each_runtime(async || {
        let error = Cloning.run().await.unwrap_err();
        let [failure] = error.failures() else { panic!("one failure in {error:?}") };
        assert_eq!((failure.phase, failure.stage.as_str()), (Phase::Assemble, "only"));
        assert!(matches!(&failure.cause, Cause::Panic { message, .. } if message == "cloned"));
    });
}

/// No factory takes the output of this one, and nobody keeps it.
#[test]
fn an_output_that_is_kept_belongs_to_the_caller() {
    on_each_runtime(async || {
        let builder = Pipeline::builder("bombs").stage("only").factory::<delivers_a_bomb>();
        let run = builder.build().unwrap().run().await.unwrap();
        assert!(run.find::<delivers_a_bomb>().is_some());
        std::mem::forget(run);
    });
}
