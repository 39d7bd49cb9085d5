use super::*;

#[derive(Clone, Default)]
struct Signals {
    waits: Latch,
    works: Latch,
    dropped: Latch,
    worked: Latch,
}

#[factory]
async fn waits(signals: Signals) -> Orders {
    let _guard = signals.dropped.on_drop();
    signals.waits.open();
    std::future::pending().await
}

#[factory]
fn works(signals: Signals, context: Context) {
    signals.works.open();
    while !context.is_cancelled() {
        std::thread::yield_now();
    }
    std::thread::yield_now();
    signals.worked.open();
}

#[factory]
async fn fails(signals: Signals) -> Result<()> {
    signals.waits.opened().await;
    signals.works.opened().await;
    Err(Error::msg("enough"))
}

#[pipeline(all(waits, works, fails), later(consume))]
struct Failing {
    signals: Signals,
}

#[test]
fn the_first_failure_ends_the_run() {
    on_each_runtime(async || {
        let (signals, log) = (Signals::default(), Log::default());
        let run = Failing { signals: signals.clone() }.run().observe(log.observer());
        let error = run.await.unwrap_err();
        assert!(signals.dropped.is_open(), "async work is dropped where it waits");
        assert!(signals.worked.is_open(), "blocking work is waited for");
        assert_eq!(
            statuses(&error),
            [
                ("waits", Status::Cancelled),
                ("works", Status::Cancelled),
                ("fails", Status::Failed),
                ("consume", Status::NotRun)
            ]
        );
        assert_eq!(log.count(&cancelled("waits")), 1);
        assert_eq!(log.count(&cancelled("works")), 1, "it was told to end, so that it may not have done all");
        assert_eq!(log.count(&started("consume")), 0);
        log.assert_before(&failed("fails"), &cancelled("waits"));
        let table = error.report().unwrap().to_string();
        for status in ["cancelled", "failed", "not run"] {
            assert!(table.contains(status), "{status} in\n{table}");
        }
    });
}

/// What goes through `blocking` outlives the factory that waits for it, but not the run.
#[factory]
async fn offloads(signals: Signals, context: Context) {
    let _guard = signals.dropped.on_drop();
    setl::blocking(move || {
        signals.works.open();
        while !context.is_cancelled() {
            std::thread::yield_now();
        }
        signals.dropped.block();
        signals.worked.open();
    })
    .await;
}

#[factory]
async fn fails_soon(signals: Signals) -> Result<()> {
    signals.works.opened().await;
    Err(Error::msg("enough"))
}

#[pipeline(all(offloads, fails_soon))]
struct Offloading {
    signals: Signals,
}

#[test]
fn blocking_work_of_a_dropped_factory_is_waited_for() {
    on_each_runtime(async || {
        let signals = Signals::default();
        let error = Offloading { signals: signals.clone() }.run().await.unwrap_err();
        assert!(signals.worked.is_open());
        assert_eq!(statuses(&error), [("offloads", Status::Cancelled), ("fails_soon", Status::Failed)]);
    });
}

/// It has the only thread until the run is stopped.
#[factory]
fn hogs(context: Context, signals: Signals) {
    signals.works.open();
    while !context.is_cancelled() {
        std::thread::yield_now();
    }
    signals.worked.open();
}

/// Lets `queues` begin when there is no thread for it.
#[factory]
async fn delays(signals: Signals) -> Orders {
    signals.works.opened().await;
    Orders
}

#[factory]
fn queues(_orders: Orders, signals: Signals) {
    signals.dropped.open();
}

#[factory]
async fn fails_later(signals: Signals) -> Result<()> {
    signals.waits.opened().await;
    Err(Error::msg("enough"))
}

#[pipeline(first(hogs, delays, fails_later), second(queues))]
struct Queueing {
    signals: Signals,
}

#[test]
fn blocking_work_that_waits_for_a_thread_does_not_begin() {
    on_each_runtime(async || {
        let signals = Signals::default();
        let queued = signals.waits.clone();
        let run = Queueing { signals: signals.clone() }.run().blocking_threads(1);
        let run = run.observe(move |event| {
            if *event == (Event::Started { factory: "queues" }) {
                queued.open();
            }
        });
        let error = run.await.unwrap_err();
        assert!(signals.worked.is_open());
        assert!(!signals.dropped.is_open(), "it never had the thread");
        assert_eq!(
            statuses(&error),
            [
                ("hogs", Status::Cancelled),
                ("delays", Status::Succeeded),
                ("fails_later", Status::Failed),
                ("queues", Status::Cancelled)
            ]
        );
    });
}

/// A blocking factory that waits can be dropped there.
#[factory(blocking)]
async fn waits_on_a_thread(signals: Signals) {
    let _guard = signals.dropped.on_drop();
    signals.works.open();
    std::future::pending().await
}

#[pipeline(all(waits_on_a_thread, fails_soon))]
struct WaitingThread {
    signals: Signals,
}

#[test]
fn a_blocking_factory_is_dropped_where_it_waits() {
    on_each_runtime(async || {
        let signals = Signals::default();
        let error = WaitingThread { signals: signals.clone() }.run().await.unwrap_err();
        assert!(signals.dropped.is_open());
        assert_eq!(
            statuses(&error),
            [("waits_on_a_thread", Status::Cancelled), ("fails_soon", Status::Failed)]
        );
    });
}
