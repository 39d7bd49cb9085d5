use super::*;

#[derive(Clone)]
struct Quick;

#[factory]
fn quick() -> Quick {
    Quick
}

#[factory]
async fn slow(latch: Latch) {
    latch.opened().await;
}

#[factory]
fn consumer(_quick: Quick, latch: Latch) {
    latch.open();
}

#[pipeline(extract(quick, slow), transform(consumer))]
struct Early {
    latch: Latch,
}

/// `slow` ends only because `consumer` starts before.
#[test]
fn a_consumer_starts_while_a_neighbour_of_its_producer_runs() {
    on_each_runtime(async || {
        let log = Log::default();
        Early { latch: Latch::default() }.run().observe(log.observer()).await.unwrap();
        log.assert_before(&started("consumer"), &finished("slow"));
        log.assert_before(&finished("quick"), &started("consumer"));
    });
}

#[derive(Clone)]
struct Slow;

#[factory]
async fn later() -> Slow {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    Slow
}

#[factory]
fn join(_quick: Quick, _slow: Slow) {}

#[pipeline(transform(join), extract(quick, later))]
struct FanIn;

/// Stages group; where the consumer is listed does not matter.
#[test]
fn a_consumer_waits_for_all_its_producers() {
    on_each_runtime(async || {
        let log = Log::default();
        FanIn.run().observe(log.observer()).await.unwrap();
        log.assert_before(&finished("quick"), &started("join"));
        log.assert_before(&finished("later"), &started("join"));
    });
}
