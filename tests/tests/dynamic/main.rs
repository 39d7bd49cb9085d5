//! Pipelines that are put together at run time: every mistake in its words, and the same plan as a static pipeline.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use setl::plan::dynamic::Builder;
use setl::prelude::*;
use setl::run::RunStatus;
use setl_tests::{Latch, Log, finished, of_run, on_each_runtime, started};

#[derive(Clone)]
struct Orders(Vec<u32>);

#[derive(Clone)]
struct Total(u32);

#[derive(Debug, PartialEq)]
struct Page(String);

#[factory]
fn read() -> Orders {
    Orders(vec![1, 2, 3])
}

#[factory]
fn read_again() -> Orders {
    Orders(vec![4])
}

#[factory]
async fn sum(orders: Orders) -> Total {
    Total(orders.0.iter().sum())
}

#[factory]
fn report(total: Total, #[delivery(shared)] title: Arc<String>) -> Page {
    Page(format!("{title}: {}", total.0))
}

mod failures;

mod large;

mod mistakes;

mod loops;

mod same_as_static;
