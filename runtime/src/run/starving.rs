//! Reports work that has waited for a thread for so long that it may wait forever, because the work that holds the threads waits
//! for it.
//!
//! One thread observes all runs of the process, because a runtime whose threads wait for each other cannot observe itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::event::Event;
use super::shared::Shared;
use crate::base::names::quoted;
use crate::base::panic::contained;
use crate::base::sync::held;
use setl_commit::Owner;

/// The default of [`RunBuilder::warn_after`](super::RunBuilder::warn_after).
const PATIENCE: Duration = Duration::from_secs(30);

static WATCH: Mutex<Watch> = Mutex::new(Watch { runs: BTreeMap::new(), next: 0, thread: None });

/// The runs that do blocking work.
struct Watch {
    runs: BTreeMap<u64, Run>,
    next: u64,
    /// The thread that observes them, and its sleep time.
    thread: Option<(Thread, Duration)>,
}

#[derive(Clone)]
struct Run {
    shared: Weak<Shared>,
    pieces: Weak<Pieces>,
    patience: Duration,
}

/// The tasks of blocking work of a run that have not ended.
#[derive(Debug, Default)]
pub(crate) struct Pieces(Mutex<Vec<Piece>>);

#[derive(Debug)]
struct Piece {
    id: u64,
    /// The attempt for which the task runs. Work of the run itself has the attempt 0.
    owner: Owner,
    since: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The task waits until the run may use one more thread.
    WaitsForRun,
    /// The task waits until the runtime has a thread.
    WaitsForRuntime,
    Runs,
}

/// A task that is counted until this value is dropped.
pub(crate) struct Counted {
    pieces: Arc<Pieces>,
    id: u64,
}

impl Pieces {
    /// Counts a task, which waits at first.
    pub(crate) fn count(self: &Arc<Self>, owner: Owner) -> Counted {
        let mut pieces = held(self.0.lock());
        let id = pieces.last().map_or(0, |last| last.id + 1);
        pieces.push(Piece { id, owner, since: Instant::now(), state: State::WaitsForRun });
        Counted { pieces: Arc::clone(self), id }
    }
}

impl Counted {
    pub(crate) fn is_now(&self, state: State) {
        let mut pieces = held(self.pieces.0.lock());
        // The tasks are sorted by id.
        if let Ok(at) = pieces.binary_search_by_key(&self.id, |piece| piece.id) {
            pieces[at].state = state;
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut pieces = held(self.pieces.0.lock());
        if let Ok(at) = pieces.binary_search_by_key(&self.id, |piece| piece.id) {
            pieces.remove(at);
        }
    }
}

/// A run that is observed until this value is dropped.
#[derive(Debug)]
pub(crate) struct Watched(u64);

impl Drop for Watched {
    fn drop(&mut self) {
        held(WATCH.lock()).runs.remove(&self.0);
    }
}

impl Shared {
    /// Observes the blocking work of this run from now on.
    pub(crate) fn watch_threads(self: &Arc<Self>) {
        let watched = self.pool.watched();
        if watched.get().is_none() {
            watched.get_or_init(|| watch(self));
        }
    }

    /// Reports a task that waits for a thread.
    fn tell_of_starving(&self, waits: Starving) {
        let Starving { node, waited, busy, for_run } = waits;
        let name = |node: usize| &*self.plan.factories[node].name;
        let (factory, busy) = (name(node), busy.into_iter().map(name).collect::<Vec<_>>());
        let threads = for_run.then(|| self.pool.size());
        let time = humantime::format_duration(Duration::from_millis(waited.as_millis() as u64));
        let note = match threads {
            Some(threads) => format!(
                "it waited for a thread for more than {time}, while {} had all {threads}: if one of them waits for \
                 `{factory}`, raise `blocking_threads`",
                quoted(busy.iter().copied())
            ),
            None => format!(
                "it waited for a thread for more than {time}, while the runtime had none left: raise \
                 `max_blocking_threads` of its builder"
            ),
        };
        if self.observers.is_empty() {
            eprintln!("setl: pipeline `{}`: factory `{factory}`: {note}", self.plan.pipeline);
        }
        self.emit_with(|emit| emit(&Event::Starving { factory, waited, busy: &busy, threads }));
        self.note(node, note);
    }
}

/// A factory that has waited for a thread for too long.
struct Starving {
    node: usize,
    waited: Duration,
    /// The factories that hold a thread.
    busy: Vec<usize>,
    /// `true` if it waits until the run may use one more thread.
    for_run: bool,
}

impl Pieces {
    /// The task that has waited longest, if it has waited for at least `patience`.
    fn starving(&self, patience: Duration) -> Option<Starving> {
        let pieces = held(self.0.lock());
        let of_factories = || pieces.iter().filter(|piece| piece.owner.attempt > 0);
        let waits = of_factories().find(|piece| piece.state != State::Runs)?;
        let waited = waits.since.elapsed();
        let mut busy: Vec<_> = of_factories().filter(|piece| piece.state == State::Runs).collect();
        busy.dedup_by_key(|piece| piece.owner.node);
        let busy = busy.into_iter().map(|piece| piece.owner.node).collect();
        (waited >= patience).then_some(Starving {
            node: waits.owner.node,
            waited,
            busy,
            for_run: waits.state == State::WaitsForRun,
        })
    }
}

/// The sleep time of the observing thread for a run with this patience.
fn nap(patience: Duration) -> Duration {
    (patience / 4).clamp(Duration::from_millis(1), Duration::from_secs(5))
}

fn watch(shared: &Arc<Shared>) -> Watched {
    let patience = shared.pool.patience.unwrap_or(PATIENCE);
    let mut watch = held(WATCH.lock());
    let id = watch.next;
    watch.next += 1;
    let pieces = Arc::downgrade(shared.pool.pieces());
    watch.runs.insert(id, Run { shared: Arc::downgrade(shared), pieces, patience });
    match &watch.thread {
        Some((_, sleeps)) if *sleeps <= nap(patience) => {}
        Some((thread, _)) => thread.unpark(),
        None => {
            // Without the thread there are no warnings, and everything else stays the same.
            let started = thread::Builder::new().name("setl-threads".to_owned()).spawn(look_after);
            watch.thread = started.ok().map(|handle| (handle.thread().clone(), nap(patience)));
        }
    }
    Watched(id)
}

/// Checks all runs repeatedly, until there has been no run during a whole sleep.
fn look_after() {
    loop {
        let (seen, nap) = {
            let mut watch = held(WATCH.lock());
            let shortest = watch.runs.values().map(|run| nap(run.patience)).min();
            let nap = shortest.unwrap_or(Duration::from_secs(5));
            if let Some((_, sleeps)) = &mut watch.thread {
                *sleeps = nap;
            }
            (watch.next, nap)
        };
        thread::park_timeout(nap);
        let runs: Vec<_> = {
            let mut watch = held(WATCH.lock());
            if watch.runs.is_empty() && watch.next == seen {
                watch.thread = None;
                return;
            }
            watch.runs.iter().map(|(id, run)| (*id, run.clone())).collect()
        };
        for (id, Run { shared, pieces, patience }) in runs {
            let starving = pieces.upgrade().and_then(|pieces| pieces.starving(patience));
            // At most once in a run.
            if let (Some(starving), Some(shared)) = (starving, shared.upgrade()) {
                held(WATCH.lock()).runs.remove(&id);
                contained(|| shared.tell_of_starving(starving));
                // This may be the last reference to the run and its outputs.
                contained(|| drop(shared));
            }
        }
    }
}
