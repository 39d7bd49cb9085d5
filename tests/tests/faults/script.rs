//! What factories are told to do wrong, and the notes that they take of what they did.

use std::collections::BTreeMap;
use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use setl::prelude::*;
use setl::run::RunStatus;
use setl::{CancellationToken, Error, Event};
use setl_tests::{Latch, Ledger};
use tokio::sync::Notify;

use super::payload::{Cargo, Paper};

/// Where in the life of an attempt something goes wrong, in the order in which an attempt comes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// While a delivery is loaded.
    Load,
    /// While a delivery is cloned, which it is if there may be another attempt.
    Clone,
    /// While its condition is asked for.
    When,
    Read,
    Process,
    /// In `write`, before anything is staged.
    Stage,
    /// In `write`, after something was staged.
    Write,
}

/// Where in the life of a staged write something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staged {
    Prepare,
    Commit,
    Rollback,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An error that nobody knows.
    Error,
    /// An error that is marked.
    Transient,
    /// A connection that breaks.
    Reset,
    /// A disk without space.
    Full,
    Panic,
    /// It gives way many times, and nothing else happens.
    Slow,
    /// It never ends by itself. What blocks its thread ends with an error when it is told to.
    Hang,
    /// The run is cancelled from outside.
    Cancel,
    /// The future of the run is dropped, and this never ends by itself.
    Drop,
    /// The condition does not hold.
    NotDue,
}

/// The factory of the plan, or the one that stands in for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Own,
    StandIn,
}

/// One staged write: the factory, its try (from 0), and which one of that try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId {
    pub node: usize,
    pub role: Role,
    pub at: usize,
    /// Staged in `read` rather than in `write`.
    pub early: bool,
}

impl WriteId {
    pub fn target(&self) -> String {
        format!("{self:?}")
    }
}

/// What goes wrong in each try of a factory, if anything does.
pub type Tries = Vec<Option<(Point, Fault)>>;

/// What goes wrong in one run.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// For each try of a factory, from the first; those that follow go well.
    pub tries: BTreeMap<(usize, Role), Tries>,
    pub staged: BTreeMap<usize, (Staged, Fault)>,
    pub undo: BTreeMap<usize, Fault>,
    /// Whether factories stage something in `read`, too.
    pub early: bool,
}

impl Script {
    pub fn fault(&self, node: usize, role: Role, at: usize) -> Option<(Point, Fault)> {
        *self.tries.get(&(node, role))?.get(at)?
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    /// An attempt came as far as `read`, with these deliveries.
    Received(usize, Role, Vec<Option<u64>>),
    Staged(WriteId),
    Prepared(WriteId),
    Committed(WriteId),
    /// Its commit was refused.
    Refused(WriteId),
    RolledBack(WriteId),
    /// Dropped, which rolls back as well.
    Dropped(WriteId),
    Undone(usize),
    /// An event of the run.
    Told(&'static str, usize),
    RunStarted(usize),
    RunEnded(RunStatus),
    Committing(usize),
}

/// What all factories of a run share.
pub struct World {
    pub script: Script,
    pub token: CancellationToken,
    pub drop_now: Latch,
    pub dropped: Latch,
    pub ledger: Arc<Ledger>,
    tries: Mutex<BTreeMap<(usize, Role), usize>>,
    log: Mutex<Vec<Happened>>,
    staging: Mutex<()>,
    inside: AtomicUsize,
    most: AtomicUsize,
    /// Who keeps a thread until it is told to end.
    blocked: Mutex<Vec<CancellationToken>>,
    pub blocks: Notify,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Without the hook, which would print it.
fn silent_panic() -> ! {
    resume_unwind(Box::new("injected"))
}

impl Fault {
    /// The error, if it is one.
    pub fn error(self) -> Option<Error> {
        Some(match self {
            Fault::Error => Error::msg("injected"),
            Fault::Transient => setl::transient(Error::msg("injected")),
            Fault::Reset => {
                let reset = io::Error::from(io::ErrorKind::ConnectionReset);
                Error::new(reset).context("injected")
            }
            Fault::Full => Error::new(io::Error::from(io::ErrorKind::StorageFull)).context("injected"),
            _ => return None,
        })
    }

    /// What happens where nothing can be waited for.
    pub fn strike(self, world: &World) -> Result<()> {
        match self {
            Fault::Panic => silent_panic(),
            Fault::Cancel => world.token.cancel(),
            Fault::Slow => std::thread::yield_now(),
            _ => {}
        }
        self.error().map_or(Ok(()), Err)
    }
}

pub fn combine(node: usize, role: Role, values: &[Option<u64>]) -> u64 {
    let start = 2 * node as u64 + 1 + u64::from(role == Role::StandIn);
    values.iter().fold(start, |sum, value| sum.wrapping_mul(31).wrapping_add(value.unwrap_or(7)) | 1)
}

pub fn node_of(context: &Context) -> usize {
    context.factory().parse().unwrap()
}

impl World {
    pub fn new(script: Script) -> Self {
        Self {
            script,
            token: CancellationToken::new(),
            drop_now: Latch::default(),
            dropped: Latch::default(),
            ledger: Arc::default(),
            tries: Mutex::default(),
            log: Mutex::default(),
            staging: Mutex::default(),
            inside: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            blocked: Mutex::default(),
            blocks: Notify::new(),
        }
    }

    pub fn log(&self) -> Vec<Happened> {
        held(&self.log).clone()
    }

    pub fn note(&self, happened: Happened) {
        held(&self.log).push(happened);
    }

    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    /// How many were in a step of theirs at once.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// Whether somebody waits on a thread for somebody else to say that it is over.
    pub fn is_blocked(&self) -> bool {
        held(&self.blocked).iter().any(|token| !token.is_cancelled())
    }

    pub fn observe(&self, event: &Event<'_>) {
        let (kind, factory) = match *event {
            Event::Started { factory } => ("started", factory),
            Event::Finished { factory, .. } => ("finished", factory),
            Event::Retrying { factory, .. } => ("retrying", factory),
            Event::FellBack { factory, .. } => ("fell back", factory),
            Event::Skipped { factory } => ("skipped", factory),
            Event::Failed { factory } => ("failed", factory),
            Event::Cancelled { factory } => ("cancelled", factory),
            Event::RollingBack { factory } => ("rolling back", factory),
            Event::NotRun { factory, .. } => ("not run", factory),
            Event::NotSelected { factory } => ("not selected", factory),
            Event::RunStarted { factories } => return self.note(Happened::RunStarted(factories)),
            Event::RunEnded { status, .. } => return self.note(Happened::RunEnded(status)),
            Event::Committing { writes } => return self.note(Happened::Committing(writes)),
            _ => return,
        };
        self.note(Happened::Told(kind, factory.parse().unwrap()));
    }

    /// Counts the tries of a factory; the latest from 0.
    fn try_of(&self, node: usize, role: Role) -> usize {
        held(&self.tries).get(&(node, role)).map_or(0, |tries| tries - 1)
    }

    pub fn begins(&self, node: usize, role: Role) {
        *held(&self.tries).entry((node, role)).or_default() += 1;
    }

    pub fn fault_at(&self, node: usize, role: Role, point: Point) -> Option<Fault> {
        let (at, fault) = self.script.fault(node, role, self.try_of(node, role))?;
        (at == point).then_some(fault)
    }

    pub fn is_due(&self, context: &Context) -> Result<bool> {
        match self.fault_at(node_of(context), Role::Own, Point::When) {
            Some(Fault::NotDue) => Ok(false),
            Some(fault) => fault.strike(self).map(|()| true),
            None => Ok(true),
        }
    }

    async fn play(&self, context: &Context, role: Role, blocking: bool, point: Point) -> Result<()> {
        let Some(fault) = self.fault_at(node_of(context), role, point) else { return Ok(()) };
        match fault {
            Fault::Slow => {
                for _ in 0..25 {
                    tokio::task::yield_now().await;
                }
            }
            Fault::Cancel => {
                self.token.cancel();
                tokio::task::yield_now().await;
            }
            Fault::Hang | Fault::Drop => {
                if fault == Fault::Drop {
                    self.drop_now.open();
                }
                if !blocking {
                    return std::future::pending().await;
                }
                let told = context.cancellation();
                held(&self.blocked).push(told.clone());
                self.blocks.notify_one();
                while !told.is_cancelled() {
                    std::thread::sleep(Duration::from_micros(20));
                }
                return Err(Error::msg("told to end"));
            }
            other => return other.strike(self),
        }
        Ok(())
    }

    /// Enters a step.
    fn enter(&self) -> Inside<'_> {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        Inside(self)
    }

    fn stage(self: &Arc<Self>, context: &Context, role: Role, early: bool) -> Result<()> {
        let node = node_of(context);
        let id = WriteId { node, role, at: self.try_of(node, role), early };
        // The order of the notes is the order in which the run is given the writes.
        let _in_order = held(&self.staging);
        self.note(Happened::Staged(id));
        context.enlist(Box::new(Paper::new(id, Arc::clone(self))))
    }

    pub async fn read(
        self: &Arc<Self>,
        context: &Context,
        role: Role,
        blocking: bool,
        values: Vec<Option<u64>>,
    ) -> Result<()> {
        let _inside = self.enter();
        self.note(Happened::Received(node_of(context), role, values));
        if self.script.early {
            self.stage(context, role, true)?;
        }
        self.play(context, role, blocking, Point::Read).await
    }

    pub async fn process(
        self: &Arc<Self>,
        context: &Context,
        role: Role,
        blocking: bool,
        values: Vec<Option<u64>>,
    ) -> Result<Cargo> {
        let _inside = self.enter();
        self.play(context, role, blocking, Point::Process).await?;
        Ok(Cargo(self.ledger.parcel(combine(node_of(context), role, &values), 1)))
    }

    pub async fn write(self: &Arc<Self>, context: &Context, role: Role, blocking: bool) -> Result<()> {
        let _inside = self.enter();
        self.play(context, role, blocking, Point::Stage).await?;
        self.stage(context, role, false)?;
        self.play(context, role, blocking, Point::Write).await
    }

    pub async fn undo(&self, context: &Context) -> Result<()> {
        let node = node_of(context);
        self.note(Happened::Undone(node));
        match self.script.undo.get(&node) {
            Some(Fault::Slow) => {
                for _ in 0..25 {
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
            Some(Fault::Drop) => {
                self.drop_now.open();
                self.dropped.opened().await;
                Ok(())
            }
            Some(fault) => fault.strike(self),
            None => Ok(()),
        }
    }
}

struct Inside<'world>(&'world World);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}
