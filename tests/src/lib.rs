//! Tests of `setl` from the outside: only what a user can reach. This is what they share.
//!
//! No test asserts anything about wall-clock time. What overlaps meets at a barrier, what is in order is seen in events,
//! and a test that hangs fails.

pub mod package;

use std::fmt::Debug;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use setl::run::{Outcome, RunStatus, Status};
use setl::{CancellationToken, Event};

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test on a runtime with one thread, and again on one with four.
pub fn on_each_runtime<F: Future<Output = ()>>(test: impl Fn() -> F + Clone + Send + 'static) {
    for threads in [1, 4] {
        let test = test.clone();
        watched(move || runtime(threads).block_on(test()));
    }
}

/// A runtime with so many threads.
pub fn runtime(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    match builder.worker_threads(threads).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime: {error}"),
    }
}

/// Runs a test that fails if it hangs.
pub fn watched<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = channel();
    let thread = thread::spawn(move || sender.send(test()).is_ok());
    match receiver.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("the test hangs"),
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => resume_unwind(panic),
            Ok(_) => unreachable!("it sends before it ends"),
        },
    }
}

/// Waits for a future without any runtime.
pub fn wait_for<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Gives way until `condition` holds.
pub async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// Something that happens once, and that others wait for.
#[derive(Clone, Debug, Default)]
pub struct Latch(CancellationToken);

impl Latch {
    /// Lets go all who wait, now and later.
    pub fn open(&self) {
        self.0.cancel();
    }

    /// Whether it happened.
    pub fn is_open(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Comes back when it happened.
    pub async fn opened(&self) {
        self.0.cancelled().await;
    }

    /// Comes back when it happened; for threads that may block.
    pub fn block(&self) {
        while !self.is_open() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Opens when the guard is dropped.
    pub fn on_drop(&self) -> OpenOnDrop {
        OpenOnDrop(self.clone())
    }
}

/// See [`Latch::on_drop`].
#[derive(Debug)]
pub struct OpenOnDrop(Latch);

impl Drop for OpenOnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// An [`Event`] without its times.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// [`Event::RunStarted`].
    RunStarted(usize),
    /// [`Event::Started`].
    Started(String),
    /// [`Event::Progress`].
    Progress(String, u64, Option<u64>),
    /// [`Event::Finished`].
    Finished(String),
    /// [`Event::Failed`].
    Failed(String),
    /// [`Event::Cancelled`].
    Cancelled(String),
    /// [`Event::NotRun`], with the upstream factory that failed.
    NotRun(String, Option<String>),
    /// [`Event::NotSelected`].
    NotSelected(String),
    /// [`Event::RunEnded`].
    RunEnded(RunStatus),
}

impl From<&Event<'_>> for Seen {
    fn from(event: &Event<'_>) -> Self {
        match *event {
            Event::Started { factory } => Self::Started(factory.to_owned()),
            Event::Progress { factory, done, total } => Self::Progress(factory.to_owned(), done, total),
            Event::Finished { factory, .. } => Self::Finished(factory.to_owned()),
            Event::Failed { factory } => Self::Failed(factory.to_owned()),
            Event::Cancelled { factory } => Self::Cancelled(factory.to_owned()),
            Event::RunStarted { factories } => Self::RunStarted(factories),
            Event::NotRun { factory, failed_upstream } => {
                Self::NotRun(factory.to_owned(), failed_upstream.map(ToOwned::to_owned))
            }
            Event::NotSelected { factory } => Self::NotSelected(factory.to_owned()),
            Event::RunEnded { status, .. } => Self::RunEnded(status),
            ref other => panic!("an event that these tests do not know: {other:?}"),
        }
    }
}

/// `Seen::Started`
pub fn started(factory: &str) -> Seen {
    Seen::Started(factory.to_owned())
}

/// `Seen::Finished`
pub fn finished(factory: &str) -> Seen {
    Seen::Finished(factory.to_owned())
}

/// `Seen::Failed`
pub fn failed(factory: &str) -> Seen {
    Seen::Failed(factory.to_owned())
}

/// `Seen::Cancelled`
pub fn cancelled(factory: &str) -> Seen {
    Seen::Cancelled(factory.to_owned())
}

/// `Seen::NotRun`
pub fn not_run(factory: &str, failed_upstream: Option<&str>) -> Seen {
    Seen::NotRun(factory.to_owned(), failed_upstream.map(ToOwned::to_owned))
}

/// All events of a run that ended so, with those in the middle.
pub fn of_run(factories: usize, events: impl IntoIterator<Item = Seen>, status: RunStatus) -> Vec<Seen> {
    let mut all = vec![Seen::RunStarted(factories)];
    all.extend(events);
    all.push(Seen::RunEnded(status));
    all
}

/// What happened, in the order in which it did.
#[derive(Debug)]
pub struct Log<T = Seen>(Arc<Mutex<Vec<T>>>);

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone + Debug + PartialEq> Log<T> {
    /// Adds what happened.
    pub fn push(&self, seen: T) {
        lock(&self.0).push(seen);
    }

    /// All that happened so far.
    pub fn all(&self) -> Vec<T> {
        lock(&self.0).clone()
    }

    /// How often this happened.
    pub fn count(&self, seen: &T) -> usize {
        lock(&self.0).iter().filter(|other| *other == seen).count()
    }

    /// Asserts that both happened once, and in this order.
    #[track_caller]
    pub fn assert_before(&self, first: &T, second: &T) {
        let all = self.all();
        assert_eq!(self.count(first), 1, "{first:?} is there once in {all:?}");
        assert_eq!(self.count(second), 1, "{second:?} is there once in {all:?}");
        let position = |seen| all.iter().position(|other| other == seen);
        assert!(position(first) < position(second), "{first:?} comes before {second:?} in {all:?}");
    }
}

impl Log {
    /// For [`RunBuilder::observe`](setl::RunBuilder::observe).
    pub fn observer(&self) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
        let log = self.clone();
        move |event| log.push(event.into())
    }
}

/// Checks that the events of a run agree with its report.
#[derive(Clone, Debug, Default)]
pub struct Ends(Log<Mark>);

/// What [`Ends`] has to know of an event.
#[derive(Clone, Debug, PartialEq)]
enum Mark {
    RunStarted(usize),
    Started(String),
    Ended(String, Status),
    RunEnded,
    Other,
}

impl From<&Event<'_>> for Mark {
    fn from(event: &Event<'_>) -> Self {
        let status = match event {
            Event::Finished { .. } => Status::Succeeded,
            Event::Skipped { .. } => Status::Skipped,
            Event::Restored { .. } => Status::Restored,
            Event::Cached { .. } => Status::Cached,
            Event::Merged { .. } => Status::Merged,
            Event::Failed { .. } => Status::Failed,
            Event::Cancelled { .. } => Status::Cancelled,
            Event::NotRun { .. } => Status::NotRun,
            Event::NotSelected { .. } => Status::NotSelected,
            Event::RunStarted { factories } => return Self::RunStarted(*factories),
            Event::Started { factory } => return Self::Started((*factory).to_owned()),
            Event::RunEnded { .. } => return Self::RunEnded,
            _ => return Self::Other,
        };
        assert!(event.is_terminal());
        Self::Ended(event.factory().map(ToOwned::to_owned).unwrap_or_default(), status)
    }
}

impl Ends {
    /// For [`RunBuilder::observe`](setl::RunBuilder::observe).
    pub fn observer(&self) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
        let log = self.0.clone();
        move |event| log.push(event.into())
    }

    /// Asserts that the run started and ended once, and each of its factories ended once and with the status in the report.
    #[track_caller]
    pub fn check<P>(&self, outcome: &Outcome<P>) {
        let all = self.0.all();
        let Some(report) = outcome.report() else { return assert_eq!(all, [], "the run did not start") };
        let entries = report.entries();
        assert_eq!(all.first(), Some(&Mark::RunStarted(entries.len())));
        assert_eq!(all.last(), Some(&Mark::RunEnded));
        let once = |mark: &Mark| all.iter().filter(|other| *other == mark).count() == 1;
        assert!(once(&all[0]) && once(&Mark::RunEnded), "{all:?}");
        for entry in entries {
            let name = &entry.factory;
            let of_factory: Vec<_> = all
                .iter()
                .filter(|mark| matches!(mark, Mark::Started(of) | Mark::Ended(of, _) if of == name))
                .cloned()
                .collect();
            let mut expected = vec![Mark::Ended(name.clone(), entry.status)];
            let has_run = match entry.status {
                Status::Succeeded | Status::Failed | Status::Cancelled => true,
                // By its condition, or by the settings.
                Status::Skipped => matches!(of_factory.first(), Some(Mark::Started(_))),
                _ => false,
            };
            if has_run {
                expected.insert(0, Mark::Started(name.clone()));
            }
            assert_eq!(of_factory, expected, "{all:?}");
        }
    }
}

/// Counts who is inside at once.
#[derive(Debug, Default)]
pub struct Meter {
    inside: AtomicUsize,
    most: AtomicUsize,
    entered: AtomicUsize,
}

impl Meter {
    /// Is inside until the guard is dropped.
    pub fn enter(&self) -> Inside<'_> {
        self.entered.fetch_add(1, Ordering::SeqCst);
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        Inside(self)
    }

    /// The most that were inside at once.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// How many have entered.
    pub fn entered(&self) -> usize {
        self.entered.load(Ordering::SeqCst)
    }
}

/// See [`Meter::enter`].
#[derive(Debug)]
pub struct Inside<'meter>(&'meter Meter);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Keeps the books of [`Parcel`]s: how many there are, how heavy they are together, and how many are clones.
#[derive(Debug, Default)]
pub struct Ledger {
    books: Mutex<Books>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Books {
    live: usize,
    clones: usize,
    weight: usize,
    heaviest: usize,
}

impl Ledger {
    /// A parcel in these books.
    pub fn parcel(self: &Arc<Self>, value: u64, weight: usize) -> Parcel {
        let mut books = lock(&self.books);
        books.live += 1;
        books.weight += weight;
        books.heaviest = books.heaviest.max(books.weight);
        Parcel { value, weight, ledger: Arc::clone(self) }
    }

    /// How many parcels there are.
    pub fn live(&self) -> usize {
        lock(&self.books).live
    }

    /// How many were cloned from another.
    pub fn clones(&self) -> usize {
        lock(&self.books).clones
    }

    /// The most that all parcels weighed together at any time.
    pub fn heaviest(&self) -> usize {
        lock(&self.books).heaviest
    }
}

/// A payload that is counted, under a weight that it claims to have.
#[derive(Debug)]
pub struct Parcel {
    /// What it is told apart by.
    pub value: u64,
    weight: usize,
    ledger: Arc<Ledger>,
}

impl Parcel {
    /// The books that it is in.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }
}

impl Clone for Parcel {
    fn clone(&self) -> Self {
        lock(&self.ledger.books).clones += 1;
        self.ledger.parcel(self.value, self.weight)
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        let mut books = lock(&self.ledger.books);
        books.live -= 1;
        books.weight -= self.weight;
    }
}

/// Tests panic on purpose, also while they hold a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
