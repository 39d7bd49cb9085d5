//! Drives the factories of a run, each as soon as its deliveries are there.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::attempt::supervised;
use super::current::{enter, in_run};
use super::error::Cause;
use super::event::Event;
use super::report::{Nanos, Phase, Status};
use super::rows::Rows;
use super::schedule::Next;
use super::shared::{Replacement, Shared};
use super::step::{BoxFuture, Completed, Failure, Job, Outcome, Unfinished};
use crate::base::panic::{Panicked, contained};
use setl_commit::Owner;

impl Shared {
    /// Runs the factories, and comes back when nothing of them is left.
    ///
    /// The first driver is part of this future: a chain of factories ends where it began, without waking up a thread.
    pub(crate) async fn run(self: &Arc<Self>, runtime: &Handle) {
        if self.plan.factories.is_empty() {
            return;
        }
        let driver = Some(Driver::new(Arc::clone(self), At::End));
        let mut own = OwnDriver { driver, runtime };
        if let Some(driver) = &mut own.driver {
            driver.go_on(self.schedule.start());
            driver.await;
        }
        self.ended().await;
        own.driver = None;
    }
}

/// The driver in the future of a run. It outlives that future if it is dropped early: the run is stopped then, but its
/// end is orderly, as it is in all other drivers.
struct OwnDriver<'run> {
    driver: Option<Driver>,
    /// Where it goes on; it may be dropped on a thread that knows of no runtime.
    runtime: &'run Handle,
}

impl Drop for OwnDriver<'_> {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.shared.stop();
            if !matches!(driver.at, At::End) {
                self.runtime.spawn(driver);
            }
        }
    }
}

/// Spawns so many drivers.
fn call(shared: &Arc<Shared>, drivers: usize) {
    for _ in 0..drivers {
        tokio::spawn(Driver::new(Arc::clone(shared), At::Arrival));
    }
}

/// Runs so many factories in a row before others on the same thread have their turn.
const IN_A_ROW: usize = 64;

/// After a factory of this length others have their turn, among them drivers that wait behind this one. It is long
/// beside what that costs.
const LONG: Duration = Duration::from_micros(50);

/// Runs one factory after another: whenever one has finished, the first that became ready because of it, or else the one
/// that has been ready longest.
struct Driver {
    shared: Arc<Shared>,
    at: At,
    /// What the last factory had of the run, for the next.
    spare: Option<Arc<Shared>>,
    /// When the last factory ended, if the next begins at once.
    now: Option<Instant>,
    /// Whether it goes on only after others on the same thread, among them drivers that it called.
    gives_way: bool,
}

/// Where a driver is.
enum At {
    /// It was called, and has no node yet.
    Arrival,
    /// Before the start of this node.
    Before(u32),
    /// In a factory.
    In(u32, Running),
    /// It has nothing left to do.
    End,
}

struct Running {
    future: BoxFuture<Outcome>,
    started: Instant,
    /// Whether it can be dropped before its end.
    cancellable: bool,
    /// Made when the factory first waits for something.
    cancelled: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        in_run(Arc::clone(&self.shared), || self.drive(cx))
    }
}

impl Driver {
    fn new(shared: Arc<Shared>, at: At) -> Self {
        Self { shared, at, spare: None, now: None, gives_way: false }
    }

    fn drive(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut in_a_row = 0;
        loop {
            match &mut self.at {
                At::Arrival => {
                    let next = self.shared.schedule.arrive();
                    self.go_on(next);
                }
                At::Before(_) if self.gives_way => {
                    self.gives_way = false;
                    self.now = None;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                At::Before(node) => {
                    let node = *node;
                    match self.begin(node) {
                        Some(running) => self.at = At::In(node, running),
                        None => self.finish(node),
                    }
                }
                At::In(node, running) => {
                    let node = *node;
                    let polled = advance(&self.shared, &mut self.spare, node as usize, running, cx);
                    #[cfg(all(feature = "polars", feature = "optimize"))]
                    if polled.is_pending() {
                        super::gather::settle(&self.shared, node as usize, false);
                    }
                    let took = ready!(polled);
                    // What blocked has ended on another thread, some time ago.
                    self.now = took.filter(|_| running.cancellable).map(|took| took.ended);
                    self.clear();
                    self.finish(node);
                    in_a_row += 1;
                    self.gives_way |= in_a_row == IN_A_ROW || took.is_some_and(|took| took.total > LONG);
                }
                At::End => return Poll::Ready(()),
            }
        }
    }

    /// Starts a node, unless it is a gate or the run is being stopped.
    fn begin(&mut self, node: u32) -> Option<Running> {
        let node = node as usize;
        let shared = &self.shared;
        if node >= shared.plan.factories.len() || shared.is_stopped() || !shared.may_begin(node) {
            return None;
        }
        // With checkpoints, it turns out later whether it runs.
        if shared.session.is_none() {
            shared.emit(|| Event::Started { factory: &shared.plan.factories[node].name });
        }
        let started = self.now.take().unwrap_or_else(Instant::now);
        let supervision = shared.configs.get(node).filter(|config| config.supervised);
        let (future, cancellable) = match (supervision, shared.replacement(node)) {
            (Some(config), replacement) => {
                (supervised(Arc::clone(shared), node, config.policy, replacement, started), false)
            }
            (None, Some(replacement)) => (replaced(Arc::clone(shared), node, replacement), true),
            (None, None) => {
                let of_run = self.spare.take().unwrap_or_else(|| Arc::clone(shared));
                let job = Job::first(of_run, node, started);
                let step = &shared.steps[node];
                ((step.run)(job), !step.blocking)
            }
        };
        Some(Running { future, started, cancellable, cancelled: None })
    }

    /// Drops the factory that has ended; a panic of its destructor must not end the driver.
    fn clear(&mut self) {
        let running = std::mem::replace(&mut self.at, At::End);
        contained(|| drop(running));
    }

    /// Counts a node as done, and gets the next.
    fn finish(&mut self, node: u32) {
        let next = self.shared.schedule.finish(&self.shared.plan, node);
        self.go_on(next);
    }

    fn go_on(&mut self, next: Next) {
        call(&self.shared, next.call);
        // A worker of tokio keeps the task that it spawned last to itself, even if others have nothing to do.
        self.gives_way = next.call > 0 && tokio::task::try_id().is_some();
        if next.over {
            self.shared.end();
        }
        #[cfg(all(feature = "polars", feature = "optimize"))]
        if next.quiet {
            super::gather::run_batch(&self.shared);
        }
        self.at = next.node.map_or(At::End, At::Before);
    }
}

/// When a factory ended that delivered, and how long it took.
#[derive(Clone, Copy)]
struct Took {
    total: Duration,
    ended: Instant,
}

/// Polls a factory, until it has ended in one way or another.
fn advance(
    shared: &Arc<Shared>,
    spare: &mut Option<Arc<Shared>>,
    node: usize,
    running: &mut Running,
    cx: &mut TaskContext<'_>,
) -> Poll<Option<Took>> {
    enter(Owner { node, attempt: 1 });
    let failed = |cause| Failure {
        phase: shared.phases[node].get(),
        cause,
        attempts: 1,
        no_time: None,
        fallback: None,
    };
    // What it gives is large, and is not moved once more than it must be.
    match catch_unwind(AssertUnwindSafe(|| running.future.as_mut().poll(cx))) {
        Ok(Poll::Ready(Ok(mut completed))) => {
            *spare = completed.spare.take();
            let total = completed.timing.total();
            let ended = shared.started + Duration::from_nanos(completed.timing.start) + total;
            shared.completed(node, completed);
            return Poll::Ready(Some(Took { total, ended }));
        }
        Ok(Poll::Ready(Err(Unfinished::Error(error)))) => {
            shared.failed(node, failed(Cause::of_error(error)), running.started);
        }
        Ok(Poll::Ready(Err(Unfinished::Failed(failure)))) => shared.failed(node, *failure, running.started),
        Ok(Poll::Ready(Err(Unfinished::LeftOut))) => shared.left_out(node, Status::NotSelected),
        Ok(Poll::Ready(Err(Unfinished::Skipped(failure)))) => shared.skipped(node, failure, running.started),
        Err(panic) => shared.failed(node, failed(Panicked::of(panic).into()), running.started),
        Ok(Poll::Ready(Err(Unfinished::Cancelled(attempts)))) => {
            shared.cancelled(node, running.started, attempts);
        }
        Ok(Poll::Pending) if running.cancellable => {
            let cancelled =
                running.cancelled.get_or_insert_with(|| Box::pin(shared.cancel.clone().cancelled_owned()));
            ready!(cancelled.as_mut().poll(cx));
            shared.cancelled(node, running.started, 1);
        }
        Ok(Poll::Pending) => return Poll::Pending,
    }
    Poll::Ready(None)
}

impl Drop for Driver {
    /// A driver that is dropped before its end is one whose runtime shuts down. The run may be awaited elsewhere, so all
    /// that this driver would have done, or those it would have called, is counted as done.
    fn drop(&mut self) {
        let shared = &self.shared;
        let mut calls = 0;
        let mut node = match std::mem::replace(&mut self.at, At::End) {
            At::End => return,
            At::Arrival => {
                calls += 1;
                None
            }
            At::Before(node) => Some(node),
            At::In(node, running) => {
                shared.cancelled(node as usize, running.started, 1);
                contained(|| drop(running));
                Some(node)
            }
        };
        shared.stop();
        loop {
            let next = match node {
                Some(node) => shared.schedule.finish(&shared.plan, node),
                None if calls > 0 => {
                    calls -= 1;
                    shared.schedule.arrive()
                }
                None => return,
            };
            calls += next.call;
            node = next.node;
            if next.over {
                shared.end();
            }
        }
    }
}

/// Runs what stands in for a factory in a test, whose deliveries then go to nobody.
pub(super) fn replaced(shared: Arc<Shared>, node: usize, replacement: Replacement) -> BoxFuture<Outcome> {
    Box::pin(async move {
        shared.release(&shared.plan.factories[node].sources);
        shared.phases[node].set(Phase::Process);
        let started = Instant::now();
        let output = replacement().await.map_err(Unfinished::Error)?;
        let timing = Nanos::unfinished(started - shared.started, started.elapsed());
        Ok(Completed { output, timing, rows: Rows::Unknown, besides: None, spare: None })
    })
}
