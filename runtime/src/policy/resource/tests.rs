//! Places, breakers and reports, in paused time.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::{advance, sleep, timeout};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

static ONE: Resource = Resource::new("one").max_concurrent(1);
static FRAGILE: Resource = Resource::new("fragile").breaker(2, SECOND);
static BOTH: Resource = Resource::new("both").max_concurrent(1).breaker(1, SECOND);

async fn fails(resources: &Resources, resource: &Resource) {
    resources.enter(resource).await.unwrap().failed(Transience::Transient);
}

fn state(resources: &Resources) -> CircuitState {
    resources.report()[0].state
}

#[tokio::test(start_paused = true)]
async fn places_are_given_in_the_order_of_asking() {
    let resources = Resources::default();
    let first = resources.enter(&ONE).await.unwrap();
    let order: Arc<Mutex<Vec<u8>>> = Arc::default();
    let tasks = [1, 2, 3].map(|number| {
        let (resources, order) = (resources.clone(), Arc::clone(&order));
        tokio::spawn(async move {
            sleep(Duration::from_millis(number.into())).await;
            let permit = resources.enter(&ONE).await.unwrap();
            held(order.lock()).push(number);
            sleep(SECOND).await;
            permit.succeeded();
        })
    });
    sleep(SECOND).await;
    assert!(held(order.lock()).is_empty());
    drop(first);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*held(order.lock()), [1, 2, 3]);
    let report = resources.report()[0];
    assert_eq!((report.attempts, report.peak_concurrent), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_takes_no_place() {
    let resources = Resources::default();
    let permit = resources.enter(&ONE).await.unwrap();
    assert!(timeout(SECOND, resources.enter(&ONE)).await.is_err());
    drop(permit);
    resources.enter(&ONE).await.unwrap().succeeded();
    assert_eq!(resources.report()[0].attempts, 2);
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_open_the_breaker_for_a_while() {
    let resources = Resources::default();
    fails(&resources, &FRAGILE).await;
    resources.enter(&FRAGILE).await.unwrap().succeeded();
    fails(&resources, &FRAGILE).await;
    resources.enter(&FRAGILE).await.unwrap().failed(Transience::Permanent);
    fails(&resources, &FRAGILE).await;
    drop(resources.enter(&FRAGILE).await.unwrap());
    assert_eq!(state(&resources), CircuitState::Closed);
    fails(&resources, &FRAGILE).await;
    assert_eq!(state(&resources), CircuitState::Open);

    advance(Duration::from_millis(400)).await;
    let refused = resources.enter(&FRAGILE).await.unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_millis(600));
    assert_eq!(
        refused.to_string(),
        "resource `fragile` has failed too often, and is left alone for another 600ms"
    );
    let report = resources.report()[0];
    assert_eq!((report.failures, report.opened, report.rejected), (4, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn one_is_let_through_to_try() {
    let resources = Resources::default();
    fails(&resources, &FRAGILE).await;
    fails(&resources, &FRAGILE).await;
    advance(SECOND).await;
    assert_eq!(state(&resources), CircuitState::HalfOpen);

    let probe = resources.enter(&FRAGILE).await.unwrap();
    assert_eq!(resources.enter(&FRAGILE).await.unwrap_err().retry_after, Duration::ZERO);
    drop(probe);
    fails(&resources, &FRAGILE).await;
    assert_eq!(state(&resources), CircuitState::Open);

    advance(SECOND).await;
    resources.enter(&FRAGILE).await.unwrap().succeeded();
    assert_eq!(state(&resources), CircuitState::Closed);
    assert_eq!(resources.report()[0].opened, 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_place_behind_an_open_breaker() {
    let resources = Resources::default();
    let slow = Resource::new("slow").max_concurrent(2).breaker(1, SECOND);
    let failing = resources.enter(&slow).await.unwrap();
    let busy = resources.enter(&slow).await.unwrap();
    let waiting = {
        let resources = resources.clone();
        tokio::spawn(async move { resources.enter(&slow).await.map(drop) })
    };
    sleep(SECOND / 2).await;
    failing.failed(Transience::Transient);
    assert!(waiting.await.unwrap().is_err());
    // An attempt that began before the breaker opened does not close it.
    busy.succeeded();
    assert_eq!(state(&resources), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn the_one_to_try_needs_a_place_too() {
    let resources = Resources::default();
    fails(&resources, &BOTH).await;
    advance(SECOND).await;
    let probe = resources.enter(&BOTH).await.unwrap();
    assert!(resources.enter(&BOTH).await.is_err());
    probe.succeeded();
    let permit = resources.enter(&BOTH).await.unwrap();
    assert!(timeout(SECOND, resources.enter(&BOTH)).await.is_err(), "it waits for the place");
    permit.succeeded();
}

#[tokio::test(start_paused = true)]
async fn runs_share_resources_but_not_reports() {
    let resources = Resources::default();
    let (first, second) = (resources.of_run(), resources.of_run());
    fails(&first, &FRAGILE).await;
    fails(&second, &FRAGILE).await;
    assert!(first.enter(&FRAGILE).await.is_err());
    let of = |resources: &Resources| {
        let report = resources.report()[0];
        (report.attempts, report.failures, report.opened, report.rejected)
    };
    assert_eq!(of(&first), (1, 1, 0, 1));
    assert_eq!(of(&second), (1, 1, 1, 0));
    assert_eq!(of(&resources), (2, 2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn never_more_than_allowed_whatever_happens() {
    let busy = Resource::new("busy").max_concurrent(3).breaker(3, Duration::from_millis(20));
    let resources = Resources::default();
    let mut random = fastrand::Rng::with_seed(11);
    let tasks: Vec<_> = (0..400)
        .map(|_| {
            let (resources, mut random) = (resources.clone(), random.fork());
            tokio::spawn(async move {
                sleep(Duration::from_millis(random.u64(..500))).await;
                let patience = Duration::from_millis(random.u64(1..40));
                let Ok(Ok(permit)) = timeout(patience, resources.enter(&busy)).await else { return };
                sleep(Duration::from_millis(random.u64(..10))).await;
                match random.u8(..4) {
                    0 => permit.succeeded(),
                    1 => drop(permit),
                    _ => permit.failed(Transience::Transient),
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let report = resources.report()[0];
    assert!(report.peak_concurrent == 3 && report.opened > 0 && report.rejected > 0, "{report}");
    // Every place is free again.
    sleep(SECOND).await;
    resources.enter(&busy).await.unwrap().succeeded();
    let _all = [
        resources.enter(&busy).await.unwrap(),
        resources.enter(&busy).await.unwrap(),
        resources.enter(&busy).await.unwrap(),
    ];
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn never_more_than_allowed_on_several_threads() {
    // The breaker is open for zero time: each attempt is the probe, if there is none yet.
    let down = Resource::new("down").breaker(1, Duration::ZERO);
    let busy = Resource::new("busy").max_concurrent(3);
    for (resource, most) in [(down, 1), (busy, 3)] {
        let resources = Resources::default();
        if resource.breaker.is_some() {
            fails(&resources, &resource).await;
        }
        let inside = Arc::new(AtomicU32::new(0));
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let (resources, inside) = (resources.clone(), Arc::clone(&inside));
                tokio::spawn(async move {
                    for _ in 0..20 {
                        let Ok(permit) = resources.enter(&resource).await else { continue };
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < most);
                        tokio::task::yield_now().await;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        permit.failed(Transience::Transient);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let report = resources.report()[0];
        assert_eq!(report.attempts + report.rejected, 4_000 + u64::from(resource.breaker.is_some()));
        assert!(report.peak_concurrent <= most, "{report}");
    }
}
