use super::*;

struct Waiting(tokio::sync::Barrier);
struct Blocking(std::sync::Barrier);

#[factory]
async fn left(#[delivery(shared)] barrier: Arc<Waiting>) {
    barrier.0.wait().await;
}

#[factory]
async fn right(#[delivery(shared)] barrier: Arc<Waiting>) {
    barrier.0.wait().await;
}

#[pipeline(both(left, right))]
struct Async {
    barrier: Waiting,
}

#[test]
fn async_factories_overlap() {
    on_each_runtime(async || {
        Async { barrier: Waiting(tokio::sync::Barrier::new(2)) }.run().await.unwrap();
    });
}

#[factory]
fn upper(#[delivery(shared)] barrier: Arc<Blocking>) {
    barrier.0.wait();
}

#[factory]
fn lower(#[delivery(shared)] barrier: Arc<Blocking>) {
    barrier.0.wait();
}

#[pipeline(both(upper, lower))]
struct Threads {
    barrier: Blocking,
}

#[test]
fn blocking_factories_overlap() {
    on_each_runtime(async || {
        Threads { barrier: Blocking(std::sync::Barrier::new(2)) }.run().await.unwrap();
    });
}

#[factory]
fn thread(latch: Latch) {
    latch.block();
}

#[factory]
async fn task(latch: Latch) {
    tokio::task::yield_now().await;
    latch.open();
}

#[pipeline(both(thread, task))]
struct Mixed {
    latch: Latch,
}

#[test]
fn blocking_work_does_not_hold_up_async_work() {
    on_each_runtime(async || {
        Mixed { latch: Latch::default() }.run().await.unwrap();
    });
}
