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
struct DefaultField;

#[test]
fn a_payload_that_nobody_got_may_panic_in_drop() {
    on_each_runtime(async || {
        let error = DefaultField.run().await.unwrap_err();
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
        assert_eq!(log.all().len(), 6);
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

/// An error that cannot be shown, or cannot be dropped.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Spite {
    Shown,
    Dropped,
}

impl std::fmt::Display for Spite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Spite::Shown => panic!("not for you"),
            Spite::Dropped => f.write_str("a bomb"),
        }
    }
}

impl std::error::Error for Spite {}

/// An error whose destructor may panic.
#[derive(Debug)]
struct Spiteful(Spite);

impl std::fmt::Display for Spiteful {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Spiteful {}

impl Drop for Spiteful {
    fn drop(&mut self) {
        if self.0 == Spite::Dropped && !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

#[factory(on_failure = skip, retry(times = 1, backoff = "1ms", on = any))]
fn skipped_in_spite(spite: Spite) -> Result<u8> {
    Err(Error::new(Spiteful(spite)))
}

#[factory(on_failure = fallback(stands_in))]
async fn replaced_in_spite(spite: Spite) -> Result<u16> {
    Err(Error::new(Spiteful(spite)).context("outside"))
}

#[factory]
fn stands_in() -> u16 {
    7
}

#[factory]
fn goes_on(#[delivery(optional)] one: Option<u8>, two: u16) -> u32 {
    u32::from(one.is_none()) + u32::from(two)
}

#[pipeline(first(skipped_in_spite, replaced_in_spite), then(goes_on))]
struct Spites {
    spite: Spite,
}

#[test]
fn an_error_that_panics_is_a_failure_of_its_factory() {
    for spite in [Spite::Shown, Spite::Dropped] {
        on_each_runtime(move || async move {
            let run = Spites { spite }.run().await.unwrap();
            assert_eq!(*run.get::<goes_on>(), 8);
            let note = run.entry("skipped_in_spite").unwrap().note.clone().unwrap();
            let text = if spite == Spite::Shown { "not for you" } else { "a bomb" };
            assert!(note.starts_with("it failed: ") && note.contains(text), "{note}");
            assert_eq!(
                run.entry("skipped_in_spite").unwrap().attempts,
                if spite == Spite::Shown { 1 } else { 2 }
            );
        });
    }
}

#[factory]
fn fails_in_spite(spite: Spite) -> Result<i8> {
    Err(Error::new(Spiteful(spite)))
}

#[pipeline(only(fails_in_spite, answers, consumes_nothing))]
struct Plain {
    spite: Spite,
}

#[factory]
fn answers() -> i16 {
    1
}

#[factory]
fn consumes_nothing(_answer: i16) {}

#[test]
fn an_error_that_cannot_be_shown_is_told_as_a_panic() {
    on_each_runtime(async || {
        let error = Plain { spite: Spite::Shown }.run().keep_going().await.unwrap_err();
        let failure = &error.failures()[0];
        assert_eq!(
            without_place(&failure.to_string()),
            "factory `fails_in_spite` of stage `only` panicked in process: not for you"
        );
        assert!(error.full().contains("not for you") && error.line().contains("not for you"));
    });
}

#[pipeline(#[sequential] only(delivers_a_bomb, unrelated))]
struct KeptBomb;

#[test]
fn a_kept_output_that_panics_in_drop_does_not_hide_the_error() {
    on_each_runtime(async || {
        let error = KeptBomb.run().await.unwrap_err();
        assert_eq!(error.failures()[0].factory, "unrelated");
        assert_eq!(statuses(&error), [("delivers_a_bomb", Status::Succeeded), ("unrelated", Status::Failed)]);
    });
}
