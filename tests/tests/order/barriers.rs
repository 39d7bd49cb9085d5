use super::*;

#[pipeline(
    #[barrier] one(first, second),
    two(third),
    #[barrier] three(fourth),
    four(fifth),
)]
struct Barriers;

fn check(log: &Log) {
    for before in ["first", "second"] {
        for after in ["third", "fourth", "fifth"] {
            log.assert_before(&finished(before), &started(after));
        }
    }
    // A barrier holds back until all stages before it have finished, not only its own.
    log.assert_before(&finished("third"), &started("fifth"));
    log.assert_before(&finished("fourth"), &started("fifth"));
}

#[test]
fn nothing_passes_a_barrier() {
    on_each_runtime(async || {
        let log = Log::default();
        Barriers.run().observe(log.observer()).await.unwrap();
        check(&log);
    });
}

#[test]
fn barriers_hold_under_a_bound() {
    on_each_runtime(async || {
        for bound in 1..=3 {
            let log = Log::default();
            Barriers.run().concurrency(bound).observe(log.observer()).await.unwrap();
            check(&log);
        }
    });
}

#[pipeline(one(first), #[barrier] two(second))]
struct AtTheEnd;

#[test]
fn a_barrier_may_be_last() {
    on_each_runtime(async || {
        let run = AtTheEnd.run().concurrency(1).await.unwrap();
        assert!(run.entries().iter().all(|entry| entry.status == Status::Succeeded));
    });
}
