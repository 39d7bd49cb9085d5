use super::BlockingPool;

#[tokio::test]
async fn a_pool_without_work_is_idle_and_makes_nothing() {
    let pool = BlockingPool::new(Some(2), None);
    pool.idle().await;
    assert!(pool.used.get().is_none());
    assert_eq!(pool.run(|| 1).await, Some(1));
    assert!(pool.used.get().is_some());
    pool.idle().await;
}
