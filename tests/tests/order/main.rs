//! Who runs when: what overlaps, what waits, what is bounded, and what is told of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use setl::prelude::*;
use setl::run::{Phase, RunStatus, Status};
use setl_tests::{Latch, Log, Meter, Seen, finished, not_run, of_run, on_each_runtime, started};

mod overlap;

mod readiness;

/// Gives way often, so that anything which may come before it does.
async fn dawdle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[factory]
async fn first() {
    dawdle().await;
}

#[factory]
fn second() {}

#[factory]
async fn third() {
    dawdle().await;
}

#[factory]
async fn fourth() {}

#[factory]
fn fifth() {}

mod barriers;

mod sequence;

mod bounds;

mod once;

mod inline;

mod events;

mod observers;

mod life_cycle;
