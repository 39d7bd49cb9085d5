//! Runs that are ended from outside: a deadline, a token, a future that is dropped.

use super::*;

#[derive(Clone, Default)]
struct Signals {
    begun: Latch,
    go_on: Latch,
}

#[derive(Clone)]
struct First;

#[factory]
async fn first() -> First {
    First
}

#[factory]
async fn waits(_first: First, signals: Signals) {
    signals.begun.open();
    std::future::pending().await
}

#[pipeline(a(first), b(waits))]
struct Waiting {
    signals: Signals,
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_at_its_deadline() {
    let begun = tokio::time::Instant::now();
    let outcome = Waiting { signals: Signals::default() }.run().deadline(90 * SECOND).outcome().await;
    assert_eq!(begun.elapsed(), 90 * SECOND);
    assert_eq!(statuses(&outcome), [("first", Status::Succeeded), ("waits", Status::Cancelled)]);
    assert_eq!(
        outcome.error().unwrap().full(),
        "pipeline `Waiting` was not done within 1m 30s: 1 of 2 factories were

1 factory did not run or was stopped, since the run ended
"
    );
    assert_eq!(outcome.code(), 124);
}

#[factory]
fn works(context: Context, signals: Signals) -> Result<()> {
    signals.begun.open();
    signals.go_on.block();
    assert!(context.is_cancelled());
    Err(Error::msg("told to end"))
}

#[pipeline(only(works))]
struct Working {
    signals: Signals,
}

/// What comes first counts, also if the run takes longer to end than its deadline.
#[tokio::test(start_paused = true)]
async fn a_run_that_was_cancelled_does_not_miss_its_deadline() {
    let (signals, token) = (Signals::default(), CancellationToken::new());
    let run = Working { signals: signals.clone() }.run();
    let run = run.cancel_on(token.clone()).deadline(90 * SECOND);
    let (outcome, ()) = tokio::join!(run.outcome(), async {
        signals.begun.opened().await;
        token.cancel();
        tokio::time::advance(100 * SECOND).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        signals.go_on.open();
    });
    assert!(outcome.error().unwrap().is_cancelled(), "{outcome:?}");
    assert_eq!(outcome.failures().len(), 1, "what was told to end says so with an error");
}

/// Says where it waits, and waits there.
#[factory(output = First, retry(times = 1, backoff = "1h", jitter = false), resource = BUSY)]
struct Waits {
    #[delivery]
    at: At,
    #[delivery]
    signals: Signals,
}

static BUSY: Resource = Resource::new("busy").max_concurrent(1);

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Permit,
    Read,
    Process,
    Blocking,
    Write,
    Backoff,
}

impl Waits {
    async fn wait(&self, at: At) {
        if self.at == at {
            self.signals.begun.open();
            std::future::pending().await
        }
    }
}

impl Factory for Waits {
    async fn read(&mut self) -> Result<()> {
        self.wait(At::Read).await;
        Ok(())
    }

    async fn process(&mut self) -> Result<First> {
        self.wait(At::Process).await;
        if self.at == At::Blocking {
            let signals = self.signals.clone();
            setl::blocking(move || {
                signals.begun.open();
                signals.go_on.block();
            })
            .await;
        }
        if self.at == At::Backoff {
            return Err(lost());
        }
        Ok(First)
    }

    async fn write(&mut self, _output: &First) -> Result<()> {
        self.wait(At::Write).await;
        Ok(())
    }
}

#[pipeline(a(Waits), b(waits))]
struct Everywhere {
    at: At,
    signals: Signals,
}

#[tokio::test]
async fn a_run_is_cancelled_wherever_it_waits() {
    for at in [At::Permit, At::Read, At::Process, At::Blocking, At::Write, At::Backoff] {
        let (signals, token) = (Signals::default(), CancellationToken::new());
        let resources = setl::policy::Resources::default();
        let taken = if at == At::Permit { Some(resources.enter(&BUSY).await.unwrap()) } else { None };
        let begun = signals.begun.clone();
        let run =
            Everywhere { at, signals: signals.clone() }.run().cancel_on(token.clone()).resources(resources);
        let run = run.observe(move |event| {
            let at_start = at == At::Permit && matches!(event, Event::Started { .. });
            if at_start || matches!(event, Event::Retrying { .. }) {
                begun.open();
            }
        });
        let (outcome, ()) = tokio::join!(run.outcome(), async {
            signals.begun.opened().await;
            token.cancel();
            signals.go_on.open();
        });
        assert_eq!(outcome.code(), 130, "{at:?}");
        assert_eq!(statuses(&outcome), [("Waits", Status::Cancelled), ("waits", Status::NotRun)], "{at:?}");
        drop(taken);
    }
}

#[factory(retry(times = 5, backoff = "1s", jitter = false))]
async fn third_time(calls: Calls, signals: Signals) -> Result<()> {
    calls.fail(2)?;
    signals.begun.open();
    std::future::pending().await
}

#[pipeline(only(third_time))]
struct ThirdTime {
    calls: Calls,
    signals: Signals,
}

#[tokio::test(start_paused = true)]
async fn the_attempts_before_a_cancellation_are_counted() {
    let (signals, token) = (Signals::default(), CancellationToken::new());
    let run = ThirdTime { calls: Calls::default(), signals: signals.clone() }.run().cancel_on(token.clone());
    let (outcome, ()) = tokio::join!(run.outcome(), async {
        signals.begun.opened().await;
        token.cancel();
    });
    assert_eq!(outcome.report().unwrap().entry("third_time").unwrap().attempts, 3);
}

#[factory(on_failure = fallback(instead))]
fn gives_up(signals: Signals, context: Context) -> Result<u32> {
    signals.begun.open();
    while !context.is_cancelled() {
        std::thread::yield_now();
    }
    Err(Error::msg("told to end"))
}

#[factory]
async fn instead(calls: Calls) -> u32 {
    calls.next()
}

#[pipeline(only(gives_up))]
struct GivesUp {
    signals: Signals,
    calls: Calls,
}

#[tokio::test]
async fn nobody_stands_in_once_the_run_is_to_end() {
    let (signals, calls, token) = (Signals::default(), Calls::default(), CancellationToken::new());
    let run = GivesUp { signals: signals.clone(), calls: calls.clone() }.run().cancel_on(token.clone());
    let (outcome, ()) = tokio::join!(run.outcome(), async {
        signals.begun.opened().await;
        token.cancel();
    });
    assert_eq!((outcome.code(), calls.count()), (130, 0));
}
