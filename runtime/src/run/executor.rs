//! Drives the factories of a run: each starts as soon as it is ready.

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
use super::hook::Points;
use super::report::{Nanos, Phase};
use super::rows::Rows;
use super::schedule::Next;
use super::shared::{Replacement, Shared};
use super::step::{BoxFuture, Completed, Failure, Job, Outcome, Unfinished};
use crate::base::panic::{Panicked, contained};
use setl_commit::Owner;

impl Shared {
    /// Runs the factories, and returns when all of them and their remaining work have ended.
    ///
    /// The first driver is part of this future: a chain of factories ends where it began, without waking up a thread.
    pub(crate) async fn run(self: &Arc<Self>, runtime: &Handle) {
        if self.plan.factories.is_empty() {
            return self.end();
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

/// The driver in the future of a run. If that future is dropped early, the driver continues as a task: the run is stopped, but
/// ends in an orderly way, as with all other drivers.
struct OwnDriver<'run> {
    driver: Option<Driver>,
    /// The runtime on which it continues, because it may be dropped on a thread without a runtime.
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

/// Spawns `drivers` drivers.
fn call(shared: &Arc<Shared>, drivers: usize) {
    for _ in 0..drivers {
        tokio::spawn(Driver::new(Arc::clone(shared), At::Arrival));
    }
}

/// The maximum number of factories in a row before other tasks on the same thread have their turn.
const IN_A_ROW: usize = 64;

/// The length of a factory after which other tasks have their turn, among them drivers that wait behind this one. It is long
/// compared with the cost of a switch.
const LONG: Duration = Duration::from_micros(50);

/// Runs one factory after another. After each, it takes the first factory that became ready because of it, or else the one that
/// has been ready longest.
struct Driver {
    shared: Arc<Shared>,
    at: At,
    /// The reference of the last factory to the run, for the next factory.
    spare: Option<Arc<Shared>>,
    /// The end of the last factory, if the next one starts immediately.
    now: Option<Instant>,
    /// `true` if other tasks on the same thread have their turn first, among them drivers that it called.
    gives_way: bool,
}

/// The state of a driver.
enum At {
    /// The driver was called, and has no node yet.
    Arrival,
    /// The driver is before the start of this node.
    Before(u32),
    /// The driver runs a factory.
    In(u32, Running),
    /// The driver has nothing left to do.
    End,
}

struct Running {
    future: BoxFuture<Outcome>,
    started: Instant,
    /// `true` if the future can be dropped before its end.
    cancellable: bool,
    /// Created when the factory first waits.
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
                    if polled.is_pending() {
                        let hooks = self.shared.hooks.at(Points::WAIT);
                        hooks.for_each(|hook| hook.parked(&self.shared, node as usize));
                    }
                    let took = ready!(polled);
                    // A blocking factory ended on another thread, some time ago.
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
        // If the output may come from an earlier run, it is known only later whether the factory runs.
        if !shared.hooks.has(Points::RESOLVE) {
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

    /// Drops the factory that has ended, and contains a panic of its destructor.
    fn clear(&mut self) {
        let running = std::mem::replace(&mut self.at, At::End);
        contained(|| drop(running));
    }

    /// Counts a node as done, and takes the next.
    fn finish(&mut self, node: u32) {
        let next = self.shared.schedule.finish(&self.shared.plan, node);
        self.go_on(next);
    }

    fn go_on(&mut self, next: Next) {
        call(&self.shared, next.call);
        // A tokio worker keeps the task that it spawned last to itself, even if other workers are idle.
        self.gives_way = next.call > 0 && tokio::task::try_id().is_some();
        if next.over {
            self.shared.end();
        }
        if next.is_stalled {
            self.shared.hooks.at(Points::WAIT).for_each(|hook| hook.stalled(&self.shared));
        }
        self.at = next.node.map_or(At::End, At::Before);
    }
}

/// The end of a factory that delivered, and its duration.
#[derive(Clone, Copy)]
struct Took {
    total: Duration,
    ended: Instant,
}

/// Polls a factory once, and records its end if it has ended.
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
    // The result is large, and must not be moved more often than necessary.
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
        Ok(Poll::Ready(Err(Unfinished::LeftOut))) => shared.left_out(node),
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
    /// A driver is dropped before its end only if its runtime shuts down. The run may be awaited elsewhere, so the remaining work
    /// of this driver, and of the drivers that it would have called, is counted as done.
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

/// Runs the replacement of a factory in a test. The inputs of the factory are released.
pub(crate) fn replaced(shared: Arc<Shared>, node: usize, replacement: Replacement) -> BoxFuture<Outcome> {
    Box::pin(async move {
        shared.release(&shared.plan.factories[node].sources);
        shared.phases[node].set(Phase::Process);
        let started = Instant::now();
        let output = replacement().await.map_err(Unfinished::Error)?;
        let timing = Nanos::unfinished(started - shared.started, started.elapsed());
        Ok(Completed { output, timing, rows: Rows::Unknown, besides: None, spare: None })
    })
}
