use super::*;

/// Nothing for the future of the run, which `block_on` polls outside of any task.
type Task = Option<tokio::task::Id>;

#[derive(Clone)]
struct A(Task);
#[derive(Clone)]
struct B(Task);

#[factory]
async fn a() -> A {
    A(tokio::task::try_id())
}

#[factory]
async fn b(a: A) -> B {
    assert_eq!(a.0, tokio::task::try_id());
    tokio::task::yield_now().await;
    B(tokio::task::try_id())
}

#[factory]
async fn c(b: B) -> bool {
    b.0 == tokio::task::try_id()
}

#[pipeline(only(a, b, c))]
struct Chain;

#[test]
fn a_chain_continues_in_the_same_task() {
    on_each_runtime(async || {
        assert!(*Chain.run().await.unwrap().get::<c>());
        assert!(*Chain.run().concurrency(2).await.unwrap().get::<c>());
    });
}

#[factory]
async fn one(a: A, same: Same) {
    same.0.fetch_add(usize::from(a.0 == tokio::task::try_id()), Ordering::SeqCst);
}

#[factory]
async fn two(a: A, same: Same) {
    same.0.fetch_add(usize::from(a.0 == tokio::task::try_id()), Ordering::SeqCst);
}

#[derive(Clone)]
struct Same(Arc<AtomicUsize>);

#[pipeline(from(a), to(one, two))]
struct Fork {
    same: Same,
}

#[test]
fn at_least_one_of_several_continues_in_the_same_task() {
    on_each_runtime(async || {
        let same = Same(Arc::default());
        Fork { same: same.clone() }.run().await.unwrap();
        assert!(same.0.load(Ordering::SeqCst) >= 1);
    });
}
