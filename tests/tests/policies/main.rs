//! What factories say of failures, and what becomes of it: one example for each.
//!
//! Time is that of tokio, and stands still unless all wait.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use setl::RunError;
use setl::commit::StagedWrite;
use setl::policy::Resource;
use setl::prelude::*;
use setl::run::{Cause, Outcome, Phase, Status};
use setl::{CancellationToken, Error, Event};
use setl_tests::{Latch, Ledger, Log, Parcel, runtime, until, watched};

const SECOND: Duration = Duration::from_secs(1);

/// An error that goes away by itself.
fn lost() -> Error {
    Error::new(io::Error::new(io::ErrorKind::ConnectionReset, "connection lost"))
}

/// Counts calls.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicU32>);

impl Calls {
    /// From 1.
    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    /// Fails so many times.
    fn fail(&self, times: u32) -> Result<()> {
        if self.next() <= times { Err(lost()) } else { Ok(()) }
    }
}

/// What was told, in the words of `Debug`, without times that are measured.
#[derive(Clone, Default)]
struct Told(Log<String>);

impl Told {
    fn observer(&self) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
        let log = self.0.clone();
        move |event| {
            log.push(match event {
                Event::Finished { factory, .. } => format!("Finished {{ factory: {factory:?} }}"),
                Event::RunEnded { status, .. } => format!("RunEnded {{ status: {status:?} }}"),
                other => format!("{other:?}"),
            });
        }
    }

    fn all(&self) -> Vec<String> {
        self.0.all()
    }
}

/// Writes what becomes of it into a log.
#[derive(Debug)]
struct Note {
    name: &'static str,
    log: Log<String>,
    refuses: bool,
}

impl StagedWrite for Note {
    fn target(&self) -> String {
        format!("note {}", self.name)
    }

    fn prepare(&mut self) -> Result<()> {
        if self.refuses {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left").into());
        }
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<()> {
        self.log.push(format!("commit {}", self.name));
        Ok(())
    }

    fn rollback(self: Box<Self>) -> Result<()> {
        self.log.push(format!("roll back {}", self.name));
        Ok(())
    }
}

/// Where journals are kept, apart from those of others.
fn state() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("setl-policies-{}", std::process::id()))
}

fn statuses<P>(outcome: &Outcome<P>) -> Vec<(&str, Status)> {
    let entries = outcome.report().unwrap().entries();
    entries.iter().map(|entry| (&*entry.factory, entry.status)).collect()
}

mod codes;
mod ending;
mod fallbacks;
mod hints;
mod keeping_going;
mod resources;
mod retries;
mod sizes;
mod skipping;
mod texts;
mod timeouts;
mod writes;
