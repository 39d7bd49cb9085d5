use super::*;

#[pipeline(#[sequential] all(first, second, third, fourth, fifth))]
struct Sequence;

#[test]
fn a_sequential_stage_runs_in_the_listed_order() {
    on_each_runtime(async || {
        let log = Log::default();
        Sequence.run().observe(log.observer()).await.unwrap();
        let names = ["first", "second", "third", "fourth", "fifth"];
        let expected: Vec<_> = names.iter().flat_map(|name| [started(name), finished(name)]).collect();
        assert_eq!(log.all(), of_run(5, expected, RunStatus::Succeeded));
    });
}

#[factory]
async fn outside(latch: Latch) {
    latch.opened().await;
}

#[factory]
fn opens(latch: Latch) {
    latch.open();
}

#[pipeline(free(outside), #[sequential] row(third, opens))]
struct Beside {
    latch: Latch,
}

/// A sequential stage is not a barrier.
#[test]
fn other_stages_run_beside_a_sequential_one() {
    on_each_runtime(async || {
        let log = Log::default();
        Beside { latch: Latch::default() }.run().observe(log.observer()).await.unwrap();
        log.assert_before(&finished("third"), &started("opens"));
        log.assert_before(&started("opens"), &finished("outside"));
    });
}
