use super::*;

fn check(error: &RunError, factory: &str, script: Script) {
    let [failure] = error.failures() else { panic!("one failure in {error:?}") };
    assert_eq!((&*failure.stage, &*failure.factory, failure.phase), ("extract", factory, script.phase));
    match (&failure.cause, script.fault) {
        (Cause::Error(error), Fault::Error) => {
            assert_eq!(format!("{error:#}"), "cannot load orders: no such table");
        }
        (Cause::Panic { message, location, .. }, Fault::Panic) => {
            assert_eq!(message, "index 7 is out of bounds");
            assert!(
                location.as_deref().unwrap().starts_with("tests/tests/failures/main.rs:"),
                "{location:?}"
            );
        }
        (cause, fault) => panic!("{cause:?} for {fault:?}"),
    }
    assert_eq!(statuses(error), [(factory, Status::Failed), ("consume", Status::NotRun)]);
    assert!(!error.is_cancelled());
}

#[test]
fn every_fault_in_every_phase_is_told_of() {
    on_each_runtime(async || {
        for phase in [Phase::Read, Phase::Process, Phase::Write] {
            for fault in [Fault::Error, Fault::Panic] {
                for late in [false, true] {
                    let script = Script { phase, fault, late };
                    let log = Log::default();
                    let run = Daily { script }.run().observe(log.observer());
                    check(&run.await.unwrap_err(), "Faulty", script);
                    let events = [started("Faulty"), failed("Faulty"), not_run("consume", Some("Faulty"))];
                    assert_eq!(log.all(), of_run(2, events, RunStatus::Failed));
                    let run = DailyBlocking { script }.run().concurrency(1);
                    check(&run.await.unwrap_err(), "FaultyBlocking", script);
                }
            }
        }
    });
}

#[factory]
fn divide() -> Result<Orders> {
    "a".parse::<i32>()?;
    Ok(Orders)
}

#[factory]
async fn explode() -> u8 {
    std::panic::panic_any(1u8)
}

#[pipeline(#[sequential] only(divide, explode))]
struct First;

#[pipeline(only(explode))]
struct Exploding;

#[test]
fn functions_fail_in_process() {
    on_each_runtime(async || {
        let error = First.run().await.unwrap_err();
        assert_eq!(statuses(&error), [("divide", Status::Failed), ("explode", Status::NotRun)]);
        assert_eq!(error.failures()[0].phase, Phase::Process);
        assert_eq!(
            format!("{:#}", Error::from(error)),
            "pipeline `First` failed: factory `divide` of stage `only` failed in process: \
             invalid digit found in string"
        );
    });
}

#[test]
fn a_panic_without_a_text() {
    on_each_runtime(async || {
        let error = Exploding.run().await.unwrap_err();
        assert_eq!(
            without_place(&format!("{:#}", Error::from(error))),
            "pipeline `Exploding` failed: factory `explode` of stage `only` panicked in process: \
             a panic without a message"
        );
    });
}

#[test]
fn the_whole_chain_of_causes_is_told() {
    on_each_runtime(async || {
        let script = Script { phase: Phase::Write, fault: Fault::Error, late: true };
        let error = Error::from(Daily { script }.run().await.unwrap_err());
        assert_eq!(
            format!("{error:?}").split("\n\nStack backtrace").next().unwrap(),
            "pipeline `Daily` failed\n\nCaused by:\n    \
             0: factory `Faulty` of stage `extract` failed in write\n    \
             1: cannot load orders\n    \
             2: no such table"
        );
        let script = Script { fault: Fault::Panic, ..script };
        let error = Error::from(Daily { script }.run().await.unwrap_err());
        assert_eq!(
            without_place(&format!("{error:#}")),
            "pipeline `Daily` failed: factory `Faulty` of stage `extract` panicked in write: \
             index 7 is out of bounds"
        );
    });
}

#[derive(Clone)]
struct Together(Arc<std::sync::Barrier>);

#[factory]
fn one(together: Together) -> Result<()> {
    together.0.wait();
    Err(Error::msg("left"))
}

#[factory]
fn other(together: Together) {
    together.0.wait();
    panic!("right")
}

#[pipeline(both(one, other))]
struct Twice {
    together: Together,
}

#[test]
fn both_of_two_failures_are_told_of() {
    on_each_runtime(async || {
        let error =
            Twice { together: Together(Arc::new(std::sync::Barrier::new(2))) }.run().await.unwrap_err();
        let mut failures: Vec<_> = error
            .failures()
            .iter()
            .map(|failure| failure.to_string().split(" (tests").next().unwrap().to_owned())
            .collect();
        failures.sort();
        assert_eq!(
            failures,
            [
                "factory `one` of stage `both` failed in process",
                "factory `other` of stage `both` panicked in process: right"
            ]
        );
        let text = error.to_string();
        let order = if error.failures()[0].factory == "one" { "`one`, `other`" } else { "`other`, `one`" };
        assert_eq!(text, format!("pipeline `Twice` failed in 2 factories ({order})"));
    });
}
