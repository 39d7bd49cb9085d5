//! What happens when something goes wrong: errors, panics, cancellation, runtimes that are not there or go away.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use setl::prelude::*;
use setl::run::{Cause, Phase, RunStatus, Status};
use setl::{CancellationToken, Error, Event, RunError};
use setl_tests::{
    Latch, Ledger, Log, Parcel, Seen, cancelled, failed, finished, not_run, of_run, on_each_runtime, runtime,
    started, until, wait_for, watched,
};

/// What a factory is told to do wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Error,
    Panic,
}

/// Where, what, and whether after it has waited once.
#[derive(Clone, Copy, Debug)]
struct Script {
    phase: Phase,
    fault: Fault,
    late: bool,
}

impl Script {
    async fn play(self, phase: Phase) -> Result<()> {
        if self.late {
            tokio::task::yield_now().await;
        }
        match self.fault {
            _ if self.phase != phase => Ok(()),
            Fault::Error => Err(Error::msg("no such table").context("cannot load orders")),
            Fault::Panic => panic!("index {} is out of bounds", 7),
        }
    }
}

#[derive(Clone)]
struct Orders;

macro_rules! faulty {
    ($name:ident $(, $blocking:ident)?) => {
        #[factory(output = Orders $(, $blocking)?)]
        struct $name {
            #[delivery]
            script: Script,
        }

        impl Factory for $name {
            async fn read(&mut self) -> Result<()> {
                self.script.play(Phase::Read).await
            }

            async fn process(&mut self) -> Result<Orders> {
                self.script.play(Phase::Process).await?;
                Ok(Orders)
            }

            async fn write(&mut self, _output: &Orders) -> Result<()> {
                self.script.play(Phase::Write).await
            }
        }
    };
}
faulty!(Faulty);
faulty!(FaultyBlocking, blocking);

#[factory]
fn consume(_orders: Orders) {}

#[pipeline(extract(Faulty), load(consume))]
struct Daily {
    script: Script,
}

#[pipeline(extract(FaultyBlocking), load(consume))]
struct DailyBlocking {
    script: Script,
}

fn statuses(error: &RunError) -> Vec<(&str, Status)> {
    let entries = error.report().unwrap().entries();
    entries.iter().map(|entry| (&*entry.factory, entry.status)).collect()
}

/// Takes the place of a panic off its message: it moves whenever a line is added.
fn without_place(message: &str) -> String {
    let (text, place) = message.rsplit_once(" (tests/tests/").unwrap();
    assert!(place.ends_with(')'));
    text.to_owned()
}

mod breaking;
mod faults;

mod stopping;

mod hostile;

mod cancelling;

mod payloads;

mod runtimes;
