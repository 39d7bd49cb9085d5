//! `timeout` and `total_timeout`

use super::*;

#[derive(Clone, Default)]
struct Signals {
    begun: Calls,
    told: Calls,
    dropped: Calls,
}

struct CountsDrop(Calls);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.next();
    }
}

#[factory(timeout = "10s", retry(times = 1, backoff = "1s", jitter = false))]
async fn waits(signals: Signals) -> Result<()> {
    let _guard = CountsDrop(signals.dropped);
    signals.begun.next();
    std::future::pending().await
}

#[pipeline(only(waits))]
struct Waiting {
    signals: Signals,
}

#[tokio::test(start_paused = true)]
async fn what_waits_too_long_is_dropped_and_tried_again() {
    let (signals, begun) = (Signals::default(), tokio::time::Instant::now());
    let error = Waiting { signals: signals.clone() }.run().await.unwrap_err();
    assert_eq!(begun.elapsed(), 21 * SECOND);
    assert_eq!((signals.begun.count(), signals.dropped.count()), (2, 2));
    assert_eq!(
        error.full(),
        "pipeline `Waiting` failed

factory `waits` of stage `only` timed out in process after 2 attempts: it did not end within its timeout of 10s
  hint: find out what hangs, or give it longer: `timeout` of the factory or in the settings, for each attempt
"
    );
}

#[factory(timeout = "10s", total_timeout = "15s", retry(times = 9, backoff = "1s", jitter = false))]
async fn waits_in_all(signals: Signals) -> Result<()> {
    signals.begun.next();
    std::future::pending().await
}

#[pipeline(only(waits_in_all))]
struct InAll {
    signals: Signals,
}

#[tokio::test(start_paused = true)]
async fn all_attempts_together_are_bounded() {
    let (signals, begun) = (Signals::default(), tokio::time::Instant::now());
    let outcome = InAll { signals: signals.clone() }.run().outcome().await;
    assert_eq!((begun.elapsed(), signals.begun.count()), (15 * SECOND, 2));
    assert_eq!(
        outcome.failures()[0].to_string(),
        "factory `waits_in_all` of stage `only` timed out in process after 2 attempts: it did not end within its total \
         timeout of 15s"
    );
    assert_eq!(outcome.code(), 75);
}

#[factory(output = u32, blocking, timeout = "10s")]
struct Computes {
    #[delivery]
    signals: Signals,
    #[delivery]
    context: Context,
}

impl Factory for Computes {
    async fn process(&mut self) -> Result<u32> {
        self.signals.begun.next();
        while !self.context.is_cancelled() {
            std::thread::sleep(Duration::from_micros(50));
        }
        self.signals.told.next();
        Ok(42)
    }

    async fn write(&mut self, _output: &u32) -> Result<()> {
        unreachable!("its time is up")
    }
}

#[pipeline(only(Computes))]
struct Computing {
    signals: Signals,
}

/// It comes to a result even then, but too late to write it.
#[tokio::test(start_paused = true)]
async fn blocking_work_is_told_waited_for_and_counts_as_timed_out() {
    let (signals, begun) = (Signals::default(), tokio::time::Instant::now());
    let run = Computing { signals: signals.clone() }.run();
    let (error, ()) = tokio::join!(async { run.await.unwrap_err() }, async {
        until(|| signals.begun.count() == 1).await;
        // Time does not pass by itself while a thread is busy.
        tokio::time::advance(10 * SECOND).await;
    });
    assert_eq!(signals.told.count(), 1, "the run ends after its work");
    assert_eq!(begun.elapsed(), 10 * SECOND);
    assert!(matches!(error.failures()[0].cause, Cause::TimedOut(timed_out) if !timed_out.total));
    assert_eq!(error.failures()[0].phase, Phase::Process);
}

/// A time that is longer than there is time for.
#[tokio::test(start_paused = true)]
async fn a_timeout_may_be_for_ever() {
    #[factory]
    async fn answer() -> u32 {
        42
    }
    let forever = setl::policy::Policy::NONE.timeout(Duration::MAX).total_timeout(Duration::MAX);
    let pipeline =
        Pipeline::builder("ever").stage("only").factory::<answer>().defaults(forever).build().unwrap();
    assert_eq!(pipeline.run().await.unwrap().find::<answer>(), Some(&42));
}

#[factory(total_timeout = "1s")]
async fn total() -> u8 {
    1
}

#[pipeline(defaults(timeout = "10s"), only(total))]
struct Contradicting;

#[tokio::test]
async fn timeouts_that_contradict_each_other_do_not_start() {
    let expected = "one attempt may take 10s (`timeout`), but all of them together 1s (`total_timeout`); say both of the \
                    factory, or neither";
    let error = Contradicting.run().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("pipeline `Contradicting` cannot start:\n  factory `total`: {expected}")
    );

    let defaults = setl::policy::Policy::NONE.timeout(SECOND * 10);
    let made = Pipeline::builder("made").defaults(defaults).stage("only").factory::<total>().build().unwrap();
    assert!(made.run().await.unwrap_err().to_string().contains(expected));
}
