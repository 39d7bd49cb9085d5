//! Who gets a payload how, and when it is gone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use setl::prelude::*;
use setl_tests::{Latch, Ledger, Log, Parcel, finished, on_each_runtime, started};

fn ledger() -> Arc<Ledger> {
    Arc::default()
}

/// The books, for factories that look into them.
#[derive(Clone)]
struct Books(Arc<Ledger>);

/// The result of one of several equal factories.
macro_rules! outcomes {
    ($($name:ident),*) => {
        $(#[derive(Clone, Debug, PartialEq)]
        struct $name(u64);)*
    };
}
outcomes!(A, B, C);

#[factory]
fn make(books: Books) -> Parcel {
    books.0.parcel(7, 1)
}

mod owned;

mod shared;

mod optional;

mod context;

mod identity;

mod keeping;

mod lifetime;

mod memory;
